"""`countersign doctor` on repositories that are broken, each in its own way."""

import subprocess
from pathlib import Path

from controller.app.doctor_repository import LOOSE_WARN
from tests.support.commands import Desk
from tests.support.examined import checks_of, set_line, verdict_of
from tests.support.trees import git


def test_a_repository_that_is_gone_keeps_nothing_else_from_being_checked(desk: Desk) -> None:
    desk.folder.rename(desk.folder.with_name("elsewhere"))

    checks = checks_of(desk)[1]

    gone = ("objects", "packing", "remote", "audit branch", "repository disk")
    assert checks["repository"]["verdict"] == "fail"
    assert {checks[name]["verdict"] for name in gone} == {"warn"}
    assert all("not looked at" in checks[name]["message"] for name in gone)
    kept = ("disk", "secrets", "root file", "root", "audit key", "database", "migrations")
    assert {checks[name]["verdict"] for name in kept} == {"ok"}


def test_a_branch_that_is_not_there_fails(paper_desk: Desk) -> None:
    set_line(paper_desk, "repository", 'branch = "trunk"')

    assert verdict_of(paper_desk, "repository") == "fail"
    git(paper_desk.folder, "branch", "trunk")
    assert verdict_of(paper_desk, "repository") == "ok"


def _cloned(desk: Desk, *options: str) -> Path:
    """Follow a clone of the repository instead of it."""
    where = desk.home / "clone"
    git(desk.home, "clone", "--quiet", *options, desk.folder.as_uri(), str(where))
    desk.folder.rename(desk.home / "upstream")
    where.rename(desk.folder)
    return desk.folder


def test_a_shallow_clone_is_refused_and_a_whole_one_is_not(paper_desk: Desk) -> None:
    git(paper_desk.folder, "commit", "--allow-empty", "-qm", "One more")
    _cloned(paper_desk, "--depth", "1", "--bare")

    check = checks_of(paper_desk)[1]["repository"]

    assert check["verdict"] == "fail"
    assert "--unshallow" in check["hint"]
    git(paper_desk.folder, "fetch", "-q", "--unshallow", (paper_desk.home / "upstream").as_uri())
    check = checks_of(paper_desk)[1]["repository"]
    assert check["verdict"] == "ok"
    assert "bare" in check["message"]


def test_what_makes_git_show_other_objects_is_noticed(paper_desk: Desk) -> None:
    git(paper_desk.folder, "commit", "--allow-empty", "-qm", "One more")
    assert verdict_of(paper_desk, "objects") == "ok"
    git(paper_desk.folder, "replace", "HEAD", "HEAD~1")

    check = checks_of(paper_desk)[1]["objects"]

    assert check["verdict"] == "warn"
    subprocess.run(check["hint"].split(), check=True, capture_output=True)
    assert verdict_of(paper_desk, "objects") == "ok"


def test_grafts_and_alternates_are_noticed(paper_desk: Desk) -> None:
    head = git(paper_desk.folder, "rev-parse", "HEAD")
    info = paper_desk.folder / ".git" / "info"
    info.mkdir(exist_ok=True)
    (info / "grafts").write_text(f"{head}\n")
    assert verdict_of(paper_desk, "objects") == "warn"
    (info / "grafts").unlink()
    (paper_desk.folder / ".git/objects/info").mkdir(exist_ok=True)
    (paper_desk.folder / ".git/objects/info/alternates").write_text("/elsewhere/objects\n")

    assert verdict_of(paper_desk, "objects") == "warn"


def test_a_repository_that_nobody_packs_is_told_to(paper_desk: Desk) -> None:
    assert verdict_of(paper_desk, "packing") == "ok"
    folder = paper_desk.folder / ".git" / "objects" / "00"
    folder.mkdir(exist_ok=True)
    for number in range(LOOSE_WARN + 1):
        (folder / f"{number:038x}").touch()

    assert verdict_of(paper_desk, "packing") == "warn"


def test_a_remote_that_does_not_answer_is_named_without_its_address(paper_desk: Desk) -> None:
    dead = "http://somebody:hunter2@127.0.0.1:1/shop.git"
    git(paper_desk.folder, "remote", "add", "upstream", dead)

    said = paper_desk.run("doctor", "-o", "json")

    assert verdict_of(paper_desk, "remote") == "warn"
    assert "hunter2" not in said.out + said.err
    git(paper_desk.folder, "remote", "set-url", "upstream", str(paper_desk.folder))
    assert verdict_of(paper_desk, "remote") == "ok"


def test_an_audit_branch_that_was_not_pushed_is_named(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    git(desk.home, "init", "-q", "--bare", "kept.git")
    git(desk.folder, "remote", "add", "keeper", str(desk.home / "kept.git"))

    check = checks_of(desk)[1]["audit branch"]

    assert check["verdict"] == "warn"
    subprocess.run(check["hint"].split(), check=True, capture_output=True)
    assert verdict_of(desk, "audit branch") == "ok"
