"""`countersign doctor` on machines that lack something, in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.gitcli import child_environment
from tests.support.commands import Desk
from tests.support.house import ROOT


def _machine(desk: Desk, limits: str = "true", **environment: str) -> dict[str, dict[str, Any]]:
    command = f'{limits}; exec "$@"'
    words = (sys.executable, "-m", "controller", "doctor", "-o", "json", "--config", desk.config)
    done = subprocess.run(
        ["/bin/bash", "-c", command, "bash", *map(str, words)],
        cwd=desk.home,
        env={**child_environment(), "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return {one["name"]: one for one in json.loads(done.stdout)["checks"]}


@pytest.mark.parametrize(
    ("version", "verdict"), [("2.25.1", "fail"), ("2.32.0", "warn"), ("2.39.5", "ok")]
)
def test_a_git_that_is_too_old_is_told(
    paper_desk: Desk, tmp_path: Path, version: str, verdict: str
) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho git version {version}\n")
    program.chmod(0o755)

    checks = _machine(paper_desk, PATH=str(program.parent))

    assert checks["git"]["verdict"] == verdict
    assert checks["ssh-keygen"]["verdict"] == "warn"
    assert checks["root file"]["verdict"] == "ok"


def test_a_host_without_git_is_still_looked_over(paper_desk: Desk, tmp_path: Path) -> None:
    checks = _machine(paper_desk, PATH=str(tmp_path))

    assert checks["git"]["verdict"] == "fail"
    assert checks["audit key"]["verdict"] == "ok"


@pytest.mark.parametrize(
    ("limits", "name", "verdict"),
    [
        ("ulimit -n 200", "descriptors", "warn"),
        ("ulimit -n 60", "descriptors", "fail"),
        ("ulimit -v 1000000", "memory", "warn"),
        ("ulimit -n 1024", "descriptors", "ok"),
    ],
)
def test_a_process_that_gets_too_little_is_told(
    paper_desk: Desk, limits: str, name: str, verdict: str
) -> None:
    assert _machine(paper_desk, limits)[name]["verdict"] == verdict


def test_an_odd_locale_or_time_zone_is_told(paper_desk: Desk) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    assert _machine(paper_desk, **plain)["locale"]["verdict"] == "warn"
    assert _machine(paper_desk, TZ="Mars/Phobos")["locale"]["verdict"] == "warn"
    assert _machine(paper_desk, TZ="Europe/Berlin")["locale"]["verdict"] == "ok"
