"""A commit that nobody can use: the controller says so, serves on, and takes the next good one."""

from collections.abc import Callable, Mapping
from datetime import datetime

import pytest

from controller.artifacts import layout
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.objects import Oid
from controller.reconcile.turn import Eyes
from controller.reconcile.world import World
from tests.faults.conftest import Tell
from tests.faults.living import living
from tests.support.chronicle import Stopwatch, Told
from tests.support.followed import Followed
from tests.support.world import NEW_RANGE, OTHER_RANGE, RANGES, TWO, Shop

HUGE_BYTES = 64 * 1024**2
RELEASE = f"{layout.release_dir(ENVIRONMENT)}/release.json"
ENVELOPE = f"{layout.release_dir(ENVIRONMENT)}/release.dsse.json"
PLACES = (RELEASE, ENVELOPE, RANGES)

Files = Mapping[str, bytes]


def _brackets(shop: Shop) -> Files:
    payload = b'{"serial": ' + b"[" * 100_000
    return {RELEASE: payload, ENVELOPE: shop.sealed(payload, TWO)}


def _rubbish(shop: Shop) -> Files:
    del shop
    return {ENVELOPE: b"\x00\xff{"}


def _huge(shop: Shop) -> Files:
    del shop
    return {ENVELOPE: bytes(HUGE_BYTES)}


POISONS: Mapping[str, tuple[Callable[[Shop], Files], str]] = {
    "A release of 100,000 open brackets, signed by enough people": (_brackets, "json.malformed"),
    "Rubbish where the signatures of the release should be": (_rubbish, "trust.malformed_envelope"),
    "Signatures of 64 MiB": (_huge, "walk.too_large"),
}


@pytest.mark.parametrize("story", POISONS)
def test_a_commit_that_nobody_can_read_is_refused_and_the_next_good_one_applied(
    story: str, followed: Followed, database_url: str, told: Tell
) -> None:
    watch, people = Stopwatch(), followed.people
    poison, reason = POISONS[story]
    with living(followed, database_url, watch) as life:
        good = {path: people.read(path) for path in PLACES}
        people.commit(poison(people))
        life.stalls(reason)
        people.commit(good)
        people.publish(add=[OTHER_RANGE])
    done = "It is pushed to the branch that is followed."
    back = "The next good commit is applied."
    told(Told(story, done, tuple(life.seen), back, watch.seconds))


def test_a_commit_on_which_a_check_falls_over_stalls_and_the_next_one_is_tried(
    followed: Followed, database_url: str, told: Tell
) -> None:
    watch, people, poison = Stopwatch(), followed.people, list[Oid]()

    def falls_over(world: World, _now: datetime) -> tuple[()]:
        if world.head() in poison:
            raise ZeroDivisionError
        return ()

    usual = followed.eyes()
    eyes = Eyes(look=usual.look, checks=(*usual.checks, falls_over), owe=usual.owe)
    with living(followed, database_url, watch, eyes=eyes) as life:
        poison.append(people.edit(add=[NEW_RANGE]))
        life.stalls("turn.unexpected")
        people.publish(add=[OTHER_RANGE])
    done = "A check is made to raise what is no error of ours on one commit."
    back = "The next commit is tried, and applied."
    story = "A commit that our own code falls over"
    told(Told(story, done, tuple(life.seen), back, watch.seconds))
