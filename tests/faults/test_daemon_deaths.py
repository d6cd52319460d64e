"""A controller that dies at any effect of its life goes on by itself when it is started again."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from controller.audit.commit import reference
from controller.roles.deliver import CLAIM
from tests.faults.conftest import Tell
from tests.faults.living import RECOVERY_SECONDS_MAX, assert_as_declared
from tests.faults.stories import one_range
from tests.faults.test_effects import Listed, listed
from tests.faults.test_pass_crashes import States, assert_whole
from tests.support.asking import asking
from tests.support.campaign import Campaign
from tests.support.chronicle import Stopwatch, Told
from tests.support.deaths import everywhere, turning_points
from tests.support.effects import told as in_words
from tests.support.followed import Followed, errands, live_once
from tests.support.mortal import Mortals
from tests.support.receivers import SECRET, Receiver, receiver
from tests.support.tracer import Doom

__all__ = ["listed"]

STORY = "a life of the controller"
FIRST_TOLD = 2
"""What was applied before somebody wanted to be told is not told, or once."""

SLICE = 5
"""A run of all tests dies at every fifth turning point; the campaign everywhere."""


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    """Return somebody who is told of everything."""
    with receiver() as found:
        yield found


def test_every_effect_of_a_life_is_listed(
    followed: Followed, database_url: str, deadly: Mortals, inbox: Receiver, listed: Listed
) -> None:
    one_range(followed.people, 1)
    errands(followed.state.parent, inbox.url)

    watched = deadly.live(followed, database_url, inbox.url)

    listed(STORY, in_words(watched.effects))


def dooms(tried: Sequence[str], campaign: Campaign) -> list[Doom]:
    """Return the deaths of this run."""
    return list(everywhere(tried)) if campaign.everywhere else [*turning_points(tried)][::SLICE]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_controller_that_dies_at_any_effect_of_its_life_goes_on_by_itself(
    followed: Followed,
    database_url: str,
    deadly: Mortals,
    campaign: Campaign,
    inbox: Receiver,
    told: Tell,
) -> None:
    people, states, found = followed.people, States(), Counter[int]()
    worst, watch = 0.0, Stopwatch()
    one_range(people, 1)
    again = errands(followed.state.parent, inbox.url)
    tried = deadly.live(followed, database_url, inbox.url).tried
    with asking(database_url) as asked:
        deaths = campaign.through(STORY, tried, dooms(tried, campaign), deadly)
        for number, doom in enumerate(deaths, start=2):
            people.clock.advance(timedelta(minutes=1))
            one_range(people, number)
            old = assert_whole(followed.host, states)

            dead = deadly.live(followed, database_url, inbox.url, doom)

            assert dead.died or doom.effect > len(dead.tried)
            found[assert_whole(followed.host, states) - old] += 1
            people.clock.advance(CLAIM + timedelta(seconds=1))
            with watch.runs():
                live_once(followed, database_url, again)
            worst = max(worst, watch.seconds)
            assert assert_whole(followed.host, states) == old + 1
            assert_as_declared(people, followed.host)
            assert_pushed(followed)
            assert_told(inbox, old + 1)
    asked.assert_good()
    assert set(found) == {0, 1}
    assert worst < RECOVERY_SECONDS_MAX
    told(
        Told(
            "The controller is killed (`kill -9`) at an effect of its life",
            "It starts, leads, fetches, applies, publishes, pushes its trail, tells people and "
            "stops; it dies before and after each write, message and child on the way, seen at "
            "the door to the kernel (`tests/faults/effects.txt`). `make faults` goes through all.",
            ("Before the transaction commits: the old revision; after it: the new one, whole.",),
            "It is started again, and does what was left undone. Notices arrive at least once.",
            worst,
        )
    )


def assert_pushed(followed: Followed) -> None:
    """The remote holds the whole trail."""
    branch = reference(followed.people.controller)
    assert followed.people.repository.target(branch) == followed.host.repository.target(branch)


def assert_told(inbox: Receiver, revision: int) -> None:
    """Every revision was told; what was told twice is the same to the letter."""
    whole = [one for one in inbox.got if one.is_signed(SECRET)]  # who dies may send half of it
    said = {one.json["id"]: one.body for one in whole}
    assert all(said[one.json["id"]] == one.body for one in whole)
    told = [one["revision"] for one in map(json.loads, said.values()) if one["kind"] == "success"]
    assert sorted(one for one in told if one > FIRST_TOLD) == [*range(FIRST_TOLD + 1, revision + 1)]
