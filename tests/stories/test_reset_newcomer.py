"""A host that starts after a reset: what others have obeyed, it does not obey once more."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from controller.adapters.postgres import connect, with_database
from controller.artifacts.release import ReleaseRef, ReleaseStatement
from controller.kernel.canonical import sha256
from controller.trust.history import RollbackRefused, SerialReplayed
from tests.support.owners import Owners
from tests.support.world import NEW_RANGE, OTHER_RANGE, Shop, open_connection
from tests.tools.verdicts import judge

BRANCHES = "in-imps-neft/branches"
THIRD_RANGE = NEW_RANGE.replace("990600", "990602")


@pytest.fixture
def newcomer(
    owners: Owners, server_url: str, template_database: str
) -> Iterator[Callable[[], Shop]]:
    """Return a way to start another host, with an empty database, at the branch as it is then."""
    name = "newcomer"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}".encode())
        with open_connection(with_database(server_url, name)) as connection:

            def start() -> Shop:
                shop = owners.shop
                return replace(
                    shop,
                    connection=connection,
                    baseline=shop.tip,
                    controller=name,
                    audit_key=None,
                )

            yield start
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def bad_release(owners: Owners) -> ReleaseStatement:
    """Let owners release what they regret; return the good release before it."""
    good = owners.shop.statement()
    owners.promote("--drop", BRANCHES)
    assert owners.reconcile() == 2
    return good


def reset(owners: Owners, good: ReleaseStatement) -> None:
    """Let serials start again from a release."""
    owners.rotate("--reset", f"production={good.serial}:{sha256(good.payload())}")


def facts(shop: Shop) -> tuple[int, int, int | None]:
    found = shop.applied()
    assert found is not None
    return found.serial_current, found.serial_high, found.reset_serial


@pytest.mark.stops("rollback.serial-reused")
@pytest.mark.parametrize("releases", [1, 2], ids=["its first release", "a later release"])
def test_a_host_that_starts_after_a_reset_goes_back_to_its_release_for_no_ones_sake(
    owners: Owners, newcomer: Callable[[], Shop], releases: int
) -> None:
    good = bad_release(owners)
    reset(owners, good)
    for line in (NEW_RANGE, OTHER_RANGE)[:releases]:
        owners.improve(line)
    assert owners.reconcile() == 1 + releases
    host = newcomer()
    host.reconcile()
    same = facts(owners.shop)

    owners.shop.revert_release(good, by=None)

    assert owners.refused() == RollbackRefused.code
    with pytest.raises((RollbackRefused, SerialReplayed)):
        host.reconcile()
    assert judge(host).verdict in {RollbackRefused.code, SerialReplayed.code}
    assert facts(host) == same == (1 + releases, 1 + releases, 1)


@pytest.mark.allows("fast-forward.recovery")
def test_a_host_that_starts_after_a_reset_goes_on(
    owners: Owners, newcomer: Callable[[], Shop]
) -> None:
    reset(owners, bad_release(owners))
    owners.improve(NEW_RANGE)
    assert owners.reconcile() == 2
    host = newcomer()
    host.reconcile()

    owners.improve(OTHER_RANGE)
    owners.improve(THIRD_RANGE)
    host.reconcile()

    assert owners.reconcile() == 4
    assert facts(host) == facts(owners.shop) == (4, 4, 1)
    assert judge(host).verdict == "accepted"


@pytest.mark.allows("fast-forward.serial")
def test_a_host_that_starts_between_a_reset_and_its_release_obeys_it_then(
    owners: Owners, newcomer: Callable[[], Shop]
) -> None:
    reset(owners, bad_release(owners))
    host = newcomer()
    host.reconcile()
    assert facts(host) == (2, 2, None)

    owners.improve(NEW_RANGE)
    host.reconcile()

    assert owners.reconcile() == 2
    assert facts(host) == facts(owners.shop) == (2, 2, 1)
    assert judge(host).verdict == "accepted"


@pytest.mark.allows("fast-forward.serial")
def test_a_host_that_starts_at_a_release_on_top_of_what_was_reset_obeys_it_later(
    owners: Owners, newcomer: Callable[[], Shop]
) -> None:
    """The bad release is followed once more before anybody starts again from the good one."""
    good = bad_release(owners)
    reset(owners, good)
    owners.shop.released[:] = [owners.shop.statement()]
    owners.release(owners.shop.next_release())
    assert owners.reconcile() == 3
    host = newcomer()
    host.reconcile()
    assert facts(host) == (3, 3, None)

    before = ReleaseRef(good.serial, sha256(good.payload()))
    owners.release(replace(good, serial=2, previous=before))
    host.reconcile()

    assert owners.reconcile() == 2
    assert facts(host) == facts(owners.shop) == (2, 2, 1)
    assert judge(host).verdict == "accepted"
