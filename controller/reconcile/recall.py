"""What one process remembers from pass to pass, so that a pass asks only for what moved.

Nothing here is believed longer than it is true: what was read counts for one state of production,
roots count for the bytes they were made from, and hashes for the tree whose files were read.
"""

from typing import Any, NamedTuple

from controller.adapters.postgres import Connection, reading
from controller.artifacts.proven import Directories
from controller.audit.publish import LastWritten
from controller.reconcile.commits import VerifiedCommits
from controller.stores.control import known
from controller.stores.control import store as control
from controller.stores.control.known import Known
from controller.stores.control.memory import DatabaseMemory
from controller.stores.control.model import (
    Applied,
    AppliedBundle,
    SeenRelease,
    StaleWriter,
)
from controller.trust import root
from controller.trust.memory import LatestRemembered
from controller.trust.root import Pin, TrustedRoot

_CHAINS_MAX = 8


class Seen(NamedTuple):
    """All releases that were seen, from a serial on."""

    since: int
    releases: tuple[SeenRelease, ...]


class Recall:
    """The memory of one controller over one connection."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._before: Applied | None = None
        self._known: Known | None = None
        self._seen: Seen | None = None
        self._roots: dict[tuple[bytes, ...], TrustedRoot] = {}
        self.hashed = DatabaseMemory(connection)
        self.verified = LatestRemembered()
        self.directories = Directories()
        self.written = LastWritten()
        self.commits = VerifiedCommits()

    def known(self, environment: str, before: Applied | None) -> Known:
        """Return what was accepted up to one state of production.

        Another process that writes any of it takes the lease, and its epoch is part of that state;
        before the first revision there is none, and it is asked for each time. What is remembered
        was read at one moment; raises `StaleWriter` when that is another one.
        """
        if self._known is None or before is None or before != self._before:
            with reading(self._connection):
                found = control.read_applied(self._connection, environment)
                accepted = known.read(self._connection, environment)
            if found != before:
                raise StaleWriter(environment, expected=_number(before), found=_number(found))
            self.learn(before, accepted)
            return accepted
        return self._known

    def releases(self, environment: str, before: Applied, *, since: int) -> tuple[SeenRelease, ...]:
        """Return the releases from a serial on that were seen up to one state of production."""
        seen = self._seen
        if seen is None or before != self._before or since < seen.since:
            found = control.releases(self._connection, environment, since=since)
            if before != self._before:
                return found
            seen = self._seen = Seen(since, found)
        return tuple(one for one in seen.releases if one.serial >= since)

    def live(self, environment: str, before: Applied) -> tuple[AppliedBundle, ...]:
        """Return the bundle versions that one state of production serves."""
        return self.remembered(environment, before).live

    def remembered(self, environment: str, before: Applied) -> Known:
        """Return what was accepted up to one state of production, its roots as last read."""
        if self._known is None or before != self._before:
            return self.known(environment, before)
        return self._known

    def learn(self, applied: Applied | None, accepted: Known, seen: Seen | None = None) -> None:
        """Take note of what is accepted now that production is at `applied`."""
        self._before, self._known, self._seen = applied, accepted, seen

    def forget(self) -> None:
        """Ask the database anew: what is remembered did not let a pass through."""
        self._before, self._known, self._seen = None, None, None

    def root(self, pin: Pin, envelopes: tuple[bytes, ...]) -> TrustedRoot:
        """Return the root at the end of a chain of roots we hold; no date is judged here."""
        chain = (pin.sha256.encode(), pin.envelope, *envelopes)
        if chain not in self._roots:
            pinned = root.pin(pin.envelope, pin.sha256)
            if len(self._roots) >= _CHAINS_MAX:
                self._roots.clear()
            self._roots[chain] = root.follow(pinned, envelopes)
        return self._roots[chain]


def _number(applied: Applied | None) -> int:
    return applied.revision if applied is not None else 0
