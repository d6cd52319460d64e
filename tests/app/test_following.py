"""A host that follows a remote: its settings, its mirror, and what the doctor says of both."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.git import GitRepository
from controller.adapters.mirror import MirrorAbsent
from controller.app import following, host
from controller.app.doctor import Check, Verdict, examine
from controller.app.settings import BadSettings, Settings, load
from tests.support.gitservers import Manner, https_server, make_authority
from tests.support.repositories import ALICE, MAIN, bare
from tests.support.trees import git

NOW = datetime(2026, 6, 1, tzinfo=UTC)
TRUST = f'[trust]\nroot = "1.root.json"\nroot_sha256 = "{"0" * 64}"\n'


def written(folder: Path, *tables: str) -> Path:
    """Write settings and return their file."""
    file = folder / "countersign.toml"
    file.write_text("\n".join([TRUST, *tables]), encoding="utf-8")
    file.chmod(0o600)
    return file


def settings(folder: Path, *tables: str) -> Settings:
    return load(written(folder, *tables))


def remote(name: str, url: str, **more: str) -> str:
    """Return a table of the settings."""
    lines = {"url": url, **more}
    return "\n".join([f"[{name}]", *(f"{key} = {json.dumps(one)}" for key, one in lines.items())])


@pytest.fixture
def upstream(tmp_path: Path) -> GitRepository:
    return bare(tmp_path, {"a": b"1\n"})


def checks(file: Path) -> dict[str, Check]:
    """Return what the doctor says of everything before the database."""
    found = {}
    for one in examine(file, SystemClock()):
        found[one.name] = one
        if one.name == "root":
            break
    return found


def test_without_a_url_there_is_no_remote_and_no_mirror(tmp_path: Path) -> None:
    found = settings(tmp_path)

    assert following.follower(found) is None
    assert following.remotes(found) == ()
    assert following.audit_remote(found) is None
    assert not following.mirror_path(found).exists()


def test_the_mirror_is_what_the_rest_reads(tmp_path: Path, upstream: GitRepository) -> None:
    found = settings(tmp_path, remote("remote", f"file://{upstream.path}"))
    with pytest.raises(MirrorAbsent):
        host.artifact_repository(found)

    follower = following.follower(found)
    assert follower is not None
    follower.look(NOW, lambda _: None)

    read = host.artifact_repository(found)
    assert read.git_dir == tmp_path / "state" / "mirror.git"
    assert read.target(MAIN) == upstream.target(MAIN)


def test_files_are_found_beside_the_settings_and_every_remote_has_its_own(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        remote("remote", "https://a.example/x.git", token_file="t", ca_file="/etc/ca.pem"),
        "deadline_seconds = 60\nmax_bytes = 2000000",
        remote("remote.second", "git@b.example:x.git", ssh_key_file="k", known_hosts_file="h"),
        "[remote.audit]\nuser = 'trail'\ntoken_file = 'u'",
    )

    first, second = following.remotes(found)
    audit = following.audit_remote(found)
    assert audit is not None
    assert (first.name, first.token_file, first.ca_file) == (
        "remote", tmp_path / "t", Path("/etc/ca.pem"),
    )  # fmt: skip
    assert (second.name, second.ssh_key, second.known_hosts) == (
        "remote.second", tmp_path / "k", tmp_path / "h",
    )  # fmt: skip
    assert (audit.url, audit.user, audit.token_file) == (first.url, "trail", tmp_path / "u")
    assert {one.seconds for one in (first, second, audit)} == {60}
    assert {one.size_max_bytes for one in (first, second, audit)} == {2_000_000}


@pytest.mark.parametrize(
    "tables",
    [
        ["[remote]\ndeadline_seconds = 60"],
        [remote("remote.second", "https://b.example/x.git")],
        [remote("remote", "https://a.example/x.git"), "[remote.second]\nuser = 'x'"],
        [remote("remote", "https://a.example/x.git"), '[repository]\npath = "shop"'],
        [remote("remote", "https://a.example/x.git"), "max_bytes = 5"],
        [remote("remote", "https://a.example/x.git"), "tokenfile = 'x'"],
    ],
)
def test_settings_that_do_not_go_together_are_refused(tmp_path: Path, tables: list[str]) -> None:
    with pytest.raises(BadSettings):
        settings(tmp_path, *tables)


def test_the_doctor_asks_a_remote_before_anything_is_fetched(
    tmp_path: Path, upstream: GitRepository
) -> None:
    file = written(tmp_path, remote("remote", f"file://{upstream.path}"))

    found = checks(file)

    assert found["remote"].verdict is Verdict.OK
    assert "nothing is fetched yet" in found["remote"].message
    assert found["repository"].verdict is Verdict.FAIL
    assert "countersign run controller" in found["repository"].hint


def test_the_doctor_holds_a_remote_against_the_mirror(
    tmp_path: Path, upstream: GitRepository
) -> None:
    file = written(tmp_path, remote("remote", f"file://{upstream.path}"))
    follower = following.follower(load(file))
    assert follower is not None
    follower.look(NOW, lambda _: None)
    assert "the mirror is at" in checks(file)["remote"].message

    old = upstream.target(MAIN)
    assert old is not None
    upstream.commit_files(MAIN, {"b": b"1\n"}, message="b", author=ALICE)
    assert "not fetched yet" in checks(file)["remote"].message
    follower.look(NOW, lambda _: None)
    git(upstream.path, "update-ref", MAIN, old.hex())
    assert checks(file)["remote"].verdict is Verdict.OK
    upstream.commit_files(MAIN, {"c": b"1\n"}, message="c", author=ALICE)
    follower.mirror.fetch(follower.first, MAIN)

    rewritten = checks(file)["remote"]

    assert rewritten.verdict is Verdict.FAIL
    assert "did not grow out of" in rewritten.message


def test_the_doctor_says_what_keeps_a_remote_away(tmp_path: Path, upstream: GitRepository) -> None:
    ca_file, certificate = make_authority(tmp_path)
    manner = Manner(login=("git", "t0ken"))
    token = tmp_path / "token"
    token.write_text("wrong\n")
    token.chmod(0o644)
    with https_server(upstream.path.parent, manner, certificate) as address:
        url = f"{address}/{upstream.path.name}"
        file = written(tmp_path, remote("remote", url, ca_file=str(ca_file), token_file="token"))

        assert "chmod 600" in checks(file)["remote"].hint
        token.chmod(0o600)
        assert "does not let us in" in checks(file)["remote"].message
        token.write_text("t0ken\n")
        assert checks(file)["remote"].verdict is Verdict.OK
        ca_file.chmod(0o666)
        assert "others may change whom we trust" in checks(file)["remote"].message
        ca_file.chmod(0o644)
        manner.status = 503
        assert "503" in checks(file)["remote"].message
        manner.status = None
        git(upstream.path, "update-ref", "-d", MAIN)
        assert f"has no {MAIN}" in checks(file)["remote"].message

    assert checks(file)["remote"].verdict is Verdict.FAIL


def test_the_doctor_asks_every_remote_by_its_name(tmp_path: Path, upstream: GitRepository) -> None:
    file = written(
        tmp_path,
        remote("remote", f"file://{upstream.path}"),
        remote("remote.second", f"file://{tmp_path}/none.git"),
        "[remote.audit]",
    )

    found = checks(file)

    assert found["remote"].verdict is Verdict.OK
    assert found["remote.second"].verdict is Verdict.FAIL
    assert "was not pushed yet" in found["remote.audit"].message
