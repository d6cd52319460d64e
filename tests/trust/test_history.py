"""Histories: forward by one, back with authority, and every attack that looks like either."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from controller.kernel.canonical import Digest, sha256
from controller.kernel.objects import Oid
from controller.trust.core import ThresholdNotMet
from controller.trust.history import (
    Accepted,
    BundleBelowFloor,
    BundleEquivocation,
    BundleSkipped,
    Candidate,
    ClockBehind,
    Equivocation,
    Forward,
    HistoryRewritten,
    Judgement,
    NotFromBaseline,
    PreviousMismatch,
    ReleaseExpired,
    Rollback,
    RollbackReason,
    RollbackRefused,
    SerialBelowFloor,
    SerialReplayed,
    SerialSkipped,
    Unchanged,
    advance,
    check_ancestry,
    check_bundles,
    judge,
)
from controller.trust.rollback import RollbackAuthority, by_statement
from tests.support.trust import ALICE, BOB, NOW, role, sealed

DAY = timedelta(days=1)
HEAD, OTHER = Oid(b"h" * 20), Oid(b"o" * 20)


def digest(serial: int) -> Digest:
    return sha256(b"release %d" % serial)


def named(serial: int) -> tuple[int, Digest]:
    return (serial, digest(serial))


def candidate(serial: int, **changes: Any) -> Candidate:
    previous = named(serial - 1) if serial > 1 else None
    return replace(Candidate(HEAD, serial, digest(serial), previous), **changes)


def authority(**changes: Any) -> RollbackAuthority:
    facts: dict[str, Any] = {"signers": frozenset({ALICE.id}), "owners": frozenset({"alice"})}
    return RollbackAuthority(**{**facts, "evidence": sha256(b""), **changes})


# Releases 40 to 43 were seen, all but 41 were applied, 43 is in force.
KNOWN = Accepted(
    accepted_commit=OTHER,
    serial_current=43,
    serial_high=43,
    seen={serial: digest(serial) for serial in (40, 41, 42, 43)},
    applied={
        40: (digest(40), NOW - 40 * DAY),
        42: (digest(42), NOW - 30 * DAY),
        43: (digest(43), NOW - DAY),
    },
    max_time_seen=NOW,
)
BACK_AT_42 = replace(KNOWN, serial_current=42)


def ask(known: Accepted, one: Candidate, **changes: Any) -> Judgement:
    facts: dict[str, Any] = {"floor": 1, "reset": None, "max_age": 30 * DAY, "now": NOW}
    return judge(known, one, **{**facts, **changes})


def test_the_next_release_goes_forward() -> None:
    assert ask(KNOWN, candidate(44)) == Forward(44, 44)


def test_the_release_in_force_changes_nothing() -> None:
    assert ask(KNOWN, candidate(43)) == Unchanged()


@pytest.mark.parametrize("serial", [45, 2**31 - 1])
def test_a_skipped_serial_is_refused(serial: int) -> None:
    with pytest.raises(SerialSkipped) as refusal:
        ask(KNOWN, candidate(serial, previous=named(43)))

    assert refusal.value.expected == 44


@pytest.mark.parametrize("previous", [None, named(42), (43, digest(1)), (42, digest(43))])
def test_a_release_that_does_not_name_the_one_before_is_refused(previous: Any) -> None:
    with pytest.raises(PreviousMismatch):
        ask(KNOWN, candidate(44, previous=previous))


@pytest.mark.parametrize("serial", [40, 41, 42, 43])
def test_other_bytes_under_a_used_serial_are_equivocation(serial: int) -> None:
    with pytest.raises(Equivocation):
        ask(KNOWN, candidate(serial, sha256=sha256(b"other"), rollback_authority=authority()))


def test_a_serial_we_never_saw_behind_us_is_a_replay() -> None:
    with pytest.raises(SerialReplayed):
        ask(KNOWN, candidate(12, rollback_authority=authority()))


def test_a_rollback_with_authority_goes_back_and_keeps_the_high_mark() -> None:
    evidence = authority()

    assert ask(KNOWN, candidate(42, rollback_authority=evidence)) == Rollback(42, 43, evidence)


def test_a_rollback_can_be_taken_back_with_authority() -> None:
    evidence = authority()

    assert ask(BACK_AT_42, candidate(43, rollback_authority=evidence)) == Rollback(43, 43, evidence)
    with pytest.raises(RollbackRefused):
        ask(BACK_AT_42, candidate(43))


@pytest.mark.parametrize(
    ("one", "changes", "reason"),
    [
        (candidate(42), {}, RollbackReason.UNSIGNED),
        (
            candidate(42, rollback_authority=authority(release=named(40))),
            {},
            RollbackReason.UNSIGNED,
        ),
        (candidate(42, rollback_authority=authority()), {"max_age": None}, RollbackReason.UNSIGNED),
        (candidate(41, rollback_authority=authority()), {}, RollbackReason.NEVER_APPLIED),
        (candidate(40, rollback_authority=authority()), {}, RollbackReason.TOO_OLD),
        (candidate(42, rollback_authority=authority()), {"floor": 43}, RollbackReason.BELOW_FLOOR),
    ],
)
def test_a_rollback_is_refused_with_its_reason(
    one: Candidate, changes: dict[str, Any], reason: RollbackReason
) -> None:
    with pytest.raises(RollbackRefused) as refusal:
        ask(KNOWN, one, **changes)

    assert refusal.value.reason is reason


def test_a_rollback_at_the_floor_and_for_its_own_release_passes() -> None:
    evidence = authority(release=named(42))

    assert ask(KNOWN, candidate(42, rollback_authority=evidence), floor=42)


def test_after_a_rollback_the_next_release_follows_the_high_mark() -> None:
    assert ask(BACK_AT_42, candidate(44)) == Forward(44, 44)


def test_after_a_rollback_the_next_release_may_stand_on_the_current_one() -> None:
    on_current = candidate(44, previous=named(42), rollback_of=named(43))

    assert ask(BACK_AT_42, on_current) == Forward(44, 44)
    for wrong in (None, (43, digest(1)), named(12)):
        with pytest.raises(PreviousMismatch):
            ask(BACK_AT_42, replace(on_current, rollback_of=wrong))


def test_an_expired_release_is_not_applied() -> None:
    assert ask(KNOWN, candidate(44, expires=NOW + DAY))

    with pytest.raises(ReleaseExpired):
        ask(KNOWN, candidate(44, expires=NOW))
    with pytest.raises(ReleaseExpired):
        ask(KNOWN, candidate(42, expires=NOW, rollback_authority=authority()))


def test_an_expired_release_in_force_stays_in_force() -> None:
    assert ask(KNOWN, candidate(43, expires=NOW - DAY)) == Unchanged()


def test_a_release_below_the_floor_is_refused() -> None:
    assert ask(KNOWN, candidate(44), floor=44)

    with pytest.raises(SerialBelowFloor):
        ask(KNOWN, candidate(44), floor=45)


@pytest.mark.parametrize("serial", [43, 44])
def test_a_clock_far_behind_judges_nothing(serial: int) -> None:
    assert ask(KNOWN, candidate(serial), now=NOW - timedelta(seconds=300))

    with pytest.raises(ClockBehind):
        ask(KNOWN, candidate(serial), now=NOW - timedelta(seconds=301))


def test_the_first_release_at_the_baseline_may_have_any_serial() -> None:
    assert ask(Accepted(), candidate(43, at_baseline=True)) == Forward(43, 43)

    with pytest.raises(SerialBelowFloor):
        ask(Accepted(), candidate(43, at_baseline=True), floor=44)


def test_the_first_release_after_the_baseline_starts_the_chain() -> None:
    assert ask(Accepted(), candidate(1)) == Forward(1, 1)

    with pytest.raises(SerialSkipped):
        ask(Accepted(), candidate(43))
    with pytest.raises(PreviousMismatch):
        ask(Accepted(), candidate(1, previous=named(0)))


def test_releases_that_arrive_together_are_linked_before_the_last_is_judged() -> None:
    known = advance(advance(KNOWN, candidate(44, expires=NOW - DAY)), candidate(45))

    assert ask(known, candidate(46)) == Forward(46, 46)
    with pytest.raises(SerialSkipped):
        advance(KNOWN, candidate(45))
    with pytest.raises(Equivocation):
        advance(KNOWN, candidate(42, sha256=sha256(b"other")))
    with pytest.raises(SerialReplayed):
        advance(KNOWN, candidate(12))


def test_a_rollback_in_between_needs_no_authority_when_it_was_replaced() -> None:
    known = advance(KNOWN, candidate(42))

    assert (known.serial_current, known.serial_high) == (42, 43)
    assert ask(known, candidate(44, previous=named(42), rollback_of=named(43)))


def far_ahead() -> Accepted:
    """A thief of since revoked keys pushed the serial as far as it goes."""
    top = 2**31 - 1
    return replace(
        KNOWN,
        serial_current=top,
        serial_high=top,
        seen={**KNOWN.seen, 44: digest(7), top: digest(9)},
    )


def test_a_reset_starts_serials_again_from_a_named_release() -> None:
    back = candidate(43)

    assert ask(far_ahead(), back, reset=named(43)) == Forward(43, 43, rebased=named(43))
    with pytest.raises(RollbackRefused):
        ask(far_ahead(), back)
    with pytest.raises(RollbackRefused):
        ask(far_ahead(), candidate(42), reset=named(43))


def test_a_reset_may_be_followed_at_once() -> None:
    assert ask(far_ahead(), candidate(44), reset=named(43)) == Forward(44, 44, rebased=named(43))


def test_what_came_before_a_reset_counts_no_more() -> None:
    known = replace(far_ahead(), serial_current=43, serial_high=43, rebased=named(43))

    assert ask(known, candidate(44), reset=named(43)) == Forward(44, 44, rebased=named(43))


def test_a_reset_is_obeyed_once() -> None:
    later = advance(advance(far_ahead(), candidate(43), reset=named(43)), candidate(44))

    assert (later.serial_high, later.rebased) == (44, named(43))
    with pytest.raises(RollbackRefused):
        ask(later, candidate(43), reset=named(43))


def test_the_release_in_force_is_no_new_beginning() -> None:
    assert ask(KNOWN, candidate(43), reset=named(43)) == Unchanged()
    assert ask(KNOWN, candidate(43), reset=named(42)) == Unchanged()
    assert ask(BACK_AT_42, candidate(43), reset=named(43), max_age=None) == Forward(
        43, 43, rebased=named(43)
    )


def test_a_release_that_followed_before_the_reset_is_no_new_beginning() -> None:
    with pytest.raises(RollbackRefused):
        ask(KNOWN, candidate(42), reset=named(41))

    other = replace(candidate(42), sha256=digest(7))
    assert ask(KNOWN, other, reset=named(41)) == Forward(42, 42, rebased=named(41))


def test_a_reset_that_was_obeyed_on_the_way_is_known_as_obeyed() -> None:
    between = advance(far_ahead(), candidate(44), reset=named(43))

    assert ask(between, candidate(45), reset=named(43)) == Forward(45, 45, rebased=named(43))


def test_a_reset_below_the_floor_is_refused() -> None:
    with pytest.raises(SerialBelowFloor):
        ask(far_ahead(), candidate(43), reset=named(43), floor=44)


def test_a_head_that_descends_is_accepted() -> None:
    check_ancestry(OTHER, OTHER, HEAD, descends=True)
    check_ancestry(HEAD, OTHER, HEAD, descends=False)
    check_ancestry(None, HEAD, HEAD, descends=False)


def test_a_rewritten_branch_is_refused() -> None:
    with pytest.raises(HistoryRewritten):
        check_ancestry(OTHER, HEAD, HEAD, descends=False)


def test_a_branch_without_the_baseline_is_refused() -> None:
    with pytest.raises(NotFromBaseline):
        check_ancestry(None, OTHER, HEAD, descends=False)


BINLIST = "card-bin/binlist"
VERSIONS = {(BINLIST, 1): digest(1), (BINLIST, 2): digest(2)}


def test_known_and_near_versions_pass() -> None:
    offered = {
        (BINLIST, 2): digest(2),
        (BINLIST, 1002): digest(3),
        ("caip/chains", 9999): digest(4),
    }

    check_bundles(VERSIONS, offered, floors={BINLIST: 2})


@pytest.mark.parametrize(
    ("offered", "error"),
    [
        ({(BINLIST, 1): digest(9)}, BundleEquivocation),
        ({(BINLIST, 1003): digest(9)}, BundleSkipped),
        ({(BINLIST, 1): digest(1)}, BundleBelowFloor),
    ],
)
def test_changed_far_and_forbidden_versions_are_refused(
    offered: dict[tuple[str, int], Digest], error: type[Exception]
) -> None:
    with pytest.raises(error):
        check_bundles(VERSIONS, offered, floors={BINLIST: 2})


def test_a_rollback_statement_needs_its_threshold_before_it_is_read() -> None:
    def read(payload: bytes) -> tuple[int, Digest]:
        assert payload == b"to 42"
        return named(42)

    def evidence(*by: Any, now: datetime = NOW) -> RollbackAuthority:
        two = role(ALICE, BOB, threshold=2, name="rollback")
        return by_statement([sealed(b"to 42", by=by)], two, read=read, now=now)

    made = evidence(ALICE, BOB)

    assert made.covers(*named(42))
    assert not made.covers(*named(41))
    with pytest.raises(ThresholdNotMet):
        evidence(ALICE)


def test_without_a_current_release_a_rollback_of_nothing_is_no_link() -> None:
    unknown = replace(KNOWN, serial_current=None)

    assert ask(unknown, candidate(44)) == Forward(44, 44)
    with pytest.raises(PreviousMismatch):
        ask(unknown, candidate(44, previous=named(42), rollback_of=named(43)))
