"""Whatever happens in whatever order: each thing is said once, not too often, and taken back."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from controller.kernel.errors import Unavailable
from controller.kernel.notices import Notice, NoticeKind
from controller.reconcile.holds import HeldBack
from controller.reconcile.notices import Target
from tests.support.control import MINUTE
from tests.support.telling import ERRORS, EVERYTHING, FORGE, GRAVE, HOUR, Found, Listener

FAILURE, RECOVERY = NoticeKind.FAILURE, NoticeKind.RECOVERY

founds = st.builds(
    Found,
    commit=st.integers(1, 3),
    error=st.sampled_from(ERRORS),
    drifted=st.sampled_from([None, False, True]),
    words=st.sampled_from(["", " (0.123 s)", " (7 s)"]),
)
steps = st.lists(
    st.tuples(founds, st.integers(1, 90).map(lambda minutes: minutes * MINUTE)), max_size=20
)
targets = st.sampled_from([EVERYTHING, GRAVE, replace(GRAVE, repeat=None)])
HEALTHY = Found(commit=9, drifted=False)


def after(target: Target, sequence: list[tuple[Found, timedelta]]) -> Listener:
    """Return a target that heard of a sequence."""
    ear = Listener(target)
    for found, pause in sequence:
        ear.hear(found, after=pause)
    return ear


def by_subject(heard: list[Notice]) -> dict[str, list[Notice]]:
    """Return what was said of each subject, in order."""
    return {
        subject: [one for one in heard if one.subject == subject]
        for subject in {one.subject for one in heard}
    }


@given(st.one_of(targets, st.just(FORGE)), steps)
def test_what_is_found_twice_in_a_row_is_said_once(
    target: Target, sequence: list[tuple[Found, timedelta]]
) -> None:
    ear = Listener(target)
    for found, pause in sequence:
        ear.hear(found, after=pause)

        assert ear.hear(found, after=timedelta(0)) == []


@given(targets, steps)
def test_every_open_thing_is_closed_by_one_recovery(
    target: Target, sequence: list[tuple[Found, timedelta]]
) -> None:
    ear = after(target, sequence)
    was_open = {subject for subject, one in ear.said.items() if one.is_open}

    over = ear.hear(HEALTHY)

    assert Counter((one.kind, one.subject) for one in over) == Counter(
        (RECOVERY, subject) for subject in was_open
    )
    assert not any(one.is_open for one in ear.said.values())


@given(targets, steps)
def test_a_recovery_follows_a_failure_and_nothing_else(
    target: Target, sequence: list[tuple[Found, timedelta]]
) -> None:
    for said in by_subject(after(target, sequence).heard).values():
        assert said[0].kind is FAILURE
        assert all(
            (earlier.kind, later.kind) != (RECOVERY, RECOVERY) for earlier, later in pairwise(said)
        )


@given(targets, steps)
def test_the_same_failure_is_not_said_again_before_the_interval(
    target: Target, sequence: list[tuple[Found, timedelta]]
) -> None:
    for said in by_subject(after(target, sequence).heard).values():
        for earlier, later in pairwise(said):
            if earlier.kind is later.kind is FAILURE and later.repeated:
                assert target.repeat is not None
                assert later.at - earlier.at >= target.repeat
            if earlier.kind is later.kind is FAILURE and not later.repeated:
                assert (earlier.reason, earlier.commit) != (later.reason, later.commit)


@given(steps)
def test_whoever_wants_errors_alone_hears_no_more_than_whoever_wants_all(
    sequence: list[tuple[Found, timedelta]],
) -> None:
    every, grave = (
        [one for one in after(target, sequence).heard if one.subject in {"Stalled", "Drifted"}]
        for target in (EVERYTHING, GRAVE)
    )

    assert grave == every
    assert {one.subject for one in after(GRAVE, sequence).heard} <= {"Stalled", "Drifted"}


@given(st.lists(st.integers(0, 30), max_size=12).map(sorted))
def test_each_revision_is_told_once_and_in_order(counts: list[int]) -> None:
    ear = Listener(EVERYTHING)
    for newest in counts:
        ear.hear(Found(newest=newest), after=HOUR)

    heard = [one.revision for one in ear.heard]
    first = next((one for one in counts if one), None)
    assert heard == ([] if first is None else list(range(first, counts[-1] + 1)))


@given(steps)
def test_a_forge_shows_of_each_commit_what_was_found_last(
    sequence: list[tuple[Found, timedelta]],
) -> None:
    ear = Listener(FORGE)
    wanted: dict[int, NoticeKind] = {}
    for found, pause in sorted(sequence, key=lambda one: one[0].commit):  # a branch goes forward
        ear.hear(found, after=pause)
        is_stalled = found.error is not None and not isinstance(found.error, Unavailable | HeldBack)
        if found.error is None or is_stalled:
            wanted[found.commit] = FAILURE if is_stalled else NoticeKind.SUCCESS
        else:
            wanted.setdefault(found.commit, NoticeKind.PENDING)

    shown = {int.from_bytes(one.commit or b""): one.kind for one in ear.heard}
    assert shown == wanted
