"""What a refused history says of itself: people and machines act on these facts."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from controller.kernel.canonical import sha256
from controller.trust.history import (
    Accepted,
    BundleBelowFloor,
    BundleEquivocation,
    BundleSkipped,
    Equivocation,
    Forward,
    PreviousMismatch,
    ReleaseExpired,
    Rollback,
    RollbackReason,
    RollbackRefused,
    SerialBelowFloor,
    SerialReplayed,
    SerialSkipped,
    advance,
    check_bundles,
)
from tests.support.trust import NOW
from tests.trust.test_history import (
    BACK_AT_42,
    BINLIST,
    DAY,
    KNOWN,
    VERSIONS,
    ask,
    authority,
    candidate,
    digest,
    far_ahead,
    named,
)

OTHER = sha256(b"other")
SIGNED = authority()


def offer(version: int, seed: int) -> None:
    check_bundles(VERSIONS, {(BINLIST, version): digest(seed)}, floors={BINLIST: 2})


def refused(serial: int, reason: RollbackReason) -> dict[str, Any]:
    return {"serial": serial, "high": 43, "reason": reason}


@pytest.mark.parametrize(
    ("act", "error", "facts"),
    [
        (
            lambda: ask(KNOWN, candidate(45, previous=named(43))),
            SerialSkipped,
            {"serial": 45, "expected": 44},
        ),
        (lambda: ask(Accepted(), candidate(43)), SerialSkipped, {"serial": 43, "expected": 1}),
        (
            lambda: ask(Accepted(), candidate(1, previous=named(0))),
            PreviousMismatch,
            {"serial": 1, "named": named(0), "expected": None},
        ),
        (
            lambda: ask(KNOWN, candidate(44, previous=named(42))),
            PreviousMismatch,
            {"serial": 44, "named": named(42), "expected": named(43)},
        ),
        (
            lambda: ask(KNOWN, candidate(42, sha256=OTHER)),
            Equivocation,
            {"serial": 42, "known": digest(42), "offered": OTHER},
        ),
        (lambda: ask(KNOWN, candidate(12)), SerialReplayed, {"serial": 12, "high": 43}),
        (lambda: advance(KNOWN, candidate(12)), SerialReplayed, {"serial": 12, "high": 43}),
        (
            lambda: ask(KNOWN, candidate(41)),
            RollbackRefused,
            refused(41, RollbackReason.NEVER_APPLIED),
        ),
        (
            lambda: ask(KNOWN, candidate(42), floor=43),
            RollbackRefused,
            refused(42, RollbackReason.BELOW_FLOOR),
        ),
        (lambda: ask(KNOWN, candidate(42)), RollbackRefused, refused(42, RollbackReason.UNSIGNED)),
        (
            lambda: ask(KNOWN, candidate(40, rollback_authority=SIGNED)),
            RollbackRefused,
            refused(40, RollbackReason.TOO_OLD),
        ),
        (
            lambda: ask(KNOWN, candidate(44), floor=45),
            SerialBelowFloor,
            {"serial": 44, "floor": 45},
        ),
        (
            lambda: ask(KNOWN, candidate(44, expires=NOW)),
            ReleaseExpired,
            {"serial": 44, "expires": NOW},
        ),
        (
            lambda: offer(1, 9),
            BundleEquivocation,
            {"bundle": BINLIST, "version": 1, "known": digest(1), "offered": digest(9)},
        ),
        (lambda: offer(1003, 9), BundleSkipped, {"bundle": BINLIST, "version": 1003, "last": 2}),
        (lambda: offer(1, 1), BundleBelowFloor, {"bundle": BINLIST, "version": 1, "floor": 2}),
    ],
)
def test_a_refusal_carries_its_facts(
    act: Callable[[], object], error: type[Exception], facts: Mapping[str, Any]
) -> None:
    with pytest.raises(error) as refusal:
        act()

    assert {name: getattr(refusal.value, name) for name in facts} == facts


def test_a_release_we_know_only_because_we_applied_it_is_still_known() -> None:
    forgotten = replace(KNOWN, seen={43: digest(43)})

    assert ask(forgotten, candidate(42, rollback_authority=SIGNED)) == Rollback(42, 43, SIGNED)
    with pytest.raises(Equivocation):
        ask(forgotten, candidate(42, sha256=OTHER, rollback_authority=SIGNED))


def test_a_rollback_can_be_taken_back_and_replaced_in_between() -> None:
    again = advance(BACK_AT_42, candidate(43))

    assert (again.serial_current, again.serial_high) == (43, 43)


def test_a_release_that_was_linked_is_the_current_one() -> None:
    assert advance(KNOWN, candidate(44)).serial_current == 44


def test_what_was_seen_after_a_reset_is_forgotten_once_the_reset_is_obeyed() -> None:
    later = advance(far_ahead(), candidate(43), reset=named(43))

    assert set(later.seen) == {40, 41, 42, 43}


def test_only_the_next_serial_that_names_a_reset_follows_it() -> None:
    assert ask(far_ahead(), candidate(44), reset=named(43)) == Forward(44, 44, rebased=named(43))

    with pytest.raises(SerialReplayed):
        ask(far_ahead(), candidate(45, previous=named(43)), reset=named(43))
    with pytest.raises(Equivocation):
        ask(far_ahead(), candidate(44, previous=named(42)), reset=named(43))


def test_a_release_that_obeys_a_reset_is_not_past_its_date() -> None:
    assert ask(far_ahead(), candidate(43, expires=NOW + DAY), reset=named(43))

    with pytest.raises(ReleaseExpired):
        ask(far_ahead(), candidate(43, expires=NOW), reset=named(43))


def test_the_newest_version_counts_in_whatever_order_versions_are_known() -> None:
    known = dict(reversed(VERSIONS.items()))

    check_bundles(known, {(BINLIST, 1002): digest(3)}, floors={})
    with pytest.raises(BundleSkipped):
        check_bundles(known, {(BINLIST, 1003): digest(3)}, floors={})


def test_without_a_floor_the_first_version_passes() -> None:
    check_bundles({}, {(BINLIST, 1): digest(1)}, floors={})


def test_a_refusal_names_releases_by_serial_and_the_beginning_of_their_digest() -> None:
    first, second = (41, sha256(b"a")), (42, sha256(b"b"))

    assert str(PreviousMismatch(43, first, second)) == (
        f"release 43 follows 41 ({first[1][:12]}…), it should follow 42 ({second[1][:12]}…)"
    )
    assert str(PreviousMismatch(1, first, None)).endswith("it should follow nothing")
