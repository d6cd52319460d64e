"""Receivers as the settings name them, and what `doctor` can tell of them unasked."""

from pathlib import Path

import pytest

from controller.app import doctor_notify
from controller.app.doctor_look import Check, Verdict, look
from controller.app.settings import Settings, load
from controller.app.telling import senders, targets
from controller.kernel.events import Severity
from controller.reconcile.notices import Topic
from tests.support.receivers import SECRET, secret_file

HEAD = f'[trust]\nroot = "1.root.json"\nroot_sha256 = "{"0" * 64}"\n'
SLACK = '[[notify]]\nname = "team"\nkind = "slack"\nurl_file = "address"\n'
LOGIN = 'token_file = "secret"\nrepository = "bank/files"\n'
FORGE = f'[[notify]]\nname = "forge"\nkind = "github"\n{LOGIN}'


def settings(folder: Path, text: str) -> Settings:
    """Return settings with receivers."""
    file = folder / "countersign.toml"
    file.write_text(HEAD + text)
    return load(file)


def examined(found: Settings) -> list[Check]:
    """Look as `doctor` does."""
    return [look(name, at, seconds=5) for name, at in doctor_notify.looks(found)]


def test_a_target_wants_what_its_section_says(tmp_path: Path) -> None:
    loud = SLACK + 'on = ["failure", "success"]\nmin_severity = "warning"\nrepeat_minutes = 0\n'

    team, forge = targets(settings(tmp_path, loud + FORGE))

    assert (team.topics, team.severity_min, team.repeat) == (
        frozenset(Topic),
        Severity.WARNING,
        None,
    )
    assert (team.is_forge, forge.is_forge) == (False, True)


def test_no_secret_is_read_before_it_is_needed(tmp_path: Path) -> None:
    assert list(senders(settings(tmp_path, SLACK + FORGE))) == ["team", "forge"]


def test_a_receiver_that_can_be_told_is_well_and_its_secret_is_not_shown(tmp_path: Path) -> None:
    secret_file(tmp_path, "address", f"https://hooks.slack.example/services/{SECRET}")
    secret_file(tmp_path)

    team, forge = examined(settings(tmp_path, SLACK + FORGE))

    assert {team.verdict, forge.verdict} == {Verdict.OK}
    assert "slack at hooks.slack.example" in team.message
    assert "github at api.github.com" in forge.message
    assert SECRET not in team.message


@pytest.mark.parametrize("text", ["http://hooks.example/x", "two words", "https://u:p@host/"])
def test_an_address_that_is_none_is_found_before_it_is_needed(tmp_path: Path, text: str) -> None:
    secret_file(tmp_path, "address", text)

    (team,) = examined(settings(tmp_path, SLACK))

    assert team.verdict is Verdict.FAIL
    assert text not in team.message


def test_a_secret_that_others_may_read_is_found_before_it_is_needed(tmp_path: Path) -> None:
    secret_file(tmp_path).chmod(0o640)

    (forge,) = examined(settings(tmp_path, FORGE))

    assert (forge.verdict, forge.hint) == (Verdict.FAIL, f"chmod 600 {tmp_path / 'secret'}")
