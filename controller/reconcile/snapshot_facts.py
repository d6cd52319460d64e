"""What is applied, as a resolver's copy of it says so: read together with the copy's rows.

Everything is plain values, because a base file keeps it as JSON: a process that starts while the
database is away answers from the last file, and says what it is of.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from controller.adapters.postgres import Connection
from controller.kernel.instants import Window, format_instant
from controller.stores.control import store as control
from controller.stores.directory import snapshot_source as source
from controller.stores.directory import store as directory
from controller.stores.directory.snapshot_records import ALWAYS, NEVER, instant_of, moment_of


@dataclass(frozen=True, slots=True)
class LiveBundle:
    """A bundle version that is applied, in its window: microseconds since 2000."""

    bundle: str
    version: int
    sha256: str
    starts: int
    ends: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Which revision a copy is of, and what stands around its rows.

    `digests` are rows and digest of each table as the database kept them; `places` say which
    tables they were: a rebuilt one is another.
    """

    environment: str
    revision: int
    commit: str
    serial: int
    applied_at: str
    bundles: tuple[LiveBundle, ...]
    digests: Mapping[str, tuple[int, int, str]]
    places: tuple[int, ...]

    def origins(self) -> dict[str, list[tuple[int, int, bytes]]]:
        """Return what answers say of their origin: by bundle, in the order of versions."""
        found: dict[str, list[tuple[int, int, bytes]]] = {}
        for one in self.bundles:
            words = self.origin(one.bundle, one)
            found.setdefault(one.bundle, []).append((one.starts, one.ends, words))
        return found

    def origin(self, bundle: str, live: LiveBundle | None = None) -> bytes:
        """Return what answers say of one bundle's version, or of none that is live."""
        window = _window(live) if live else Window()
        words = {
            "number": self.revision,
            "commit": self.commit,
            "serial": self.serial,
            "bundle": f"{bundle}@{live.version}" if live else bundle,
            "bundle_sha256": live.sha256 if live else None,
            "effective_from": format_instant(window.start) if window.start else None,
            "effective_to": format_instant(window.end) if window.end else None,
        }
        return json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode()

    @property
    def boundaries(self) -> tuple[int, ...]:
        """The instants at which versions begin or end."""
        edges = {edge for one in self.bundles for edge in (one.starts, one.ends)}
        return tuple(sorted(edges - {ALWAYS, NEVER}))

    @classmethod
    def of_json(cls, members: Mapping[str, Any]) -> "Facts":
        """Take what `asdict` made and JSON kept."""
        bundles = tuple(LiveBundle(**one) for one in members["bundles"])
        digests = {table: tuple(one) for table, one in members["digests"].items()}
        some = {"bundles": bundles, "digests": digests, "places": tuple(members["places"])}
        return cls(**{**members, **some})


class File(NamedTuple):
    """A file that rows stand in; `text` is what answers say of it, without a last brace."""

    bundle: str
    path: str
    rail: str
    text: bytes


class Files:
    """Files by number. A number never comes to mean another file, so all snapshots share them."""

    def __init__(self, known: Iterable[tuple[int, str, str]] = ()) -> None:
        self.by_number: dict[int, File] = {}
        """Only ever added to."""
        for number, bundle, path in known:
            self._add(number, bundle, path)

    def learn(self, connection: Connection[Any]) -> None:
        """Read those that came since."""
        for number, bundle, path in source.files(connection, after=max(self.by_number, default=0)):
            self._add(number, bundle, path)

    def as_json(self) -> list[tuple[int, str, str]]:
        """Return what `Files` takes."""
        return [(number, file.bundle, file.path) for number, file in self.by_number.items()]

    def _add(self, number: int, bundle: str, path: str) -> None:
        text = b',"source":{"bundle":%b,"path":%b}' % (quoted(bundle), quoted(path))
        self.by_number[number] = File(bundle, path, bundle.partition("/")[0], text)


def read_facts(connection: Connection[Any], environment: str) -> Facts | None:
    """Return what is applied in the moment that `connection` holds; `None` before anything was."""
    applied = control.read_applied(connection, environment)
    if applied is None:
        return None
    live = control.live_bundles(connection, environment)
    kept = directory.kept(connection)
    return Facts(
        environment,
        applied.revision,
        applied.commit.hex(),
        applied.serial_current,
        format_instant(applied.applied_at),
        tuple(
            LiveBundle(
                one.bundle,
                one.version,
                one.payload_sha256,
                ALWAYS if one.window.start is None else moment_of(one.window.start),
                NEVER if one.window.end is None else moment_of(one.window.end),
            )
            for one in live
        ),
        {table: (one.rows, one.digest, one.algorithm) for table, one in kept.items()},
        source.places(connection),
    )


def quoted(text: str) -> bytes:
    """Return a text as JSON."""
    return encode_basestring(text).encode()


def _window(live: LiveBundle) -> Window:
    return Window(instant_of(live.starts), instant_of(live.ends))
