"""A rollback that production would refuse is refused before there is a commit."""

from tests.support.commands import Desk, Said
from tests.support.world import NEW_RANGE, OTHER_RANGE


def roll_back(desk: Desk, serial: int) -> Said:
    key = str(desk.home / "keys" / "rollback")
    return desk.run("rollback", "--to", str(serial), "--key", key, "-C", str(desk.folder))


def three_releases(desk: Desk, *, reconcile_between: bool) -> None:
    shop = desk.shop()
    assert desk.run("reconcile", "--once").exit_code == 0
    for line in (NEW_RANGE, OTHER_RANGE):
        shop.publish(add=[line])
        if reconcile_between:
            assert desk.run("reconcile", "--once").exit_code == 0
    assert desk.run("reconcile", "--once").exit_code == 0
    shop.sync()


def test_a_release_that_was_never_applied_is_no_way_back(desk: Desk) -> None:
    three_releases(desk, reconcile_between=False)
    before = desk.shop().tip

    told = roll_back(desk, 2)

    assert told.exit_code == 3
    assert "never applied" in told.err
    assert desk.shop().tip == before


def test_a_release_that_was_applied_is(desk: Desk) -> None:
    three_releases(desk, reconcile_between=True)

    told = roll_back(desk, 2)

    assert told.exit_code == 0, told.err
    assert desk.run("reconcile", "--once").exit_code == 0
    assert desk.run("status", "-o", "json").json["applied"]["serial"] == 2


def test_nothing_is_gone_back_to_on_a_rewritten_branch(desk: Desk) -> None:
    three_releases(desk, reconcile_between=True)
    shop = desk.shop()
    shop.force(next(iter(shop.repository.parents_of(shop.tip))))
    shop.sync()

    told = roll_back(desk, 2)

    assert told.exit_code == 3
    assert "does not descend" in told.err
