"""An operator holds a running controller back, and lets it go on."""

import pytest

from tests.stories.test_daemon import DAEMON, daemon, until
from tests.support.commands import Desk
from tests.support.world import NEW_RANGE, OTHER_RANGE


@pytest.fixture
def host(first_host: Desk, tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Desk:
    """Return a deploy host that looks only when it is asked to, or sees the branch move."""
    desk = first_host.copy(tmp_path_factory.mktemp("host"), database_url)
    with desk.config.open("a") as settings:
        settings.write(DAEMON.replace("poll_seconds = 0.5", "poll_seconds = 3600"))
    return desk


def revision(desk: Desk) -> int:
    found: int = desk.run("status", "-o", "json").json["applied"]["revision"]
    return found


def is_held(desk: Desk) -> bool:
    said = desk.run("status", "-o", "json").json["controller"]["conditions"]
    return [one["status"] for one in said if one["type"] == "Held"] == ["True"]


def test_a_running_controller_is_suspended_resumed_frozen_and_thawed(host: Desk) -> None:
    with daemon(host) as running:
        running.settles(host.shop())
        for place, lift, line in (
            (["suspend"], ["resume"], NEW_RANGE),
            (["freeze", "--here"], ["unfreeze", "--here"], OTHER_RANGE),
        ):
            before = revision(host)
            assert host.run(*place, "--reason", "INC-17").exit_code == 0
            shop = host.shop()
            shop.released.append(shop.statement())
            shop.publish(add=[line])
            host.run("reconcile", "--request")
            until(lambda: is_held(host), "it says that it is held")
            assert revision(host) == before

            assert host.run(*lift).exit_code == 0
            host.run("reconcile", "--request")
            running.settles(host.shop())
            until(lambda: not is_held(host), "it says that nothing is held")

    assert host.run("audit", "verify").exit_code == 0
