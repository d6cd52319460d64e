"""Hold the proven trails of two controllers against each other: one history, or two?

Whoever serves a repository may show each controller another history. Both trails are then whole,
and only next to each other do they give it away: one serial means two releases, one commit means
two contents, or the newest commits that were applied do not stand on one line.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from controller.audit.branch import record_at
from controller.audit.prove import Proof, Trail
from controller.audit.record import AuditRecord
from controller.kernel.canonical import Digest
from controller.kernel.errors import Untrusted
from controller.kernel.objects import Oid


class Clone(Trail, Protocol):
    """A repository in which it can be asked who descends from whom."""

    def has(self, oid: Oid) -> bool: ...

    def is_ancestor(self, ancestor: Oid, descendant: Oid) -> bool: ...


class Difference(StrEnum):
    """How two histories differ."""

    COMMIT = "one source commit held two releases"
    SERIAL = "one serial means two releases"
    LINE = "the newest source commits do not stand on one line"


class HistoriesDiffer(Untrusted):
    """Two controllers applied two histories of what should be one repository."""

    code = "audit.histories_differ"

    def __init__(self, names: tuple[str, str], difference: Difference, *, detail: str) -> None:
        super().__init__(
            f"{names[0]} and {names[1]} saw two histories: {difference}: {detail}",
            hint="stop both controllers, and find out who served which history to whom",
        )
        self.names, self.difference, self.detail = names, difference, detail


@dataclass(frozen=True, slots=True)
class Side:
    """A proven trail, and the clone that holds it and what it was made from."""

    proof: Proof
    clone: Clone


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two trails tell of one history. Only `compare` makes one.

    `shared` releases were applied by both; `newest` is the later of the newest source commits.
    """

    shared: int
    newest: Oid


def compare(ours: Side, theirs: Side) -> Agreement:
    """Return what two trails have in common, or raise the first `HistoriesDiffer`."""
    names = (ours.proof.controller, theirs.proof.controller)
    first, second = list(_records(ours)), list(_records(theirs))
    _compare_commits(names, first, second)
    shared = _compare_serials(names, first, second)
    return Agreement(shared, _newest(names, ours, theirs))


def _records(side: Side) -> Iterator[AuditRecord]:
    for link in side.proof.links:
        yield record_at(side.clone, link.commit)


def _compare_commits(
    names: tuple[str, str], first: list[AuditRecord], second: list[AuditRecord]
) -> None:
    known = {(one.environment, one.commit): one.release_sha256 for one in first}
    for one in second:
        held = known.get((one.environment, one.commit), one.release_sha256)
        if held != one.release_sha256:
            detail = f"{one.commit.hex()} held {held[:12]}… and {one.release_sha256[:12]}…"
            raise HistoriesDiffer(names, Difference.COMMIT, detail=detail)


def _compare_serials(
    names: tuple[str, str], first: list[AuditRecord], second: list[AuditRecord]
) -> int:
    left, right = _by_serial(first), _by_serial(second)
    shared = 0
    for place in sorted(left.keys() & right.keys()):
        both = left[place] & right[place]
        # After a root's reset one serial may mean several releases, one after the other.
        if not both:
            environment, serial = place
            digests = f"{min(left[place])[:12]}… and {min(right[place])[:12]}…"
            detail = f"{environment} {serial} is {digests}"
            raise HistoriesDiffer(names, Difference.SERIAL, detail=detail)
        shared += len(both)
    return shared


def _by_serial(records: list[AuditRecord]) -> dict[tuple[str, int], set[Digest]]:
    found: dict[tuple[str, int], set[Digest]] = defaultdict(set)
    for one in records:
        found[one.environment, one.serial].add(one.release_sha256)
    return found


def _newest(names: tuple[str, str], ours: Side, theirs: Side) -> Oid:
    """Return the newest commit of one line; whoever is ahead holds what the other applied."""
    left, right = ours.proof.last.commit, theirs.proof.last.commit
    for clone in (ours.clone, theirs.clone):
        if clone.has(left) and clone.has(right):
            if clone.is_ancestor(left, right):
                return right
            if clone.is_ancestor(right, left):
                return left
    detail = f"{left.hex()} and {right.hex()}"
    raise HistoriesDiffer(names, Difference.LINE, detail=detail)
