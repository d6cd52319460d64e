"""A pass that dies between any two effects leaves one whole revision, and the next one finishes."""

import itertools
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from controller.adapters.postgres import connect, transaction, with_database
from controller.audit.prove import verify_database, verify_git
from controller.reconcile.apply import digest_texts
from controller.stores.control import outbox
from controller.stores.control.model import OutboxKind
from controller.stores.directory import store as directory
from tests.support import world
from tests.support.house import ROOT
from tests.support.world import NEW_RANGE, RANGES, Shop

MINUTE = timedelta(minutes=1)


class Mortals:
    """Passes that are killed before an effect, each in a process of its own."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child

    def reconcile_dying_at(self, deadly_effect: int, shop: Shop, url: str) -> bool:
        """Run passes that die before the n-th effect; return whether they survived."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        asked = {
            "deadly_effect": deadly_effect,
            "home": str(shop.folder.parent),
            "url": url,
            "now": shop.clock.now().isoformat(),
        }
        self._child.stdin.write(f"{json.dumps(asked)}\n")
        self._child.stdin.flush()
        status = int(self._child.stdout.readline())
        assert status in (0, -signal.SIGKILL)
        return status == 0


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of the shop that all others are copies of."""
    return world.start(tmp_path_factory.mktemp("first-day"))


@pytest.fixture(scope="module")
def mortals(first_day: Path) -> Iterator[Mortals]:
    """Return the process that passes are forked from."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.mortal", str(first_day)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        yield Mortals(child)
        assert child.stdin is not None
        child.stdin.close()


@pytest.fixture
def shop(first_day: Path, tmp_path: Path, database_url: str) -> Iterator[Shop]:
    """Return a shop whose first release is applied."""
    with world.open_connection(database_url) as connection:
        made = Shop.copy(first_day, tmp_path, connection)
        made.reconcile()
        yield made


def content(shop: Shop) -> dict[str, str]:
    """Return what production serves: the recomputed digest of each table."""
    connection = shop.world().connection
    with transaction(connection):
        return digest_texts(directory.recompute(connection))


def assert_whole(shop: Shop, states: dict[int, dict[str, str]]) -> None:
    """Production serves exactly what belongs to the revision it says it is at."""
    connection = shop.world().connection
    found = content(shop)
    with transaction(connection):
        assert digest_texts(directory.kept(connection)) == found
    assert states.setdefault(shop.revision, found) == found


def assert_proven(shop: Shop) -> None:
    """Every revision has exactly one audit commit, and git and database tell the same."""
    connection = shop.world().connection
    proof = verify_git(shop.repository, shop.root, shop.controller, now=shop.clock.now())
    with transaction(connection):
        found = verify_database(connection, proof, table_digests=lambda: content(shop))
        assert outbox.queued(connection, OutboxKind.AUDIT_COMMIT) == 0
    assert len(proof.links) == found.rows == shop.revision
    assert found.lag == 0


@dataclass
class Deaths:
    """How many passes died, and which revisions were found behind them, counted from before."""

    effects: int
    found: Counter[int]


def die_at_every_effect(
    shop: Shop, url: str, mortals: Mortals, change: Callable[[int], object]
) -> Deaths:
    """Change something, die at the first effect, finish; again for the next, until one survives."""
    states: dict[int, dict[str, str]] = {}
    found: Counter[int] = Counter()
    for deadly_effect in itertools.count(1):
        shop.clock.advance(MINUTE)
        change(deadly_effect)
        before = shop.revision
        assert_whole(shop, states)

        survived = mortals.reconcile_dying_at(deadly_effect, shop, url)

        found[shop.revision - before] += 1
        assert_whole(shop, states)
        shop.reconcile()
        assert shop.revision == before + 1
        assert_whole(shop, states)
        assert_proven(shop)
        if survived:
            return Deaths(deadly_effect, found)
    raise AssertionError


def another_range(shop: Shop, number: int) -> None:
    """Publish one more card range, and take the one before it away."""
    line, before = (NEW_RANGE.replace("990600", f"{991000 + n}") for n in (number, number - 1))
    there = before in shop.read(RANGES).decode().splitlines()
    shop.publish(add=[line], drop=[before] if there else [])


def test_a_crash_at_any_effect_of_a_release_leaves_one_whole_revision(
    shop: Shop, database_url: str, mortals: Mortals
) -> None:
    def change(number: int) -> None:
        another_range(shop, number)

    deaths = die_at_every_effect(shop, database_url, mortals, change)

    assert deaths.effects > 40
    assert set(deaths.found) == {0, 1}
    assert shop.serial == deaths.effects + 1


def test_a_crash_at_any_effect_of_a_revert_leaves_one_whole_revision(
    shop: Shop, database_url: str, mortals: Mortals
) -> None:
    def change(number: int) -> None:
        another_range(shop, number)
        shop.reconcile()
        shop.revert_release(shop.released[0])

    deaths = die_at_every_effect(shop, database_url, mortals, change)

    assert set(deaths.found) == {0, 1}
    assert shop.serial == 1


def test_a_crash_at_any_effect_of_a_commit_without_changes_leaves_the_revision(
    shop: Shop, database_url: str, mortals: Mortals
) -> None:
    before = content(shop)
    for deadly_effect in itertools.count(1):
        head = shop.commit({"README.md": f"{deadly_effect}\n".encode()})

        survived = mortals.reconcile_dying_at(deadly_effect, shop, database_url)

        shop.reconcile()
        applied = shop.applied()
        assert applied is not None
        assert (applied.commit, applied.revision, content(shop)) == (head, 1, before)
        assert_proven(shop)
        if survived:
            return


@pytest.mark.slow
def test_a_crash_at_any_effect_of_the_first_pass_leaves_nothing_or_one_whole_revision(
    first_day: Path, tmp_path: Path, server_url: str, template_database: str, mortals: Mortals
) -> None:
    found: Counter[int] = Counter()
    states: dict[int, dict[str, str]] = {}
    for deadly_effect in itertools.count(1):
        with (
            fresh_database(server_url, template_database) as url,
            world.open_connection(url) as connection,
        ):
            shop = Shop.copy(first_day, tmp_path / str(deadly_effect), connection)

            survived = mortals.reconcile_dying_at(deadly_effect, shop, url)

            found[shop.revision] += 1
            assert_whole(shop, states)
            shop.reconcile()
            assert shop.revision == 1
            assert_whole(shop, states)
            assert_proven(shop)
        if survived:
            assert set(found) == {0, 1}
            return


@contextmanager
def fresh_database(server_url: str, template: str) -> Iterator[str]:
    """Return the URL of a migrated database that is dropped at the end."""
    name = "first_pass"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        copy = f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"
        administrator.execute(copy)
        yield with_database(server_url, name)
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
