"""A running controller tells every kind of receiver of a failure, its end, and a success."""

import os
import signal
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import pytest

from controller.stores.control import notices
from tests.stories.test_daemon import DAEMON, another, daemon, until
from tests.support.commands import Desk
from tests.support.receivers import SECRET, Received, Receiver, receiver, secret_file
from tests.support.world import NEW_RANGE, OLD_RANGE, OTHER_RANGE, Shop, open_connection

FORGE = 'token_file = "secret"\nrepository = "bank/artifacts"\n'
LOUD = 'on = ["failure", "success"]\n'
KINDS = {
    "webhook": f'url_file = "address"\nsecret_file = "secret"\n{LOUD}',
    "slack": f'url_file = "address"\n{LOUD}',
    "pagerduty": f'url = "{{url}}"\ntoken_file = "secret"\n{LOUD}',
    "github": f'url = "{{url}}"\n{FORGE}',
    "gitea": f'url = "{{url}}"\n{FORGE}',
}


def tells(host: Desk, kind: str, there: Receiver, name: str = "") -> None:
    """Let a host tell a receiver."""
    secret_file(host.config.parent)
    secret_file(host.config.parent, "address", f"{there.url}/{SECRET}")
    section = KINDS[kind].replace("{url}", there.url)
    with host.config.open("a") as settings:
        settings.write(f'\n[[notify]]\nname = "{name or kind}"\nkind = "{kind}"\n{section}')


def refuse(shop: Shop) -> None:
    """Release what too few signed."""
    shop.edit(add=[OTHER_RANGE])
    shop.release(shop.next_release(shop.sign(shop.next_version())), by=["alice"])


def mend(shop: Shop) -> None:
    """Release what enough signed."""
    shop.released.pop()
    shop.release(shop.next_release(shop.sign(shop.next_version())))


MESSAGES: dict[str, Callable[[Received], str]] = {
    "webhook": lambda got: str(got.json["kind"]),
    "slack": lambda got: str(got.json["text"]).partition(" ")[0],
    "pagerduty": lambda got: str(got.json.get("event_action", "change")),
}
WANTED = {
    "webhook": ["success", "failure", "recovery", "success"],
    "slack": ["✅", "🔴", "🟢", "✅"],
    "pagerduty": ["change", "trigger", "resolve", "change"],
}


def statuses(there: Receiver) -> dict[str, str]:
    """Return what a forge shows of each commit: the newest status counts."""
    return {got.path.rpartition("/")[2]: str(got.json["state"]) for got in list(there.got)}


@pytest.fixture
def host(first_host: Desk, tmp_path: Path, database_url: str) -> Desk:
    """Return a deploy host on which nothing has been applied."""
    desk = first_host.copy(tmp_path, database_url)
    with desk.config.open("a") as settings:
        settings.write(DAEMON)
    return desk


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_failure_its_end_and_a_success_reach_people(kind: str, host: Desk) -> None:
    def heard() -> list[str]:
        # People commit one thing after the other: one refusal may be said of two commits.
        return [word for word, _ in groupby(MESSAGES[kind](got) for got in list(there.got))]

    shop = host.shop()
    with receiver() as there:
        tells(host, kind, there)
        with daemon(host) as running:
            until(lambda: heard() == WANTED[kind][:1], "the first success")
            refuse(shop)
            until(lambda: heard() == WANTED[kind][:2], "the failure")
            mend(shop)
            until(lambda: heard() == WANTED[kind], "its end, and the second success")

    assert SECRET not in running.log.read_text()


@pytest.mark.parametrize("kind", ["github", "gitea"])
def test_a_failure_and_a_success_stand_beside_their_commits(kind: str, host: Desk) -> None:
    shop = host.shop()
    with receiver() as there:
        tells(host, kind, there)
        with daemon(host) as running:
            until(lambda: statuses(there).get(shop.tip.hex()) == "success", "the first success")
            refuse(shop)
            refused = shop.tip.hex()
            until(lambda: statuses(there).get(refused) == "failure", "the failure")
            mend(shop)
            until(lambda: statuses(there).get(shop.tip.hex()) == "success", "the second success")

    assert statuses(there)[refused] == "failure"
    assert SECRET not in running.log.read_text()


def test_a_receiver_that_is_away_delays_nothing_and_misses_nothing(
    host: Desk, database_url: str
) -> None:
    shop = host.shop()
    with receiver() as silent, receiver() as there:
        silent.usual = "slow"
        tells(host, "webhook", silent, "silent")
        host.config.write_text(host.config.read_text().replace('"address"', '"silent"'))
        secret_file(host.config.parent, "silent", silent.url)
        tells(host, "webhook", there)
        with daemon(host) as running:
            running.settles(shop)
            silent.until(1)
            for add, drop in (([NEW_RANGE], []), ([], [OLD_RANGE]), ([OTHER_RANGE], [])):
                shop.publish(add=add, drop=drop)
                running.settles(shop)
            there.until(4)
            undelivered = host.run("status", "-o", "json").json["notices"]
            assert "notices   silent: " in host.run("status").out
            killed = running.role
            os.kill(killed, signal.SIGKILL)
            until(lambda: another(running, killed), "another role process")
            silent.usual = "200"
            silent.ended.set()
            # What a killed process held is free again after a while; time is made to pass.
            with open_connection(database_url) as connection:
                connection.execute(
                    "UPDATE controller.outbox SET due_at = now() WHERE state='queued'"
                )
                connection.commit()
            silent.until(5)
            until(lambda: not waiting(database_url), "everything is delivered")

    (one,) = undelivered
    assert (one["target"], one["given_up"]) == ("silent", 0)
    assert 1 <= one["waiting"] <= 4
    said = [got.json["revision"] for got in silent.got]
    assert list(dict.fromkeys(said)) == [1, 2, 3, 4]
    assert len({got.json["id"] for got in silent.got}) == 4
    assert [got.json["revision"] for got in there.got] == [1, 2, 3, 4]


def waiting(url: str) -> int:
    """Return how many notices are not delivered."""
    with open_connection(url) as connection:
        return sum(one.waiting for one in notices.backlog(connection))


def test_a_target_is_tried_without_a_database(host: Desk) -> None:
    with receiver("200", "403") as there:
        tells(host, "webhook", there)
        good, bad = (host.run("notify", "test", "webhook") for _ in range(2))
        unknown = host.run("notify", "test", "nobody")

    assert (good.exit_code, good.out) == (0, "webhook took the test.\n")
    assert there.got[0].json["kind"] == "test"
    assert there.got[0].is_signed(SECRET)
    assert (bad.exit_code, bad.out) == (2, "")
    assert "status 403" in bad.err
    assert SECRET not in bad.err
    assert unknown.exit_code == 2
    assert "there are: webhook" in unknown.err


def test_a_test_at_a_forge_is_about_the_newest_commit(host: Desk) -> None:
    with receiver() as there:
        tells(host, "gitea", there)
        assert host.run("notify", "test", "gitea").exit_code == 0

    (got,) = there.got
    assert got.path.endswith(f"/statuses/{host.shop().tip.hex()}")
    assert got.json["context"] == "countersign/production/test"
