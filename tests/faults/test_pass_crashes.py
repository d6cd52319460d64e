"""A pass that dies at any effect leaves one whole revision, and the next one finishes.

Which effects there are is seen, not written here: see `effects.txt`. The campaign (`make faults`)
dies on both sides of each; a run of all tests dies once before each kind of effect of a small
release, and at some of the turning points of the other passes.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from controller.adapters.postgres import connect, transaction, with_database
from controller.audit.prove import verify_database
from controller.reconcile.apply import digest_texts
from controller.reconcile.proof import prove_git
from controller.stores.control import outbox
from controller.stores.control.model import OutboxKind
from controller.stores.directory import store as directory
from tests.faults.stories import RELEASE, STORIES, Story, one_range
from tests.support import world
from tests.support.campaign import Campaign
from tests.support.deaths import everywhere, of_slice, once
from tests.support.mortal import BULK, FEW, REBUILD, Mortals
from tests.support.tracer import Doom, Watched
from tests.support.world import Shop

SLICE = 4
"""A run of all tests dies at every fourth turning point; the campaign everywhere."""

MINUTE = timedelta(minutes=1)
States = dict[int, dict[str, str]]
NewShops = Callable[[int], AbstractContextManager[tuple[Shop, str]]]


def served(shop: Shop) -> tuple[int, dict[str, str]]:
    """Return the revision that production is at, and the recomputed digest of each table."""
    connection = shop.world().connection
    # One look: what a dead process had asked for may be done only now.
    with directory.moment(connection):
        digests = digest_texts(directory.recompute(connection))
        assert digest_texts(directory.kept(connection)) == digests
        return shop.revision, digests


def assert_whole(shop: Shop, states: States) -> int:
    """Production serves exactly what belongs to the revision it says it is at."""
    revision, digests = served(shop)
    assert states.setdefault(revision, digests) == digests
    return revision


def assert_proven(shop: Shop) -> None:
    """Every revision has exactly one audit commit, and git and database tell the same."""
    connection = shop.world().connection
    now = shop.clock.now()
    _, proof = prove_git(
        shop.repository, shop.pin, branch="main", controller=shop.controller, now=now
    )
    with transaction(connection):
        found = verify_database(connection, proof, table_digests=lambda: served_digests(shop))
        assert outbox.queued(connection, OutboxKind.AUDIT_COMMIT) == 0
    assert len(proof.links) == found.rows == shop.revision
    assert found.lag == 0


def served_digests(shop: Shop) -> dict[str, str]:
    """Return the recomputed digest of each table."""
    return digest_texts(directory.recompute(shop.world().connection))


def dooms(story: Story, tried: Sequence[str], campaign: Campaign) -> list[Doom]:
    """Return the deaths that a story dies in this run."""
    if campaign.everywhere:
        return list(everywhere(tried))
    return list(once(tried)) if story is RELEASE else of_slice(tried, SLICE)


@pytest.mark.stops("incident.16-orphans", "mix-and-match.half-merged")
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_pass_that_dies_leaves_one_whole_revision_and_the_next_one_finishes(
    story: Story, shop: Shop, database_url: str, deadly: Mortals, campaign: Campaign
) -> None:
    states: States = {}
    found: Counter[int] = Counter()

    def before(number: int) -> int:
        shop.clock.advance(MINUTE)
        story.begin(shop, number)
        return assert_whole(shop, states)

    def watched(number: int, doom: Doom | None = None) -> Watched:
        return deadly.reconcile(shop, database_url, doom, **story.facts(number))

    old = before(1)
    tried = watched(1).tried
    assert assert_whole(shop, states) == old + story.revisions
    assert story.holds(shop)
    deaths = campaign.through(story.name, tried, dooms(story, tried, campaign), deadly)
    for number, doom in enumerate(deaths, start=2):
        old = before(number)

        dead = watched(number, doom)

        # A run may have an effect less: who lives was done before.
        assert dead.died or doom.effect > len(dead.tried)
        found[assert_whole(shop, states) - old] += 1
        story.finish(shop)
        assert assert_whole(shop, states) == old + story.revisions
        assert story.holds(shop)
        assert_proven(shop)
    assert set(found) == ({0, story.revisions} if len(tried) > 3 else {0})


FIRST = {
    "few rows": (FEW, 0),
    "many rows": (BULK, 0),
    "tables built anew": (REBUILD, 0),
    "and a release since": (FEW, 1),
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", FIRST)
def test_a_first_pass_that_dies_leaves_nothing_or_one_whole_revision(
    way: str, new_shops: NewShops, deadly: Mortals, campaign: Campaign
) -> None:
    limits, since = FIRST[way]
    found: Counter[int] = Counter()
    states: States = {}
    with new_shops(since) as (shop, url):
        tried = deadly.reconcile(shop, url, limits=limits).tried
    chosen = list(everywhere(tried)) if campaign.everywhere else of_slice(tried, SLICE)
    for doom in campaign.through(f"the first pass, {way}", tried, chosen, deadly):
        with new_shops(since) as (shop, url):
            dead = deadly.reconcile(shop, url, doom, limits=limits)

            assert dead.died or doom.effect > len(dead.tried)
            found[assert_whole(shop, states)] += 1
            shop.reconcile()
            assert assert_whole(shop, states) == 1 + since
            assert_proven(shop)
    assert set(found) >= set(range(2 + since if campaign.everywhere else 2))


@pytest.fixture
def new_shops(first_day: Path, tmp_path: Path, server_url: str, template_database: str) -> NewShops:
    """Return what opens one shop after the other, each with an empty database of its own.

    It takes how many releases there are since the one that the host starts with.
    """
    numbers = count()

    @contextmanager
    def new(since: int) -> Iterator[tuple[Shop, str]]:
        with (
            fresh_database(server_url, template_database) as url,
            world.open_connection(url) as connection,
        ):
            shop = Shop.copy(first_day, tmp_path / str(next(numbers)), connection)
            for number in range(since):
                one_range(shop, number)
            yield shop, url

    return new


@contextmanager
def fresh_database(server_url: str, template: str) -> Iterator[str]:
    """Return the URL of a migrated database that is dropped at the end."""
    name = "first_pass"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        copy = f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"
        administrator.execute(copy)
        try:
            yield with_database(server_url, name)
        finally:
            administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
