"""`countersign events`: what happened, in order, and what happens from now on."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from controller.adapters.clock import SystemClock
from controller.kernel.events import Event
from controller.stores.control import events
from controller.stores.control.events import Happened
from tests.support.commands import Desk
from tests.support.world import open_connection

PATIENCE_SECONDS = 60.0


def happen(url: str, event: Event, message: str) -> None:
    with open_connection(url) as connection:
        happened = Happened(event, SystemClock().now(), message, actor="ann", facts={"code": "x.y"})
        events.append(connection, "production", happened)
        events.append(connection, "elsewhere", happened)


def test_before_anything_happened_it_says_so(desk: Desk) -> None:
    desk.run("migrate")

    assert desk.run("events").out == "Nothing has happened yet.\n"
    assert desk.run("events", "-o", "json").json["events"] == []


def test_the_newest_events_of_this_environment_come_last(desk: Desk, database_url: str) -> None:
    desk.run("migrate")
    for name in ("one", "two", "three"):
        happen(database_url, Event.SUSPENDED, name)

    found = desk.run("events", "--limit", "2", "-o", "json").json["events"]

    assert [one["message"] for one in found] == ["two", "three"]
    assert found[0]["event"] == "hold.placed"
    assert (found[0]["severity"], found[0]["actor"]) == ("warning", "ann")
    assert found[0]["facts"] == {"code": "x.y"}
    text = desk.run("events").out.splitlines()
    assert len(text) == 3
    assert text[0].endswith("warning  hold.placed  one (ann)")


def test_following_shows_what_was_and_what_comes_each_once(
    desk: Desk, database_url: str, tmp_path: Path
) -> None:
    desk.run("migrate")
    happen(database_url, Event.SUSPENDED, "before")
    said = tmp_path / "said"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "controller", "events", "-f", "-o", "json"),
                *("--config", str(desk.config)),
            ],
            stdout=out,
        )
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        for message in ("before", "after", "later"):
            if message != "before":
                happen(database_url, Event.RESUMED, message)
            while message.encode() not in said.read_bytes():
                assert time.monotonic() < until
                time.sleep(0.05)
        time.sleep(2.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 130
    finally:
        process.kill()
        process.wait()

    found = [json.loads(line) for line in said.read_text().splitlines()]
    assert [one["message"] for one in found] == ["before", "after", "later"]
    assert {one["version"] for one in found} == {1}


def test_a_deadline_ends_following(desk: Desk) -> None:
    desk.run("migrate")

    assert desk.run("events", "-f", "--timeout", "0.5").exit_code == 124
