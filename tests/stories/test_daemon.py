"""`countersign run controller` as processes: killed, paused, asked, and two of them at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from controller.kernel.objects import Oid
from tests.support.commands import Desk
from tests.support.world import NEW_RANGE, OLD_RANGE, OTHER_RANGE, Shop

PATIENCE_SECONDS = 60.0
DAEMON = "\n[daemon]\npoll_seconds = 0.5\nrenew_seconds = 0.5\n"


def until(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds, or fail."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


@dataclass
class Daemon:
    """The supervisor, and what can be done to it and its roles."""

    desk: Desk
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def role(self) -> int:
        """The process of the controller role."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for child in children.split():
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if b"role" in words:
                return int(child)
        return 0

    def settles(self, shop: Shop) -> None:
        """Wait until production is at the branch."""
        until(lambda: applied(self.desk) == shop.tip, f"production at {shop.tip.hex()}")


def another(running: Daemon, before: int) -> bool:
    """Whether another process plays the role by now."""
    return running.role not in (0, before)


def applied(desk: Desk) -> Oid | None:
    """Return the commit that production is at."""
    found = desk.run("status", "-o", "json").json["applied"]
    return Oid(bytes.fromhex(found["commit"])) if found else None


@contextmanager
def daemon(desk: Desk, name: str = "run", *, ends: int = 0) -> Iterator[Daemon]:
    """Run it while the block runs; it has to end in order when it is asked to, or as expected."""
    log = desk.home / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "controller", "run", "controller", "--config", str(desk.config)],
            stdout=out,
            stderr=out,
        )
    running = Daemon(desk, process, log)
    try:
        yield running
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == ends, log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def host(first_host: Desk, tmp_path: Path, database_url: str) -> Desk:
    """Return a deploy host on which nothing has been applied."""
    desk = first_host.copy(tmp_path, database_url)
    with desk.config.open("a") as settings:
        settings.write(DAEMON)
    return desk


def test_it_follows_the_branch_through_kills_of_its_role(host: Desk) -> None:
    shop = host.shop()
    with daemon(host) as running:
        running.settles(shop)
        for line in (NEW_RANGE, OTHER_RANGE):
            before = running.role
            os.kill(before, signal.SIGKILL)
            shop.publish(add=[line])
            running.settles(shop)
            until(partial(another, running, before), "another role process")

    assert host.run("audit", "verify").exit_code == 0
    assert [one["serial"] for one in host.run("history", "-o", "json").json["revisions"]] == [
        3,
        2,
        1,
    ]


def test_killing_the_supervisor_ends_its_roles(host: Desk) -> None:
    with daemon(host, ends=-signal.SIGKILL) as running:
        running.settles(host.shop())
        role = running.role
        running.process.kill()
        running.process.wait()
        until(lambda: not Path(f"/proc/{role}").exists(), "the role ends with its supervisor")

    with daemon(host, "again") as again:
        host.shop().publish(drop=[OLD_RANGE], add=[NEW_RANGE])
        again.settles(host.shop())


def test_a_paused_leader_writes_nothing_once_another_one_leads(host: Desk, tmp_path: Path) -> None:
    shop = host.shop()
    with daemon(host, "paused") as paused:
        paused.settles(shop)
        role = paused.role
        os.kill(role, signal.SIGSTOP)
        try:
            other = Desk(tmp_path)
            elsewhere = host.config.read_text().replace('"state"', '"elsewhere"')
            (host.home / "keys" / "other.toml").write_text(elsewhere)
            (host.home / "keys" / "other.toml").chmod(0o600)
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "controller", "run", "controller"),
                    *("--config", str(host.home / "keys" / "other.toml")),
                ],
                stderr=subprocess.DEVNULL,
            )
            try:
                shop.publish(add=[NEW_RANGE])
                until(lambda: applied(other) == shop.tip, "the other one applies it")
                leads = host.run("status", "-o", "json").json["controller"]["leader"]
                os.kill(role, signal.SIGCONT)
                shop.publish(add=[OTHER_RANGE])
                until(lambda: applied(other) == shop.tip, "the other one goes on")
                time.sleep(2)
                after = host.run("status", "-o", "json").json["controller"]["leader"]
                assert (after["holder"], after["epoch"]) == (leads["holder"], leads["epoch"])
            finally:
                process.terminate()
                process.wait(PATIENCE_SECONDS)
        finally:
            os.kill(role, signal.SIGCONT)
        shop.publish(drop=[NEW_RANGE])
        paused.settles(shop)
    assert host.run("audit", "verify").exit_code == 0


def test_a_person_and_a_signal_ask_for_a_look(host: Desk) -> None:
    settings = host.config.read_text().replace("poll_seconds = 0.5", "poll_seconds = 3600")
    host.config.write_text(settings)
    with daemon(host) as running:
        running.settles(host.shop())
        until(lambda: running.role, "a role")
        asked = host.run("reconcile", "--request", "-o", "json").json["requested"]
        until(
            lambda: not host.run("status", "-o", "json").json["controller"]["look_requested"],
            f"look {asked} is made",
        )
        running.process.send_signal(signal.SIGHUP)
        host.shop().publish(add=[NEW_RANGE])
        running.settles(host.shop())


def test_two_controllers_of_one_state_directory_are_refused(host: Desk) -> None:
    with daemon(host) as running:
        running.settles(host.shop())
        second = subprocess.run(
            [
                sys.executable,
                "-m",
                "controller",
                "role",
                "controller",
                "--config",
                str(host.config),
            ],
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert second.returncode == 2
    assert b"already runs" in second.stderr
