"""`countersign doctor`: a whole host is well, and each thing that is missing is named."""

from typing import Any

from tests.support.commands import Desk


def _checks(desk: Desk) -> tuple[int, dict[str, dict[str, Any]]]:
    said = desk.run("doctor", "-o", "json")
    return said.exit_code, {one["name"]: one for one in said.json["checks"]}


def _set(desk: Desk, old: str, new: str) -> None:
    settings = desk.config.read_text()
    assert old in settings
    desk.config.write_text(settings.replace(old, new))


def test_a_host_that_lacks_nothing_passes(desk: Desk) -> None:
    desk.run("reconcile", "--once")

    code, checks = _checks(desk)

    assert code == 0
    assert set(checks) == {
        *("python", "git", "ssh-keygen", "settings", "repository", "root", "audit key"),
        *("disk", "database", "clock", "migrations", "time"),
    }
    assert not [one for one in checks.values() if one["verdict"] == "fail"]
    assert desk.run("doctor").out.startswith("ok    python")


def test_a_key_of_somebody_else_cannot_sign_the_trail(desk: Desk) -> None:
    _set(desk, 'key = "countersign-audit"', 'key = "alice"')

    code, checks = _checks(desk)

    assert (code, checks["audit key"]["verdict"]) == (1, "fail")
    assert "audit role" in checks["audit key"]["message"]


def test_a_key_that_others_may_read_is_named_with_its_remedy(desk: Desk) -> None:
    (desk.config.parent / "countersign-audit").chmod(0o644)

    code, checks = _checks(desk)

    assert (code, checks["audit key"]["verdict"]) == (1, "fail")
    assert "chmod 600" in checks["audit key"]["hint"]


def test_another_pin_than_the_root_fails(desk: Desk) -> None:
    digest = desk.config.read_text().partition('root_sha256 = "')[2][:64]
    _set(desk, digest, "0" * 64)

    code, checks = _checks(desk)

    assert (code, checks["root"]["verdict"]) == (1, "fail")


def test_a_branch_that_left_its_baseline_fails(desk: Desk) -> None:
    baseline = desk.config.read_text().partition('baseline = "')[2][:40]
    _set(desk, baseline, "1" * 40)

    code, checks = _checks(desk)

    assert (code, checks["repository"]["verdict"]) == (1, "fail")


def test_a_database_that_does_not_answer_fails_and_the_rest_is_still_checked(
    paper_desk: Desk,
) -> None:
    code, checks = _checks(paper_desk)

    assert (code, checks["database"]["verdict"]) == (1, "fail")
    assert checks["root"]["verdict"] == "ok"


def test_settings_that_cannot_be_read_are_the_first_thing_to_mend(desk: Desk) -> None:
    desk.config.write_text("[contoller]\n")

    code, checks = _checks(desk)

    assert (code, checks["settings"]["verdict"]) == (1, "fail")
    assert "repository" not in checks
