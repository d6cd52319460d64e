"""Whole hosts of which something dies: PostgreSQL, a session of it, every process, one of two."""

import hashlib
import hmac
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Tell
from tests.support.asking import asking
from tests.support.campaign import Campaign
from tests.support.chronicle import Stopwatch, Told
from tests.support.commands import Desk
from tests.support.hosts import Host, announce, ask, asking_api, follow, hosting
from tests.support.postgres import passable_folder
from tests.support.world import NEW_RANGE, OTHER_RANGE

SECRET = "a secret of more than sixteen bytes"
HOOK = '[webhooks.generic]\nsecret_file = "hook"\n'
LARGE_BYTES = 50 * 1024**2
MORE_KIB_MAX = 16 * 1024
NEVER_SECONDS = 3_600.0


THIRD_RANGE = "990602,,16,true,house,Lagoon Blue,debit,false,NL,EUR,harbour-bank,,"


@pytest.fixture(scope="module")
def first_desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Return the deploy host that all others are copies of."""
    return Desk.make(tmp_path_factory.mktemp("first-desk"))


@pytest.fixture(scope="module")
def host(first_desk: Desk) -> Iterator[Host]:
    """Return a host with an embedded PostgreSQL, which looks at its remote only when it is asked.

    The stories of this module follow each other on it, as they do on a host of people.
    """
    with passable_folder() as folder:
        desk = first_desk.copy(folder, None)
        secret = desk.config.with_name("hook")
        secret.write_text(f"{SECRET}\n")
        secret.chmod(0o600)
        port = follow(desk, poll_seconds=NEVER_SECONDS, more=HOOK)
        with hosting(desk, port) as found:
            found.until(found.is_settled, "the first release is served")
            yield found
        assert_proven(desk)


def assert_proven(desk: Desk) -> None:
    """Trail and database prove each other; no release was applied twice, or before another one."""
    said = desk.run("audit", "verify")
    assert said.exit_code == 0, said.err
    serials = [one["serial"] for one in desk.run("history", "-o", "json").json["revisions"]]
    assert serials == sorted(set(serials), reverse=True)


def postmaster(host: Host) -> int:
    """Return the process of the embedded server."""
    file = next(host.desk.home.rglob("postmaster.pid"))
    return int(file.read_text().splitlines()[0])


def test_a_server_that_is_killed_is_started_again_and_answers_go_on_meanwhile(
    host: Host, told: Tell
) -> None:
    watch, before = Stopwatch(), postmaster(host)
    with asking_api(host.port) as asked:
        os.kill(before, signal.SIGKILL)
        host.desk.shop().publish(add=[NEW_RANGE])
        with watch.runs():
            host.until(lambda: host.serves(NEW_RANGE), "the release is served")
        host.until(host.is_settled, "it is in sync")
    asked.assert_good()
    assert asked.stale
    assert postmaster(host) != before
    assert "database.started_again" in host.said
    assert_proven(host.desk)
    told(
        Told(
            "PostgreSQL is killed (`kill -9` of the postmaster)",
            "An embedded server, under a host that serves; a release is pushed meanwhile.",
            (
                "`database.started_again`",
                "the API answers each request from its copy, with `stale_since`",
            ),
            "The supervisor starts the server again; both roles connect, look, and apply.",
            watch.seconds,
        )
    )


def test_a_session_that_is_killed_takes_all_others_along_and_all_come_again(
    host: Host, told: Tell
) -> None:
    watch, server = Stopwatch(), postmaster(host)
    with asking_api(host.port) as asked:
        os.kill(session(server), signal.SIGKILL)
        host.desk.shop().publish(add=[OTHER_RANGE])
        with watch.runs():
            host.until(lambda: host.serves(OTHER_RANGE), "the release is served")
        host.until(host.is_settled, "it is in sync")
    asked.assert_good()
    assert asked.stale
    assert postmaster(host) == server
    assert_proven(host.desk)
    told(
        Told(
            "A session of PostgreSQL is killed (`kill -9` of the controller's backend)",
            "PostgreSQL ends every other session, too, and recovers from its log.",
            ("the API answers each request from its copy, with `stale_since`",),
            "Both roles connect again; the controller leads anew, looks, and applies.",
            watch.seconds,
        )
    )


def session(server: int) -> int:
    """Return a process of the server that works for a client, the oldest one."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    titles = {int(one): Path(f"/proc/{one}/cmdline").read_bytes() for one in children}
    return min(one for one, title in titles.items() if b"[local]" in title)


def test_a_webhook_of_fifty_mebibytes_is_turned_away_and_a_real_one_wakes(
    host: Host, told: Tell
) -> None:
    watch, api = Stopwatch(), host.role("api")
    before = peak_kib(api)
    with asking_api(host.port) as asked:
        for headers, wanted in (("", 401), (f"X-Signature: sha256={'0' * 64}\r\n", 413)):
            status, taken = announce(host.port, "/v1/hooks/generic", LARGE_BYTES, headers)
            assert status == wanted
            assert taken < LARGE_BYTES
        assert peak_kib(api) - before < MORE_KIB_MAX
        assert host.role("api") == api
        host.desk.shop().publish(add=[THIRD_RANGE])
        proof = hmac.new(SECRET.encode(), b"{}", hashlib.sha256).hexdigest()
        with watch.runs():
            status, said = ask(
                host.port,
                "POST",
                "/v1/hooks/generic",
                body=b"{}",
                headers={"x-signature": f"sha256={proof}"},
            )
            assert (status, said["accepted"]) == (202, True)
            host.until(lambda: host.serves(THIRD_RANGE), "the release is served")
    asked.assert_good()
    told(
        Told(
            "A webhook of 50 MiB",
            "It is sent to the API; then a real one, after a release was pushed.",
            ("401 without a signature, 413 with one; the API grows by less than 16 MiB",),
            "Nothing has to come back: the real one wakes the controller at once.",
            watch.seconds,
        )
    )


def peak_kib(pid: int) -> int:
    """Return how much memory a process has had at most."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0])


INSTANTS = (0.2, 0.7, 1.2, 1.7, 2.2, 3.0)
"""Seconds after its start at which a host dies: in the imports, the first turn, while it serves."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_host_that_dies_at_any_instant_comes_again(
    first_desk: Desk, tmp_path: Path, database_url: str, campaign: Campaign, told: Tell
) -> None:
    watch, desk = Stopwatch(), first_desk.copy(tmp_path, database_url)
    shop, port = desk.shop(), follow(desk)
    lines = [NEW_RANGE.replace("990600", f"99061{number}") for number in range(len(INSTANTS))]
    instants = INSTANTS if campaign.everywhere else INSTANTS[1::3]
    with hosting(desk, port, ends=-signal.SIGKILL) as host:
        host.until(host.is_settled, "the first release is served")
        host.kill_all()
    with asking(database_url, at=shop.clock.now()) as asked:
        for line, seconds in zip(lines, instants, strict=False):
            with hosting(desk, port, ends=-signal.SIGKILL) as host:
                shop.publish(add=[line])
                time.sleep(seconds)
                host.kill_all()
        with hosting(desk, port) as host, watch.runs():
            host.until(lambda: host.serves(lines[len(instants) - 1]), "the release is served")
            host.until(host.is_settled, "it is in sync")
    asked.assert_good()
    assert_proven(desk)
    told(
        Told(
            "Every process of a host is killed at one moment (`kill -9`), several times",
            "Between 0.2 s and 3 s after its start; a release is pushed each time.",
            ("nothing: whoever asks the database is answered",),
            "The host is started again. The time includes the start of every process.",
            watch.seconds,
        )
    )


def test_the_second_of_two_hosts_takes_over_when_the_first_is_killed(
    first_desk: Desk, tmp_path: Path, database_url: str, told: Tell
) -> None:
    watch, desk = Stopwatch(), first_desk.copy(tmp_path, database_url)
    shop = desk.shop()
    follow(desk)
    other = desk.config.with_name("other.toml")
    other.write_text(desk.config.read_text().replace('"state"', '"elsewhere"'))
    other.chmod(0o600)
    with hosting(desk, roles=["controller"], ends=-signal.SIGKILL) as first:
        first.until(lambda: applied(desk) == shop.tip.hex(), "the first release is applied")
        leads = leader(desk)
        second = subprocess.run(role_of(desk.config), capture_output=True, timeout=60, check=False)
        assert (second.returncode, b"already runs" in second.stderr) == (2, True)
        with hosting(Elsewhere(desk.home), roles=["controller"], name="other") as stands_by:
            stands_by.until(lambda: "lease.held_elsewhere" in stands_by.said, "it stands by")
            with asking(database_url, at=shop.clock.now()) as asked:
                shop.publish(add=[NEW_RANGE])
                first.kill_all()
                with watch.runs():
                    stands_by.until(lambda: applied(desk) == shop.tip.hex(), "it is applied")
            asked.assert_good()
            follows = leader(desk)
            assert follows["epoch"] > leads["epoch"]
    assert_proven(Elsewhere(desk.home))
    told(
        Told(
            "Two hosts on one database, and the one that leads is killed (`kill -9`)",
            "Each has a state folder of its own; one more process on the first folder is refused.",
            ("`lease.held_elsewhere`", "exit 2, `already runs`"),
            "The other one leads when the lease runs out, with the next epoch.",
            watch.seconds,
        )
    )


class Elsewhere(Desk):
    """The same host with other settings."""

    @property
    def config(self) -> Path:
        """Its settings."""
        return self.home / "keys" / "other.toml"


def role_of(config: Path) -> list[str]:
    """Return the command of a controller without a supervisor."""
    return [sys.executable, "-m", "controller", "role", "controller", "--config", str(config)]


def leader(desk: Desk) -> dict[str, Any]:
    """Return who leads."""
    found: dict[str, Any] = desk.run("status", "-o", "json").json["controller"]["leader"]
    return found


def applied(desk: Desk) -> str | None:
    """Return the commit that production is at."""
    said = desk.run("status", "-o", "json")
    found = said.json["applied"] if said.out else None
    return found["commit"] if found else None
