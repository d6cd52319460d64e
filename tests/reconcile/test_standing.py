"""What a turn says: one of the first three conditions at most, and each event once."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.kernel.errors import ControllerError, Corrupt, Held, Refused, Unavailable
from controller.kernel.events import Event
from controller.reconcile.holds import HeldBack, Holding, Holds
from controller.reconcile.standing import Facts, Teller, conditions, event_of
from controller.stores.control.conditions import Condition, ConditionStatus, ConditionType
from tests.support.control import NOON, some_oid

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
FACTS = Facts(NOON, "production", head=some_oid(1))
SUSPENDED = HeldBack(Holding("suspend", "maintenance", "alice"))
ERRORS = [
    Refused("no"),
    Unavailable("away"),
    Corrupt("damaged"),
    Held("a guard"),
    SUSPENDED,
]
facts = st.builds(
    lambda head, error, settled: replace(
        FACTS, head=some_oid(head), error=error, settled=settled and error is None
    ),
    st.integers(1, 3),
    st.sampled_from([None, *ERRORS]),
    st.booleans(),
)


def said(found: Facts) -> dict[ConditionType, ConditionStatus]:
    return {one.type: one.status for one in conditions(found)}


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (None, (TRUE, FALSE, FALSE)),
        (Refused("no"), (FALSE, FALSE, TRUE)),
        (Held("a guard"), (FALSE, FALSE, TRUE)),
        (Corrupt("damaged"), (FALSE, FALSE, TRUE)),
        (Unavailable("away"), (UNKNOWN, TRUE, FALSE)),
        (SUSPENDED, (FALSE, FALSE, FALSE)),
    ],
    ids=str,
)
def test_who_has_to_act_decides_the_condition(
    error: ControllerError | None, wanted: tuple[ConditionStatus, ...]
) -> None:
    found = said(replace(FACTS, error=error, settled=error is None))

    order = (ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED)
    assert tuple(found[kind] for kind in order) == wanted


def test_a_person_who_holds_it_back_is_named() -> None:
    (held,) = [
        one for one in conditions(replace(FACTS, error=SUSPENDED)) if one.type == ConditionType.HELD
    ]

    assert (held.status, held.reason) == (TRUE, "suspend")
    assert "alice" in held.message


def test_who_lets_revisions_through_is_named_where_nothing_is_held() -> None:
    found = Holds((SUSPENDED.holding,), override=Holding("override", "INC-17", "bob"))
    (held,) = [
        one for one in conditions(replace(FACTS, holds=found)) if one.type == ConditionType.HELD
    ]

    assert (held.status, held.reason) == (FALSE, "override")
    assert "bob" in held.message


def test_a_file_that_freezes_is_told_when_it_comes_and_when_it_goes_through_restarts() -> None:
    frozen = replace(FACTS, settled=True, holds=Holds((Holding("host-freeze", "INC-17", "ann"),)))
    thawed = replace(FACTS, settled=True)
    teller = Teller()

    assert [one.event for one in teller.tell(frozen)] == [Event.SUSPENDED]
    assert teller.tell(frozen) == ()
    restarted = Teller(conditions(frozen))
    assert restarted.tell(frozen) == ()
    assert [one.event for one in restarted.tell(thawed)] == [Event.RESUMED]
    assert Teller(conditions(thawed)).tell(thawed) == ()


@given(facts)
def test_one_of_ready_reconciling_and_stalled_is_true_at_most(found: Facts) -> None:
    kinds = (ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED)

    assert [said(found)[kind] for kind in kinds].count(TRUE) <= 1


@given(st.lists(facts, max_size=12))
def test_nothing_is_told_twice_in_a_row(sequence: list[Facts]) -> None:
    teller = Teller()
    last: tuple[str, object] | None = None
    for found in sequence:
        told = teller.tell(found)
        if found.error is not None:
            now = (found.error.code, found.head)
            assert bool(told) == (now != last)
            last = now
        elif found.settled:
            assert [one.event for one in told] == ([Event.RECOVERED] if last else [])
            last = None
        else:
            assert told == ()


@given(st.lists(facts, max_size=12), st.integers(0, 12))
def test_a_restart_repeats_nothing(sequence: list[Facts], cut: int) -> None:
    whole, first = Teller(), Teller()
    expected = [whole.tell(found) for found in sequence]
    before = [first.tell(found) for found in sequence[:cut]]
    kept = conditions(sequence[:cut][-1]) if sequence[:cut] else ()
    second = Teller(kept)
    after = [second.tell(found) for found in sequence[cut:]]

    # A turn that neither failed nor settled says nothing of what was wrong before it.
    if not kept or sequence[:cut][-1].error is not None or sequence[:cut][-1].settled:
        assert before + after == expected


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (ERRORS[0], Event.REFUSED),
        (ERRORS[1], Event.UNAVAILABLE),
        (ERRORS[2], Event.CORRUPT),
        (ERRORS[3], Event.HELD),
        (ERRORS[4], Event.HELD),
    ],
    ids=str,
)
def test_an_error_is_told_as_what_it_is(error: ControllerError, event: Event) -> None:
    assert event_of(error) is event


def stale(status: ConditionStatus) -> Facts:
    said = Condition(ConditionType.STALE, status, "TooOld", "the heartbeat is too old")
    return replace(FACTS, settled=True, extra=(said,))


def test_a_stale_branch_is_told_once_and_so_is_a_fresh_one() -> None:
    teller = Teller()
    told = [teller.tell(stale(one)) for one in (FALSE, TRUE, TRUE, FALSE, FALSE)]

    assert [[one.event for one in turn] for turn in told] == [
        [],
        [Event.STALE],
        [],
        [Event.FRESH],
        [],
    ]


def test_a_restart_does_not_tell_of_the_same_staleness_again() -> None:
    teller = Teller(conditions(stale(TRUE)))

    assert teller.tell(stale(TRUE)) == ()
    assert [one.event for one in teller.tell(stale(FALSE))] == [Event.FRESH]
