"""People hold revisions back from the command line, with and without a database."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest

from controller.cli.holding import NotADuration, parse_duration
from controller.reconcile.hostfreeze import DOCUMENT
from tests.support.commands import Desk
from tests.support.world import NEW_RANGE

DENIED = """
[[windows]]
kind = "deny"
schedule = "0 0 * * *"
minutes = 1440
zone = "Europe/Berlin"
reason = "year-end"
"""


@pytest.fixture
def waiting(desk: Desk) -> Desk:
    """Return a host on which a good release waits."""
    desk.run("reconcile", "--once")
    desk.shop().publish(add=[NEW_RANGE])
    return desk


def applied(desk: Desk) -> int:
    found: int = desk.run("status", "-o", "json").json["applied"]["revision"]
    return found


@pytest.mark.parametrize(("place", "lift"), [("suspend", "resume"), ("freeze", "unfreeze")])
def test_a_hold_keeps_a_release_out_until_it_is_lifted(
    place: str, lift: str, waiting: Desk
) -> None:
    placed = waiting.run(place, "--reason", "INC-17", "--actor", "ann", "--for", "2h")
    assert placed.exit_code == 0
    assert f"{place} by ann until " in placed.out

    refused = waiting.run("reconcile", "--once")
    plan, status = waiting.run("plan", "-o", "json"), waiting.run("status", "-o", "json")

    assert refused.exit_code == 4
    assert "INC-17" in refused.err
    assert f"countersign {lift}" in refused.err
    assert plan.exit_code == 4
    assert plan.json["held_by"]["actor"] == "ann"
    assert [one["kind"] for one in status.json["holds"]] == [place]
    assert f"held      {place} by ann" in waiting.run("status").out
    assert applied(waiting) == 1

    lifted = waiting.run(lift, "--actor", "bob", "--reason", "solved")
    assert "New revisions are let in." in lifted.out
    assert waiting.run("reconcile", "--once").exit_code == 0
    assert applied(waiting) == 2
    told = [
        (one["event"], one["actor"]) for one in waiting.run("events", "-o", "json").json["events"]
    ]
    assert ("hold.placed", "ann") in told
    assert ("hold.lifted", "bob") in told


def test_a_second_hold_and_a_second_lift_are_refused(desk: Desk) -> None:
    desk.run("suspend", "--reason", "one", "--actor", "ann")

    again = desk.run("suspend", "--reason", "two", "--actor", "bob")
    assert again.exit_code == 2
    assert "suspend by ann: one" in again.err
    assert desk.run("resume").exit_code == 0
    assert desk.run("resume").exit_code == 2


def test_whoever_lifts_is_told_what_holds_still(desk: Desk) -> None:
    desk.run("suspend", "--reason", "one", "--actor", "ann")
    desk.run("freeze", "--reason", "two", "--actor", "ann")

    lifted = desk.run("resume")

    assert "Still held: freeze by ann: two" in lifted.out
    assert [one["kind"] for one in desk.run("unfreeze", "-o", "json").json["holds"]] == []


def test_a_file_freezes_while_the_database_is_down(paper_desk: Desk) -> None:
    failed = paper_desk.run("freeze", "--reason", "INC-17")
    assert failed.exit_code == 2
    assert "--here" in failed.err

    frozen = paper_desk.run("freeze", "--here", "--reason", "INC-17", "--for", "1h", "-o", "json")

    assert frozen.exit_code == 0
    file = paper_desk.config.parent / "state" / DOCUMENT
    assert frozen.json["file"] == str(file)
    assert json.loads(file.read_bytes())["reason"] == "INC-17"
    assert paper_desk.run("freeze", "--here", "--reason", "again").exit_code == 2
    assert "--here" in paper_desk.run("unfreeze").err
    assert paper_desk.run("unfreeze", "--here").exit_code == 0
    assert not file.exists()


def test_a_touched_file_holds_back_what_commands_let_in(waiting: Desk) -> None:
    state = waiting.config.parent / "state"
    state.mkdir(exist_ok=True)
    (state / "FREEZE").touch()

    assert waiting.run("reconcile", "--once").exit_code == 4
    assert [one["kind"] for one in waiting.run("status", "-o", "json").json["holds"]] == [
        "host-freeze"
    ]
    (state / "FREEZE").unlink()
    assert waiting.run("reconcile", "--once").exit_code == 0


def test_an_override_passes_a_window_and_says_so(waiting: Desk) -> None:
    with waiting.config.open("a") as settings:
        settings.write(DENIED)
    closed = waiting.run("windows", "-o", "json")
    assert closed.exit_code == 1
    assert (closed.json["open"], closed.json["reason"]) == (False, "year-end")
    held = waiting.run("reconcile", "--once")
    assert held.exit_code == 4
    assert "countersign override" in held.err

    assert waiting.run("override", "--reason", " ").exit_code == 2
    made = waiting.run("override", "--reason", "INC-17", "--actor", "ann", "-o", "json").json
    assert waiting.run("reconcile", "--once").exit_code == 0
    assert applied(waiting) == 2
    assert waiting.run("status", "-o", "json").json["override"]["until"] == made["until"]
    told = waiting.run("events", "-o", "json").json["events"]
    assert [one["actor"] for one in told if one["event"] == "hold.overridden"] == ["ann"]
    assert waiting.run("override", "--end").exit_code == 0
    assert waiting.run("status", "-o", "json").json["override"] is None


def test_windows_without_any_are_open(desk: Desk) -> None:
    said = desk.run("windows")

    assert said.exit_code == 0
    assert said.out == "open until further notice\n"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('schedule = "0 0 * *"', "it has 4 fields"),
        ('zone = "Mars/Olympus"', "no time zone"),
        ("minutes = 0", "1 to 10,080 minutes"),
        ('kind = "maybe"', "kind"),
    ],
)
def test_a_window_that_cannot_be_worked_out_is_refused_when_settings_are_read(
    line: str, named: str, paper_desk: Desk
) -> None:
    name = line.partition(" ")[0]
    lines = [line if one.startswith(f"{name} ") else one for one in DENIED.splitlines()]
    good = paper_desk.config.read_text()
    paper_desk.config.write_text(good + "\n".join(lines) + "\n")

    refused = paper_desk.run("windows")

    assert refused.exit_code == 2
    assert named in refused.err
    paper_desk.config.write_text(good + DENIED)
    assert paper_desk.run("windows").exit_code == 1


def test_a_hold_ends_once_and_later(desk: Desk) -> None:
    both = desk.run("suspend", "--reason", "x", "--for", "1h", "--until", "2199-01-01")
    past = desk.run("suspend", "--reason", "x", "--until", "2020-01-01")
    nonsense = desk.run("suspend", "--reason", "x", "--for", "soon")

    assert [one.exit_code for one in (both, past, nonsense)] == [2, 2, 2]
    assert desk.run("suspend", "--reason", "x", "--until", "2199-01-01").exit_code == 0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("90m", timedelta(minutes=90)),
        ("2h", timedelta(hours=2)),
        ("1d12h", timedelta(hours=36)),
        ("1h30m15s", timedelta(seconds=5_415)),
    ],
)
def test_a_time_span_reads_as_people_type_it(text: str, wanted: timedelta) -> None:
    assert parse_duration(text) == wanted


@pytest.mark.parametrize("text", ["", "0m", "h", "-1h", "1.5h", "2 hours", "12", "1m2h", "١h"])
def test_what_is_no_time_span_is_refused(text: str) -> None:
    with pytest.raises(NotADuration):
        parse_duration(text)


def test_windows_are_shown_without_a_driver_of_a_database(paper_desk: Desk) -> None:
    script = (
        "import sys; from controller.cli.main import app\n"
        "try:\n app()\nfinally:\n print('psycopg' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "windows", "--config", str(paper_desk.config)],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )

    assert done.stdout.splitlines()[-1] == "False"
