"""`countersign doctor`: a whole host is well, and each thing that is missing is named."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import Desk
from tests.support.examined import checks_of, set_line, set_text, verdict_of


def test_a_host_that_lacks_nothing_passes(desk: Desk) -> None:
    desk.run("reconcile", "--once")

    code, checks = checks_of(desk)

    assert code == 0
    assert set(checks) == {
        *("python", "git", "ssh-keygen", "locale", "descriptors", "memory", "settings"),
        *("disk", "fsync", "settings file", "repository disk", "secrets", "repository", "objects"),
        *(
            "packing",
            "remote",
            "root file",
            "root",
            "audit key",
            "audit branch",
            "database",
            "encoding",
            "database disk",
        ),
        *(
            "durability",
            "clock",
            "migrations",
            "rights",
            "time",
            "known root",
            "audit lag",
            "digests",
        ),
    }
    assert not [one for one in checks.values() if one["verdict"] == "fail"]
    assert desk.run("doctor").out.startswith("ok    python")


def test_a_key_of_somebody_else_cannot_sign_the_trail(desk: Desk) -> None:
    set_text(desk, 'key = "countersign-audit"', 'key = "alice"')

    code, checks = checks_of(desk)

    assert (code, checks["audit key"]["verdict"]) == (1, "fail")
    assert "audit role" in checks["audit key"]["message"]


def test_a_key_that_others_may_read_is_named_with_its_remedy(desk: Desk) -> None:
    (desk.config.parent / "countersign-audit").chmod(0o644)

    code, checks = checks_of(desk)

    assert (code, checks["audit key"]["verdict"]) == (1, "fail")
    assert "chmod 600" in checks["audit key"]["hint"]


def test_another_pin_than_the_root_fails(desk: Desk) -> None:
    digest = desk.config.read_text().partition('root_sha256 = "')[2][:64]
    set_text(desk, digest, "0" * 64)

    code, checks = checks_of(desk)

    assert (code, checks["root"]["verdict"]) == (1, "fail")


def test_a_branch_that_left_its_baseline_fails(desk: Desk) -> None:
    baseline = desk.config.read_text().partition('baseline = "')[2][:40]
    set_text(desk, baseline, "1" * 40)

    code, checks = checks_of(desk)

    assert (code, checks["repository"]["verdict"]) == (1, "fail")


def test_a_database_that_does_not_answer_fails_and_the_rest_is_still_checked(
    paper_desk: Desk,
) -> None:
    code, checks = checks_of(paper_desk)

    assert (code, checks["database"]["verdict"]) == (1, "fail")
    assert checks["root"]["verdict"] == "ok"


def test_settings_that_cannot_be_read_are_the_first_thing_to_mend(desk: Desk) -> None:
    desk.config.write_text("[contoller]\n")

    code, checks = checks_of(desk)

    assert (code, checks["settings"]["verdict"]) == (1, "fail")
    assert "repository" not in checks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of one mebibyte, or skip where nobody may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=60", "none", str(place))
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(("umount", str(place)), check=True)


def test_a_disk_without_room_is_named_for_state_and_for_repository(
    paper_desk: Desk, small_disk: Path
) -> None:
    set_line(paper_desk, "controller", f'state_dir = "{small_disk}"')

    checks = checks_of(paper_desk)[1]

    assert checks["disk"]["verdict"] == "fail"
    assert "inodes" in checks["disk"]["message"]
    assert str(small_disk) in checks["disk"]["hint"]
    assert checks["repository disk"]["verdict"] == "ok"


def test_a_state_directory_that_cannot_be_written_fails(paper_desk: Desk) -> None:
    assert verdict_of(paper_desk, "fsync") == "ok"
    set_line(paper_desk, "controller", 'state_dir = "/proc/countersign"')

    assert verdict_of(paper_desk, "fsync") == "fail"


def test_a_settings_file_with_a_password_is_ours_alone(desk: Desk) -> None:
    assert verdict_of(desk, "secrets") == "ok"
    desk.config.chmod(0o644)

    check = checks_of(desk)[1]["secrets"]

    assert (check["verdict"], check["hint"]) == ("fail", f"chmod 600 {desk.config}")


def test_a_file_with_the_databases_url_is_ours_alone_and_never_shown(desk: Desk) -> None:
    file = desk.config.with_name("url")
    file.write_text("postgresql://somebody:hunter2@127.0.0.1:1/nothing")
    file.chmod(0o640)
    url = desk.config.read_text().partition("url = ")[2].splitlines()[0]
    set_text(desk, f"url = {url}", 'url_file = "url"')

    said = desk.run("doctor", "-o", "json")

    assert "hunter2" not in said.out + said.err
    assert verdict_of(desk, "secrets") == "fail"
    file.chmod(0o600)
    assert verdict_of(desk, "secrets") == "ok"


def test_a_pin_that_others_may_change_fails(paper_desk: Desk) -> None:
    pin = paper_desk.config.with_name("1.root.json")
    pin.chmod(0o666)

    check = checks_of(paper_desk)[1]["root file"]

    assert (check["verdict"], check["hint"]) == ("fail", f"chmod 644 {pin}")
    pin.chmod(0o644)
    assert verdict_of(paper_desk, "root file") == "ok"


@pytest.mark.parametrize(
    ("of_folder", "mode"), [(False, 0o666), (False, 0o664), (True, 0o777), (True, 0o775)]
)
def test_settings_that_others_may_change_fail(
    paper_desk: Desk, mode: int, *, of_folder: bool
) -> None:
    place = paper_desk.config.parent if of_folder else paper_desk.config
    before = place.stat().st_mode
    assert verdict_of(paper_desk, "settings file") == "ok"
    place.chmod(mode)

    check = checks_of(paper_desk)[1]["settings file"]

    assert check["verdict"] == "fail"
    assert str(place) in check["message"]
    subprocess.run(check["hint"].split(), check=True)
    assert verdict_of(paper_desk, "settings file") == "ok"
    place.chmod(before)


def test_settings_in_a_sticky_folder_are_ours_alone(paper_desk: Desk) -> None:
    paper_desk.config.parent.chmod(0o1777)

    assert verdict_of(paper_desk, "settings file") == "ok"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("countersign-audit", "audit key"),
        ("1.root.json", "root file"),
        ("countersign.toml", "settings file"),
    ],
)
def test_a_file_that_belongs_to_somebody_else_is_named(
    paper_desk: Desk, file: str, name: str
) -> None:
    place = paper_desk.config.with_name(file)
    os.chown(place, 4321, -1)

    check = checks_of(paper_desk)[1][name]

    assert (check["verdict"], check["hint"]) == ("fail", f"chown 0 {place}")
    os.chown(place, 0, -1)
    assert verdict_of(paper_desk, name) == "ok"


def test_a_pin_that_is_gone_fails_and_the_key_is_still_looked_at(paper_desk: Desk) -> None:
    paper_desk.config.with_name("1.root.json").unlink()

    checks = checks_of(paper_desk)[1]

    assert [checks[name]["verdict"] for name in ("root file", "root", "audit key")] == [
        *("fail", "fail", "ok")
    ]
