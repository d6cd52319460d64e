"""A first start of the embedded server, or a migration, that dies is begun again and finishes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.adapters.embedded import EmbeddedPostgres
from controller.adapters.migrations import check
from controller.adapters.postgres import connect, with_database
from tests.faults.test_effects import Listed, listed
from tests.support.campaign import Campaign
from tests.support.deaths import everywhere, of_slice
from tests.support.effects import told
from tests.support.mortal import Mortals
from tests.support.postgres import ask, passable_folder
from tests.support.tracer import Doom, When

__all__ = ["listed"]

INTO_INITDB_SECONDS = (0.05, 0.3, 0.8)
"""How far the making of the data directory has come when its owner dies."""


def test_every_effect_of_a_first_start_is_listed(deadly: Mortals, listed: Listed) -> None:
    with passable_folder() as home:
        watched = deadly.run("serve", home)

    listed("the embedded server, first start", told(watched.effects))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_first_start_that_dies_is_begun_again(deadly: Mortals, campaign: Campaign) -> None:
    with passable_folder() as home:
        tried = deadly.run("serve", home).tried
    initdb = tried.index("start initdb") + 1
    postgres = tried.index("start postgres") + 1
    dooms = [Doom(initdb, When.AFTER, seconds) for seconds in INTO_INITDB_SECONDS]
    dooms = [*dooms, *everywhere(tried)] if campaign.everywhere else dooms[1:2]
    for doom in campaign.through("the embedded server, first start", tried, dooms, deadly):
        with passable_folder() as home:
            dead = deadly.run("serve", home, doom)

            # From here on the owner asks until the server answers, now sooner and now later.
            assert dead.died or doom.effect > postgres, (doom, tried[doom.effect - 1])
            with EmbeddedPostgres(home / "state", fsync=False) as server:
                assert ask(server.url, "SELECT 7") == (7,)


@contextmanager
def empty_database(server_url: str) -> Iterator[str]:
    """Return the URL of a database in which nothing is, dropped at the end."""
    name = "migration_that_dies"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name}")
        try:
            yield with_database(server_url, name)
        finally:
            administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


_WHOLE = """
SELECT to_regclass('migrations.applied') IS NOT NULL,
       EXISTS (SELECT FROM pg_namespace WHERE nspname IN ('controller', 'directory'))
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_migration_that_dies_is_whole_or_not_there_and_the_next_one_finishes(
    server_url: str, first_day: Path, deadly: Mortals, campaign: Campaign
) -> None:
    with empty_database(server_url) as url:
        tried = deadly.run("migrate", first_day, url=url).tried
    dooms = list(everywhere(tried)) if campaign.everywhere else of_slice(tried, 1)
    for doom in campaign.through("a migration", tried, dooms, deadly):
        with empty_database(server_url) as url:
            dead = deadly.run("migrate", first_day, doom, url=url)

            assert dead.died
            # One question: what the server was told before the death it may still be committing.
            assert ask(url, _WHOLE) != (False, True)
            deadly.run("migrate", first_day, url=url)
            with connect(url, application_name="tests", autocommit=True) as connection:
                check(connection)
