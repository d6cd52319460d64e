"""What production would refuse, or not wait for, is refused before there is a commit."""

from tests.support.commands import Desk, Said
from tests.support.world import NEW_RANGE, OLD_RANGE, OTHER_RANGE


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


def held(desk: Desk) -> str:
    """Release what this host's guards stop, and return the plan's digest."""
    with desk.config.open("a") as settings:
        settings.write("\n[guards]\nremoved_rows = 0\nsmall_rows = 0\n")
    assert desk.run("reconcile", "--once").exit_code == 0
    shop = desk.shop()
    shop.publish(drop=[OLD_RANGE])
    shop.sync()
    shown = desk.run("plan", "-o", "json")
    assert shown.exit_code == 4
    digest = shown.json["digest"]
    assert isinstance(digest, str)
    return digest


def acknowledge(desk: Desk, plan: str, *more: str, by: str = "alice") -> Said:
    words = ("--reason", "merger", "--key", str(desk.home / "keys" / by), "-C", str(desk.folder))
    return desk.run("ack", plan, *words, *more)


def test_a_plan_that_no_guard_stops_is_not_acknowledged(desk: Desk) -> None:
    waiting = held(desk)
    before = desk.shop().tip

    told = acknowledge(desk, "ab" * 32)

    assert told.exit_code == 2
    assert "no guard stops" in told.err
    assert waiting in told.err
    assert "--unchecked" in told.err
    assert desk.shop().tip == before


def test_the_plan_that_a_guard_stops_is_acknowledged_by_one_after_the_other(desk: Desk) -> None:
    waiting = held(desk)

    told = [acknowledge(desk, waiting, by=name) for name in ("alice", "bob", "bob")]

    assert [(one.exit_code, "note" in one.err) for one in told] == [(0, False)] * 3
    assert desk.run("reconcile", "--once").exit_code == 0


def test_where_nothing_waits_there_is_nothing_to_acknowledge(desk: Desk) -> None:
    assert desk.run("reconcile", "--once").exit_code == 0

    told = acknowledge(desk, "ab" * 32)

    assert told.exit_code == 2
    assert "no plan is stopped" in told.err


def test_a_plan_of_elsewhere_is_acknowledged_on_demand(desk: Desk) -> None:
    held(desk)

    told = acknowledge(desk, "ab" * 32, "--unchecked")

    assert (told.exit_code, told.err) == (0, "1 of 2 owners acknowledged it.\n")


def test_where_production_cannot_be_asked_this_is_said(paper_desk: Desk) -> None:
    told = acknowledge(paper_desk, "ab" * 32)

    assert told.exit_code == 0
    assert "could not be asked" in told.err
