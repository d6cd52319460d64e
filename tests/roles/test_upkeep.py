"""Upkeep of the mirror: the audit branch is pushed, and being stopped is nothing to tell."""

import time
from pathlib import Path
from secrets import SystemRandom

from controller.adapters.clock import SystemClock
from controller.adapters.mirror import Mirror
from controller.adapters.remoteaddress import Remote
from controller.roles.timing import Backoff
from controller.roles.upkeep import Upkeep
from controller.source.follow import Follower
from controller.stores.control.events import Happened
from tests.support.repositories import MAIN, bare

AUDIT = "refs/heads/audit/one"


def upkeep(folder: Path, said: list[Happened], *, stopped: bool) -> Upkeep:
    """Return the upkeep of a mirror that has an audit branch to push."""
    upstream = bare(folder, {"a": b"1\n"})
    source = Remote("remote", f"file://{upstream.path}")
    mirror = Mirror.made(folder / "state" / "mirror.git", "main")
    Follower(mirror, "main", source).look(SystemClock().now(), lambda _: None)
    tip = mirror.repository.target(MAIN)
    assert tip is not None
    mirror.repository.move(AUDIT, None, tip)
    return Upkeep(
        mirror,
        (source, AUDIT),
        backoff=Backoff(SystemRandom()),
        clock=SystemClock(),
        say=said.append,
        stopped=lambda: stopped,
    )


def run_for(one: Upkeep, seconds: float) -> None:
    """Let it work for a while, and stop it."""
    one.start()
    time.sleep(seconds)
    one.stop()


def test_a_push_that_is_stopped_in_order_is_nothing_to_tell(tmp_path: Path) -> None:
    said: list[Happened] = []

    run_for(upkeep(tmp_path, said, stopped=True), 1.0)

    assert said == []


def test_the_audit_branch_is_pushed_to_the_remote(tmp_path: Path) -> None:
    said: list[Happened] = []
    one = upkeep(tmp_path, said, stopped=False)

    run_for(one, 2.0)

    pushed = list(tmp_path.rglob("refs/heads/audit/one"))
    assert len(pushed) == 2, "in the mirror and at the remote"
    assert said == []
