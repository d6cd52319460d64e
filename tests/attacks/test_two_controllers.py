"""A host that shows two controllers two histories: each trail is whole, together they tell."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.postgres import Connection, connect, with_database
from controller.audit.compare import Agreement, Difference, HistoriesDiffer, Side, compare
from controller.authoring.starting import CONTROLLER
from controller.reconcile.proof import prove_git
from tests.support import world
from tests.support.commands import Desk
from tests.support.world import NEW_RANGE, OTHER_RANGE, Shop

OTHER = "countersign-b"


@pytest.fixture
def other_url(server_url: str, template_database: str) -> Iterator[str]:
    """Return the URL of a second controller's database."""
    name = "other_controller"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        copy = f"CREATE DATABASE {name} TEMPLATE {template_database} STRATEGY FILE_COPY"
        administrator.execute(copy)
        yield with_database(server_url, name)
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def other_connection(other_url: str) -> Iterator[Connection[Any]]:
    """Return a connection to it."""
    with world.open_connection(other_url) as connection:
        yield connection


@pytest.fixture
def pair(new_shop: Shop, other_connection: Connection[Any], tmp_path: Path) -> tuple[Shop, Shop]:
    """Return two controllers of one repository, each with its own clone and database."""

    def change(document: dict[str, Any]) -> None:
        document["roles"]["audit"][OTHER] = document["roles"]["audit"][CONTROLLER]

    path, envelope = new_shop.next_root(change)
    new_shop.commit({path: envelope})
    second = Shop.copy(tmp_path, tmp_path / "b", other_connection)
    second.controller = OTHER
    return new_shop, second


def side(shop: Shop) -> Side:
    """Return a controller's proven trail beside the clone it works in."""
    now = shop.clock.now()
    _, proof = prove_git(
        shop.repository, shop.pin, branch="main", controller=shop.controller, now=now
    )
    return Side(proof, shop.repository)


@pytest.mark.stops("fork.two-histories", "host.equivocation")
def test_two_controllers_that_were_shown_two_releases_of_one_serial_find_out(
    pair: tuple[Shop, Shop],
) -> None:
    for shop, line in zip(pair, (NEW_RANGE, OTHER_RANGE), strict=True):
        shop.publish(add=[line])
        shop.reconcile()

    with pytest.raises(HistoriesDiffer) as refusal:
        compare(side(pair[0]), side(pair[1]))

    assert refusal.value.difference is Difference.SERIAL
    assert refusal.value.names == (CONTROLLER, OTHER)
    assert "production 2" in refusal.value.detail


@pytest.mark.stops("fork.two-histories", "host.equivocation")
def test_two_controllers_on_two_lines_find_out_though_every_release_is_the_same(
    pair: tuple[Shop, Shop],
) -> None:
    first, second = pair
    first.publish(add=[NEW_RANGE])
    release = first.repository.tree_of(first.tip)
    first.reconcile()
    second.git("fetch", "--quiet", str(first.folder), "main")
    raw = second.repository.raw_commit(first.tip).replace(b"Release 2", b"Release II")
    second.force(second.repository.write_commit(raw))
    second.reconcile()

    with pytest.raises(HistoriesDiffer) as refusal:
        compare(side(first), side(second))

    assert second.repository.tree_of(second.tip) == release
    assert refusal.value.difference is Difference.LINE


@pytest.mark.allows("fork.two-histories", "host.equivocation")
def test_a_controller_that_is_behind_saw_the_same_history(pair: tuple[Shop, Shop]) -> None:
    first, second = pair
    second.reconcile()
    first.publish(add=[NEW_RANGE])
    first.reconcile()

    assert compare(side(first), side(second)) == Agreement(shared=1, newest=first.tip)
    assert compare(side(second), side(first)) == Agreement(shared=1, newest=first.tip)


def applying(desk: Desk, line: str) -> None:
    """Publish one range more on a host and apply it there."""
    shop = desk.shop()
    shop.publish(add=[line])
    assert desk.run("reconcile", "--once").exit_code == 0


@pytest.mark.stops("fork.two-histories", "host.equivocation")
def test_the_command_that_compares_two_hosts_ends_with_3_when_they_saw_two_histories(
    desk: Desk, first_desk: Path, other_url: str, tmp_path: Path
) -> None:
    other = Desk(first_desk).copy(tmp_path / "b", other_url)
    applying(desk, NEW_RANGE)
    applying(other, OTHER_RANGE)

    said = desk.run("audit", "compare", CONTROLLER, "--clone", str(other.folder))

    assert said.exit_code == 3
    assert "one serial means two releases: production 2" in said.err


@pytest.mark.allows("fork.two-histories", "host.equivocation")
def test_the_command_that_compares_two_hosts_ends_with_0_when_they_saw_one_history(
    desk: Desk, first_desk: Path, other_url: str, tmp_path: Path
) -> None:
    other = Desk(first_desk).copy(tmp_path / "b", other_url)
    applying(desk, NEW_RANGE)
    other.run("reconcile", "--once")

    said = desk.run("audit", "compare", CONTROLLER, "--clone", str(other.folder), "-o", "json")

    assert (said.exit_code, said.json["shared"]) == (0, 1)
    assert said.json["newest_commit"] == desk.shop().tip.hex()
