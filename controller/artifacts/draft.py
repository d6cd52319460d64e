"""The draft: what a bundle's next version will be called, and where and when it will hold."""

from dataclasses import dataclass

from controller.artifacts import wire
from controller.artifacts.layout import BundleId
from controller.kernel.canonical import readable
from controller.kernel.instants import Window, format_instant

_TOKENS_MAX = 1000  # 64 environments need 150


@dataclass(frozen=True, slots=True)
class Draft:
    """The contents of `draft.json`."""

    bundle: BundleId
    window: Window
    environments: tuple[str, ...]

    def to_bytes(self) -> bytes:
        """Return the file's bytes."""
        start, end = self.window.start, self.window.end
        return readable(
            {
                "name": self.bundle.name,
                "rail": self.bundle.rail,
                "effective_from": format_instant(start) if start else None,
                "effective_to": format_instant(end) if end else None,
                "environments": list(self.environments),
            }
        )


def parse(data: bytes) -> Draft:
    """Read `draft.json`."""
    return wire.read_document(_Wire, _build, data, "draft.json", tokens_max=_TOKENS_MAX)


class _Wire(wire.WindowText):
    name: wire.Segment
    rail: wire.Segment
    environments: wire.Environments


def _build(said: _Wire) -> Draft:
    return Draft(
        BundleId(said.rail, said.name),
        wire.window("/effective_to", said.effective_from, said.effective_to),
        tuple(said.environments),
    )
