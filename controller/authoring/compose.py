"""Which versions the next release lists: a pure function of the current one and what is wanted.

A promoted version takes its whole signed window. What stood there before is cut back to what is
left of its own: nothing (it is replaced), or a part that now ends, or begins, where the new one
begins or ends. So an open version and a scheduled successor adjoin, and no instant has two.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from controller.artifacts.layout import BadName, BundleId, number
from controller.artifacts.release import LiveBundle, ReleaseRef, ReleaseStatement
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused
from controller.kernel.instants import Window


class NotLive(Refused):
    """A bundle that should leave the release is not in it."""

    code = "authoring.not_live"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A bundle as somebody typed it: `card-bin/binlist`, maybe with `@2`."""

    bundle: BundleId
    version: int | None = None

    def __str__(self) -> str:
        """Return the written form."""
        return f"{self.bundle}@{self.version}" if self.version else str(self.bundle)


@dataclass(frozen=True, slots=True)
class Promoted:
    """A version that enters the release, and the window its signers gave it."""

    live: LiveBundle
    window: Window


@dataclass(frozen=True, slots=True)
class Before:
    """What a release grows from: the release in force, and the highest there ever was."""

    current: ReleaseStatement | None
    current_ref: ReleaseRef | None
    highest_ref: ReleaseRef | None


def parse_wanted(text: str) -> Wanted:
    """Read `<rail>/<name>` or `<rail>/<name>@<version>`."""
    name, at, version = text.partition("@")
    bundle = BundleId.parse(name)
    if at and not version:
        raise BadName(text, "a bundle version", hint="write it as card-bin/binlist@2")
    return Wanted(bundle, number(version) if at else None)


def next_live(
    live: Iterable[LiveBundle],
    windows: Mapping[tuple[BundleId, int], Window],
    promoted: Sequence[Promoted],
    dropped: Sequence[Wanted],
) -> tuple[LiveBundle, ...]:
    """Return the live versions of the next release; `windows` are those that were signed."""
    kept = list(live)
    signed = {**windows, **{(new.live.bundle, new.live.version): new.window for new in promoted}}
    for wanted in dropped:
        left = [one for one in kept if not _is(one, wanted)]
        if len(left) == len(kept):
            names = ", ".join(sorted(f"{one.bundle}@{one.version}" for one in kept))
            raise NotLive(f"{wanted} is not live", hint=f"live are: {names or 'none'}")
        kept = left
    for new in promoted:
        cut = [part for one in kept for part in _beside(one, signed[one.bundle, one.version], new)]
        kept = [*cut, new.live]
    return tuple(sorted(kept, key=lambda one: one.path))


def next_release(
    before: Before,
    live: tuple[LiveBundle, ...],
    *,
    repository: str,
    environment: str,
    policies: Mapping[str, Digest],
    created: datetime,
    expires: datetime | None = None,
) -> ReleaseStatement:
    """Return the release after `before`: it follows the highest serial and says what it takes back.

    After a rollback the release in force is not the highest: `rollback_of` names the one that was
    taken back.
    """
    newest = before.highest_ref
    return ReleaseStatement(
        repository=repository,
        environment=environment,
        serial=newest.serial + 1 if newest else 1,
        previous=newest,
        rollback_of=newest if before.current_ref != newest else None,
        created=created,
        expires=expires,
        policies=policies,
        bundles=live,
    )


def says_the_same(release: ReleaseStatement, current: ReleaseStatement | None) -> bool:
    """Whether a release would change nothing."""
    return current is not None and (release.bundles, dict(release.policies)) == (
        current.bundles,
        dict(current.policies),
    )


def _is(live: LiveBundle, wanted: Wanted) -> bool:
    return live.bundle == wanted.bundle and wanted.version in (None, live.version)


def _beside(live: LiveBundle, signed: Window, new: Promoted) -> list[LiveBundle]:
    """Return what is left of a live version beside a promoted one: itself, a part, or nothing."""
    if live.bundle != new.live.bundle:
        return [live]
    if live.version == new.live.version:
        return []
    own = live.effective(signed)
    if not own.overlaps(new.window):
        return [live]
    left = _before(own, new.window.start)
    # One version has one window: what would come back after the new one ends is left out.
    rest = left or _after(own, new.window.end)
    return [replace(live, window=_narrowing(rest, signed))] if rest else []


def _before(window: Window, instant: datetime | None) -> Window | None:
    if instant is None or (window.start is not None and window.start >= instant):
        return None
    return Window(window.start, instant)


def _after(window: Window, instant: datetime | None) -> Window | None:
    if instant is None or (window.end is not None and window.end <= instant):
        return None
    return Window(instant, window.end)


def _narrowing(window: Window, signed: Window) -> Window | None:
    """Return only the ends that differ from the signed ones: a release says no more than needed."""
    start = window.start if window.start != signed.start else None
    end = window.end if window.end != signed.end else None
    return Window(start, end) if start or end else None
