"""Which release may follow which: forward by one, back only with authority, never sideways.

Pure rules over plain values; whoever calls has verified the signatures and looked up the facts.
G1 (the commit descends from the accepted one) is `check_ancestry`; G3 and G4 (the release comes
next, or is a rollback to one this controller applied) are `judge`; several releases that arrived
at once are linked by `advance`, oldest first, before the last is judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from controller.kernel.canonical import Digest
from controller.kernel.errors import Unavailable, Untrusted
from controller.kernel.instants import format_instant
from controller.kernel.objects import Oid
from controller.trust.rollback import RollbackAuthority

CLOCK_TOLERANCE = timedelta(seconds=300)
BUNDLE_STEP_MAX = 1000

ReleaseId: TypeAlias = tuple[int, Digest]
"""A release's serial and the SHA-256 of its payload."""


class HistoryRewritten(Untrusted):
    """The branch no longer contains the commit that was accepted."""

    code = "trust.history_rewritten"

    def __init__(self, accepted: Oid, head: Oid) -> None:
        super().__init__(
            f"head {head.hex()} does not descend from the accepted commit {accepted.hex()}",
            hint="history only goes forward: restore the branch, then use `git revert`",
        )
        self.accepted, self.head = accepted, head


class NotFromBaseline(Untrusted):
    """The branch does not contain the commit pinned on this host."""

    code = "trust.not_from_baseline"

    def __init__(self, baseline: Oid, head: Oid) -> None:
        super().__init__(
            f"head {head.hex()} does not descend from the pinned baseline {baseline.hex()}",
            hint="is this the right repository and branch?",
        )
        self.baseline, self.head = baseline, head


class SerialSkipped(Untrusted):
    """A release's serial is not the next one."""

    code = "trust.serial_skipped"

    def __init__(self, serial: int, expected: int) -> None:
        super().__init__(
            f"release serial {serial} where {expected} comes next",
            hint="promote again on top of the newest release",
        )
        self.serial, self.expected = serial, expected


class SerialReplayed(Untrusted):
    """A release uses a serial up that is behind us and that we never saw."""

    code = "trust.serial_replayed"

    def __init__(self, serial: int, high: int) -> None:
        super().__init__(f"release serial {serial} is behind {high} and not one we know")
        self.serial, self.high = serial, high


class SerialBelowFloor(Untrusted):
    """A release's serial is lower than the root allows."""

    code = "trust.serial_below_floor"

    def __init__(self, serial: int, floor: int) -> None:
        super().__init__(f"release serial {serial} is below the root's floor {floor}")
        self.serial, self.floor = serial, floor


class Equivocation(Untrusted):
    """Two different releases carry one serial."""

    code = "trust.equivocation"

    def __init__(self, serial: int, known: Digest, offered: Digest) -> None:
        super().__init__(
            f"release serial {serial} is {offered[:12]}… now, it was {known[:12]}… before",
            hint="somebody signed two releases with one number: find out who and why",
        )
        self.serial, self.known, self.offered = serial, known, offered


class PreviousMismatch(Untrusted):
    """A release does not name the one before it."""

    code = "trust.previous_mismatch"

    def __init__(self, serial: int, named: ReleaseId | None, expected: ReleaseId | None) -> None:
        super().__init__(
            f"release {serial} follows {_name(named)}, it should follow {_name(expected)}",
            hint="promote again on top of the newest release",
        )
        self.serial, self.named, self.expected = serial, named, expected


class RollbackReason(StrEnum):
    """Why a rollback is refused."""

    UNSIGNED = "no rollback key signed it"
    NEVER_APPLIED = "this controller never applied it"
    TOO_OLD = "it was applied too long ago"
    BELOW_FLOOR = "it is below the root's floor"


class RollbackRefused(Untrusted):
    """A release goes back and may not."""

    code = "trust.rollback_refused"

    def __init__(self, serial: int, high: int, reason: RollbackReason) -> None:
        super().__init__(
            f"rollback from release {high} to {serial} refused: {reason}",
            hint="use `countersign rollback`, or sign the revert with a rollback key",
        )
        self.serial, self.high, self.reason = serial, high, reason


class ReleaseExpired(Untrusted):
    """A release that is not applied yet is past its date."""

    code = "trust.release_expired"

    def __init__(self, serial: int, expires: datetime) -> None:
        super().__init__(
            f"release {serial} expired at {format_instant(expires)}", hint="promote again"
        )
        self.serial, self.expires = serial, expires


class ClockBehind(Unavailable):
    """This host's clock is behind what it has already seen: no date is judged by it."""

    code = "trust.clock_behind"

    def __init__(self, now: datetime, max_time_seen: datetime, *, witness: str = "a pass") -> None:
        super().__init__(
            f"the clock says {format_instant(now)} after {format_instant(max_time_seen)} was seen, "
            f"by {witness}",
            hint="set the host's clock by NTP (timedatectl set-ntp true), or whatever is ahead of "
            "it: wait until the hour that was seen has come, or commit another heartbeat",
        )
        self.now, self.max_time_seen, self.witness = now, max_time_seen, witness


class BundleEquivocation(Untrusted):
    """A bundle version is used again for other bytes."""

    code = "trust.bundle_equivocation"

    def __init__(self, bundle: str, version: int, *, known: Digest, offered: Digest) -> None:
        super().__init__(
            f"{bundle} {version} is {offered[:12]}… now, it was {known[:12]}… before",
            hint="a version never changes: sign the draft as the next version",
        )
        self.bundle, self.version, self.known, self.offered = bundle, version, known, offered


class BundleSkipped(Untrusted):
    """A bundle's version is too far ahead of the last one."""

    code = "trust.bundle_skipped"

    def __init__(self, bundle: str, version: int, last: int) -> None:
        super().__init__(f"{bundle} {version} is more than {BUNDLE_STEP_MAX} versions after {last}")
        self.bundle, self.version, self.last = bundle, version, last


class BundleBelowFloor(Untrusted):
    """A bundle's version is lower than the root allows."""

    code = "trust.bundle_below_floor"

    def __init__(self, bundle: str, version: int, floor: int) -> None:
        super().__init__(f"{bundle} {version} is below the root's floor {floor}")
        self.bundle, self.version, self.floor = bundle, version, floor


@dataclass(frozen=True, slots=True)
class Accepted:
    """What this controller knows of one environment.

    `seen` are the releases of the chain, also those never applied; entries above `serial_high`
    are from before a reset and count no more. `applied` adds when. `rebased` is the last reset
    that was obeyed.
    """

    accepted_commit: Oid | None = None
    serial_current: int | None = None
    serial_high: int | None = None
    seen: Mapping[int, Digest] = field(default_factory=dict)
    applied: Mapping[int, tuple[Digest, datetime]] = field(default_factory=dict)
    bundle_digests: Mapping[tuple[str, int], Digest] = field(default_factory=dict)
    max_time_seen: datetime | None = None
    rebased: ReleaseId | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A verified release at a commit. `at_baseline`: it stands at the pinned commit already."""

    commit: Oid
    serial: int
    sha256: Digest
    previous: ReleaseId | None = None
    rollback_of: ReleaseId | None = None
    expires: datetime | None = None
    rollback_authority: RollbackAuthority | None = None
    at_baseline: bool = False

    @property
    def id(self) -> ReleaseId:
        """Return serial and digest."""
        return (self.serial, self.sha256)


@dataclass(frozen=True, slots=True)
class Forward:
    """The release comes next. `rebased` is the last reset that serials started again from."""

    serial_current: int
    serial_high: int
    rebased: ReleaseId | None = None


@dataclass(frozen=True, slots=True)
class Rollback:
    """The release was applied before and is again; the next new one is `serial_high` + 1."""

    serial_current: int
    serial_high: int
    authority: RollbackAuthority


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The release is the one in force."""


Judgement: TypeAlias = Forward | Rollback | Unchanged


def check_clock(max_time_seen: datetime | None, now: datetime) -> None:
    """Raise `ClockBehind` when `now` is more than 300 seconds before a time already seen."""
    if max_time_seen is not None and now < max_time_seen - CLOCK_TOLERANCE:
        raise ClockBehind(now, max_time_seen)


def check_ancestry(accepted: Oid | None, baseline: Oid, head: Oid, *, descends: bool) -> None:
    """Raise unless `head` is, or descends from, the accepted commit (the baseline at first).

    `descends` is the caller's answer for `accepted`, or for `baseline` when that is `None`.
    """
    anchor = baseline if accepted is None else accepted
    if head == anchor or descends:
        return
    if accepted is None:
        raise NotFromBaseline(baseline, head)
    raise HistoryRewritten(accepted, head)


def check_bundles(
    known: Mapping[tuple[str, int], Digest],
    offered: Mapping[tuple[str, int], Digest],
    *,
    floors: Mapping[str, int],
) -> None:
    """Raise when a version changed its bytes, runs too far ahead, or is below the root's floor.

    Bundles are named `<rail>/<name>`; a bundle nobody knows yet may start at any version.
    """
    for (bundle, version), digest in sorted(offered.items()):
        before = known.get((bundle, version), digest)
        if before != digest:
            raise BundleEquivocation(bundle, version, known=before, offered=digest)
        if (bundle, version) not in known and (bundle, version - 1) not in known:
            last = max((one for name, one in known if name == bundle), default=version)
            if version > last + BUNDLE_STEP_MAX:
                raise BundleSkipped(bundle, version, last)
        if version < floors.get(bundle, 1):
            raise BundleBelowFloor(bundle, version, floors[bundle])


def judge(
    accepted: Accepted,
    candidate: Candidate,
    *,
    floor: int,
    reset: ReleaseId | None,
    max_age: timedelta | None,
    now: datetime,
) -> Judgement:
    """Say how the candidate relates to what was accepted, or raise why it may not be applied.

    `floor`, `reset` and the rollback role's `max_age` are the root's for this environment;
    `max_age=None` means that nobody may roll back.
    """
    check_clock(accepted.max_time_seen, now)
    if _obeys(candidate, accepted, reset):
        _check_usable(candidate, floor, now)
        return Forward(candidate.serial, candidate.serial, rebased=reset)
    _check_equivocation(accepted, candidate)
    high = accepted.serial_high
    if high is not None and candidate.id == _known(accepted, accepted.serial_current):
        return Unchanged()
    if high is not None and candidate.serial <= high:
        return _judge_rollback(accepted, candidate, floor=floor, max_age=max_age, now=now)
    _check_next(accepted, candidate)
    _check_usable(candidate, floor, now)
    return Forward(candidate.serial, candidate.serial, rebased=accepted.rebased)


def advance(
    accepted: Accepted, candidate: Candidate, *, reset: ReleaseId | None = None
) -> Accepted:
    """Return what is known after a release that a later one has already replaced.

    It is linked into the chain but never applied, so neither its expiry nor the floor is judged,
    and going back needs no authority: what counts is judged on the last release.
    """
    if _obeys(candidate, accepted, reset):
        seen = {serial: sha for serial, sha in accepted.seen.items() if serial < candidate.serial}
        accepted = replace(accepted, seen=seen, rebased=reset)
    else:
        _check_equivocation(accepted, candidate)
        high = accepted.serial_high
        if high is not None and candidate.serial <= high:
            if _known(accepted, candidate.serial) is None:
                raise SerialReplayed(candidate.serial, high)
            return replace(accepted, serial_current=candidate.serial)
        _check_next(accepted, candidate)
    return replace(
        accepted,
        serial_current=candidate.serial,
        serial_high=candidate.serial,
        seen={**accepted.seen, candidate.serial: candidate.sha256},
    )


def _obeys(candidate: Candidate, accepted: Accepted, reset: ReleaseId | None) -> bool:
    """Whether the candidate is, or directly follows, a reset that was not obeyed yet.

    A release that is known already followed it before, and the one in force changes nothing.
    """
    if reset is None or accepted.rebased == reset or accepted.serial_high is None:
        return False
    if candidate.id == reset:
        return candidate.id != _known(accepted, accepted.serial_current)
    follows = candidate.serial == reset[0] + 1 and candidate.previous == reset
    return follows and candidate.id != _known(accepted, candidate.serial)


def _check_equivocation(accepted: Accepted, candidate: Candidate) -> None:
    if accepted.serial_high is None or candidate.serial > accepted.serial_high:
        return
    known = _known(accepted, candidate.serial)
    if known is not None and known != candidate.id:
        raise Equivocation(candidate.serial, known[1], candidate.sha256)


def _check_next(accepted: Accepted, candidate: Candidate) -> None:
    high = accepted.serial_high
    if high is None:
        if candidate.at_baseline:
            return
        if candidate.serial != 1:
            raise SerialSkipped(candidate.serial, 1)
        if candidate.previous is not None:
            raise PreviousMismatch(1, candidate.previous, None)
        return
    if candidate.serial != high + 1:
        raise SerialSkipped(candidate.serial, high + 1)
    newest = _known(accepted, high)
    if candidate.previous is not None and candidate.previous == newest:
        return
    current = _known(accepted, accepted.serial_current)
    taken_back = candidate.rollback_of
    if (
        candidate.previous is None
        or candidate.previous != current
        or taken_back is None
        or taken_back != _known(accepted, taken_back[0])
    ):
        raise PreviousMismatch(candidate.serial, candidate.previous, newest)


def _check_usable(candidate: Candidate, floor: int, now: datetime) -> None:
    if candidate.serial < floor:
        raise SerialBelowFloor(candidate.serial, floor)
    if candidate.expires is not None and candidate.expires <= now:
        raise ReleaseExpired(candidate.serial, candidate.expires)


def _judge_rollback(
    accepted: Accepted,
    candidate: Candidate,
    *,
    floor: int,
    max_age: timedelta | None,
    now: datetime,
) -> Rollback:
    high = accepted.serial_high
    assert high is not None
    serial, authority = candidate.serial, candidate.rollback_authority
    was_applied = accepted.applied.get(serial)
    if _known(accepted, serial) is None:
        raise SerialReplayed(serial, high)
    if was_applied is None or was_applied[0] != candidate.sha256:
        raise RollbackRefused(serial, high, RollbackReason.NEVER_APPLIED)
    if serial < floor:
        raise RollbackRefused(serial, high, RollbackReason.BELOW_FLOOR)
    if authority is None or max_age is None or not authority.covers(serial, candidate.sha256):
        raise RollbackRefused(serial, high, RollbackReason.UNSIGNED)
    if now - was_applied[1] > max_age:
        raise RollbackRefused(serial, high, RollbackReason.TOO_OLD)
    _check_usable(candidate, floor, now)
    return Rollback(serial, high, authority)


def _known(accepted: Accepted, serial: int | None) -> ReleaseId | None:
    if serial is None:
        return None
    if serial in accepted.seen:
        return (serial, accepted.seen[serial])
    was_applied = accepted.applied.get(serial)
    return (serial, was_applied[0]) if was_applied else None


def _name(release: ReleaseId | None) -> str:
    return "nothing" if release is None else f"{release[0]} ({release[1][:12]}…)"
