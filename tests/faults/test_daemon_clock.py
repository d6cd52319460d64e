"""The clock of a controller's host is set, forward and back, also across a boundary."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from controller.authoring.starting import ENVIRONMENT
from controller.reconcile.resolve import IIN, Question, resolve
from controller.roles.doorbell import Cause
from tests.faults.conftest import Tell
from tests.faults.living import living
from tests.support.chronicle import Stopwatch, Told
from tests.support.followed import Followed
from tests.support.world import NEW_RANGE, OLD_RANGE, SetClock, Shop

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEHIND, AHEAD = "trust.clock_behind", "trust.clock_ahead"


@pytest.mark.parametrize(
    ("step", "words", "reason"),
    [
        (HOUR, "one hour ahead", AHEAD),
        (-HOUR, "one hour back", BEHIND),
        (DAY, "one day ahead, past the end of a row's window", AHEAD),
        (-DAY, "one day back", BEHIND),
    ],
    ids=["an hour ahead", "an hour back", "a day ahead", "a day back"],
)
def test_no_date_is_judged_by_a_clock_that_was_set_wrong(
    step: timedelta,
    words: str,
    reason: str,
    followed: Followed,
    database_url: str,
    told: Tell,
) -> None:
    watch, people = Stopwatch(), followed.people
    right, wrong = people.clock, SetClock(people.clock.now())
    here = replace(followed, people=replace(people, clock=wrong))
    ends = f"{OLD_RANGE[:-1]},{right.now() + DAY / 2:%Y-%m-%dT%H:%M:%SZ}"
    with living(here, database_url, watch, facts={"witness": right}) as life:
        people.publish(drop=[OLD_RANGE], add=[ends])
        life.loop.settles()
        revision = people.revision
        wrong.advance(step)
        people.publish(add=[NEW_RANGE])
        life.waits_for(reason)
        life.turns_by()
        assert people.revision == revision
        applied = people.applied()
        assert applied is not None
        assert applied.max_time_seen <= right.now()
        wrong.advance(-step)
        life.loop.bell.ring(Cause.REQUEST)
    story = f"The host's clock is set {words}"
    done = "A release is pushed meanwhile; the database's clock stays right."
    back = "Somebody sets the clock; the release is applied at the next try."
    told(Told(story, done, tuple(life.seen), back, watch.seconds))


def is_served(people: Shop, at: datetime) -> bool:
    """Whether a resolver knows the range at an instant."""
    asked = Question(IIN, OLD_RANGE.partition(",")[0], at)
    return resolve(people.world().connection, ENVIRONMENT, asked) is not None


def test_a_window_that_ends_is_served_to_the_second_also_after_a_restart(
    followed: Followed, database_url: str, told: Tell
) -> None:
    watch, people = Stopwatch(), followed.people
    end = people.clock.now() + HOUR
    ends = f"{OLD_RANGE[:-1]},{end:%Y-%m-%dT%H:%M:%SZ}"
    with living(followed, database_url, watch) as life:
        people.publish(drop=[OLD_RANGE], add=[ends])
        life.loop.settles()
        life.loop.stop()
        people.clock.instant = end - timedelta(seconds=1)
        life.loop.start()
        life.turns_by()
        assert "boundary.passed" not in [str(one.event) for one in life.loop.said]
        assert is_served(people, end - timedelta(seconds=1))
        people.clock.instant = end
        life.loop.until(lambda: "boundary.passed" in [str(one.event) for one in life.loop.said])
        assert not is_served(people, end)
        life.seen.append("`boundary.passed` in the log, nothing written")
    done = "The controller is stopped before the end of a row's window, and started a second early."
    back = "The row is served up to its last second and not after, without a commit."
    story = "A window ends right after a restart"
    told(Told(story, done, tuple(life.seen), back, watch.seconds))
