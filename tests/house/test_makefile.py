"""The workbench: help tells of every target, and the automation runs what people run."""

import re
import shutil
import subprocess
import tomllib

import pytest

from tests.support.house import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def targets() -> set[str]:
    phony = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    return {target for line in phony for target in line.split() if not target.startswith("check-")}


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_help_tells_of_every_target() -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert set(re.findall(r"^  make ([a-z-]+) +\S", shown.stdout, re.MULTILINE)) == targets()
    assert targets() >= {"demo", "test", "check", "bench", "faults", "clean", "help"}


def test_every_part_of_check_is_run_by_check() -> None:
    parts = set(re.findall(r"^(check-[a-z]+):$", MAKEFILE, re.MULTILINE))
    line = next(line for line in MAKEFILE.splitlines() if "--keep-going" in line)

    assert parts == set(re.findall(r"check-[a-z]+", line))


def test_clean_looks_for_caches_wherever_types_are_checked() -> None:
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
    (cleaned,) = re.findall(r"@find (.+) -name __pycache__", MAKEFILE)

    assert set(cleaned.split()) == set(checked)


def test_the_gate_runs_what_people_run() -> None:
    script = (ROOT / ".ci/run").read_text()

    assert "set -euo pipefail" in script
    assert re.findall(r"^make (\w+)", script, re.MULTILINE) == ["check", "test"]


@pytest.mark.stops("pull-request.code")
@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.name)
def test_a_workflow_starts_with_no_rights_and_pins_what_it_runs(workflow: object) -> None:
    text = (ROOT / ".github/workflows" / str(workflow)).read_text()

    assert re.search(r"^permissions: \{\}$", text, re.MULTILINE)
    assert re.findall(r"uses: (?!\./)(?!\S+@[0-9a-f]{40} # v\d)(.+)", text) == []
    assert text.count("actions/checkout@") == text.count("persist-credentials: false")
    assert "pull_request_target" not in text
