"""What a terminal, a pipe and a full disk get to see."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.house import ROOT

QUESTION = [sys.executable, "-m", "controller", "plan"]


def on_a_terminal(**environment: str) -> str:
    """Run a command that fails, its stderr on a terminal; return what the terminal got."""
    leader, follower = os.openpty()
    subprocess.run(
        QUESTION,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TERM": "xterm", **environment},
        stderr=follower,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    os.close(follower)
    said = os.read(leader, 10_000).decode()
    os.close(leader)
    return said


def test_an_error_is_coloured_on_a_terminal() -> None:
    assert "\x1b[31m" in on_a_terminal()


def test_nothing_is_coloured_where_no_color_is_set() -> None:
    said = on_a_terminal(NO_COLOR="1")

    assert "\x1b" not in said
    assert said.startswith("error: no settings file is named")


def test_nothing_is_coloured_in_a_pipe() -> None:
    done = subprocess.run(QUESTION, cwd=ROOT, env={}, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "\x1b" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_an_error_and_no_traceback() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "controller", "version", "-o", "json"],
            cwd=ROOT,
            env={},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr
