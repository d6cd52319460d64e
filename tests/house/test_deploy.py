"""What `deploy/` holds works with what is here: names of settings, roles, and the sandbox."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from controller.app import settings
from controller.app.settings import Settings
from controller.cli.run import Role
from tests.support.house import ROOT

DEPLOY = ROOT / "deploy"
UNIT = (DEPLOY / "countersign.service").read_text()
EXPOSURE_MAX = 15
"""Tenths: of 10.0, which is a service without any limits."""


def of_unit(name: str) -> list[str]:
    """Return every value of a directive."""
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


def test_the_example_of_settings_is_read() -> None:
    found = settings.load(DEPLOY / "countersign.toml")

    assert found.path(found.controller.state_dir).is_absolute()
    assert found.telemetry.metrics_port != found.api.port


def test_the_unit_keeps_its_state_where_the_example_says() -> None:
    example = settings.load(DEPLOY / "countersign.toml")

    assert [f"/var/lib/{one}" for one in of_unit("StateDirectory")] == [
        str(example.controller.state_dir)
    ]


def test_the_unit_runs_roles_that_there_are() -> None:
    (command,) = of_unit("ExecStart")

    assert command.split()[1] == "run"
    assert {Role(word) for word in command.split()[2:]} == set(Role)


def test_every_credential_is_given_to_a_setting_that_there_is() -> None:
    given = [one.partition("=") for one in of_unit("Environment")]
    credentials = {one.partition(":")[0] for one in of_unit("LoadCredential")}

    assert {value.removeprefix("%d/") for _, _, value in given if "%d" in value} == credentials
    for name, _, _ in given:
        if name == settings.CONFIG_VARIABLE:
            continue
        section, _, field = name.removeprefix("COUNTERSIGN_").lower().partition("__")
        model = Settings.model_fields[section].annotation
        assert model is not None
        assert field in model.model_fields, name


def test_the_unit_waits_longer_than_the_roles_may_take_to_end() -> None:
    example = settings.load(DEPLOY / "countersign.toml")

    assert int(of_unit("TimeoutStopSec")[0]) > example.daemon.stop_seconds
    assert (of_unit("Type"), of_unit("NotifyAccess")) == (["notify"], ["main"])


def test_limits_that_children_are_given_are_not_filtered_away() -> None:
    filters = " ".join(of_unit("SystemCallFilter"))

    assert "@resources" not in filters


def test_the_sandbox_is_as_tight_as_it_was() -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    done = subprocess.run(
        [
            *(analyze, "security", "--offline=true", "--no-pager"),
            *(f"--threshold={EXPOSURE_MAX}", str(DEPLOY / "countersign.service")),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_a_service_without_limits_is_seen_to_be_exposed(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")

    done = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(bare)],
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
