"""The file that stands alone in other people's hands: clones, damage, its own command line."""

import json
import os
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.artifacts import layout
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import sha256
from controller.kernel.instants import format_instant
from controller.kernel.objects import Oid
from tests.support.trees import git, write_literally
from tests.support.watched import HOUR, beat, granted
from tests.support.world import NEW_RANGE, OTHER_RANGE, RANGES, Shop
from tests.tools.changes import DAY, PLACE, second_release
from tests.tools.verdicts import ALONE, TOOL, judge, judge_audit, reconcile, tool
from tools import countersign_verify


def damage(shop: Shop, oid: str, data: bytes) -> None:
    """Write other contents under an object's id, as a bad disk or a bad host may."""
    path = shop.repository.git_dir / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.write_bytes(zlib.compress(b"blob %d\0" % len(data) + data))


def test_a_flipped_byte_in_a_file_is_seen_by_its_hash(shop: Shop) -> None:
    oid = git(shop.folder, "rev-parse", f"main:{RANGES}")
    data = bytearray(shop.read(RANGES))
    data[-2] ^= 1

    assert judge(shop).verdict == "accepted"
    damage(shop, oid, bytes(data))

    judged = judge(shop)
    assert judged.verdict == "pinned.files_not_found"
    assert "no tree in the history has the signed files root" in judged.said


def test_a_flipped_byte_in_a_signed_file_is_a_broken_object(shop: Shop) -> None:
    path = f"{PLACE}/release.json"
    damage(shop, git(shop.folder, "rev-parse", f"main:{path}"), shop.read(path) + b" ")

    judged = judge(shop)

    assert judged.verdict == "corrupt"
    assert "git fsck" in judged.json["refusal"]["do"]


def test_a_replacement_that_git_would_show_is_not_looked_at(shop: Shop) -> None:
    old = git(shop.folder, "rev-parse", f"main:{PLACE}/release.json")
    new = git(shop.folder, "hash-object", "-w", "--stdin", stdin=b"another release")
    git(shop.folder, "replace", old, new)

    assert git(shop.folder, "show", f"main:{PLACE}/release.json") == "another release"
    assert judge(shop).verdict == "accepted"


@pytest.mark.parametrize("bare", [(), ("--bare",)])
def test_a_clone_is_judged_like_the_repository_itself(
    shop: Shop, tmp_path: Path, bare: tuple[str, ...]
) -> None:
    second_release(shop)
    git(tmp_path, "clone", "--quiet", "--no-local", *bare, str(shop.folder), "clone")
    apart = replace(shop, folder=tmp_path / "clone")

    assert {**judge(apart).json, "ref": ""} == {**judge(shop).json, "ref": ""}


def test_a_shallow_clone_is_no_history(shop: Shop, tmp_path: Path) -> None:
    second_release(shop)
    source = f"file://{shop.folder}"
    git(tmp_path, "clone", "--quiet", "--depth", "1", "--branch", "main", source, "clone")

    judged = judge(replace(shop, folder=tmp_path / "clone"))

    assert judged.verdict == "objects.missing"
    assert "not shallow" in judged.json["refusal"]["do"]


def test_a_branch_that_was_forced_away_from_the_baseline_is_refused(shop: Shop) -> None:
    parent = shop.repository.parents_of(shop.baseline)[0].hex()
    other = git(shop.folder, "commit-tree", "main^{tree}", "-p", parent, "-m", "Another history")
    git(shop.folder, "update-ref", "refs/heads/main", other)

    assert judge(shop).verdict == "trust.not_from_baseline"
    # A controller says it of the commit it accepted, which may be a later one.
    assert reconcile(shop) == "trust.history_rewritten"


def test_without_a_baseline_a_history_has_to_begin_with_release_1(shop: Shop) -> None:
    root = shop.keys / "1.root.json"
    at = ("--at", "2026-11-20T12:00:00Z")
    whole = tool("repository", shop.folder, "--root", root, *at)
    shop.publish(add=[NEW_RANGE])
    cut = git(shop.folder, "commit-tree", "main^{tree}", "-m", "Start again")
    git(shop.folder, "update-ref", "refs/heads/main", cut)

    assert whole.verdict == "accepted"
    assert tool("repository", shop.folder, "--root", root, *at).verdict == "trust.serial_skipped"
    pinned = tool("repository", shop.folder, "--root", root, *at, "--baseline", cut)
    assert pinned.verdict == "accepted"


def test_a_commit_that_was_refused_and_mended_is_told_and_does_not_count(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    statement = shop.next_release(shop.sign(shop.next_version()))
    refused = shop.release(statement, by=("alice",))
    assert reconcile(shop) == "trust.threshold_not_met"
    shop.commit({f"{PLACE}/release.bob.dsse.json": shop.sealed(statement.payload(), ["bob"])})

    judged = judge(shop)

    assert reconcile(shop) == judged.verdict == "accepted"
    assert [one["commit"] for one in judged.json["passed_over"]] == [refused.hex()]
    assert judged.json["passed_over"][0]["code"] == "trust.threshold_not_met"


def test_a_release_that_ended_goes_on_but_whoever_starts_today_is_warned(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE], expires=shop.clock.instant + DAY)
    assert reconcile(shop) == "accepted"
    shop.commit({"README.md": b"later"})

    in_time = judge(shop)
    shop.clock.advance(2 * DAY)
    too_late = judge(shop)

    assert reconcile(shop) == too_late.verdict == "accepted"
    assert in_time.json["warnings"] == []
    assert "a host that starts today refuses it" in too_late.json["warnings"][0]


def test_another_root_than_the_pinned_one_is_refused(shop: Shop) -> None:
    digest = shop.pin.sha256

    assert judge(shop, "--root-sha256", digest).verdict == "accepted"
    assert judge(shop, "--root-sha256", sha256(b"x")).verdict == "trust.pin_mismatch"


def test_a_huge_file_is_refused_by_its_size_before_it_is_read(shop: Shop) -> None:
    path = f"{PLACE}/release.dsse.json"
    shop.commit({path: b" " * (4 * 1024 * 1024 + 1)})

    judged = judge(shop)

    assert judged.verdict == reconcile(shop) == "walk.too_large"


def test_a_bomb_of_folders_costs_little(shop: Shop) -> None:
    blob = git(shop.folder, "hash-object", "-w", "--stdin", stdin=b"x\n")
    tree = f"100644 blob {blob}\tf"
    for _ in range(11):
        oid = git(shop.folder, "mktree", stdin=f"{tree}\n".encode())
        tree = "\n".join(f"040000 tree {oid}\td{number}" for number in range(10))
    bomb = git(shop.folder, "mktree", stdin=f"{tree}\n".encode())
    objects = countersign_verify.Objects(shop.folder)
    began = time.process_time()

    with pytest.raises(countersign_verify.Refusal) as refusal:
        countersign_verify.FilesRoots(objects).of(bomb, "files")

    assert refusal.value.code == "walk.too_large"
    assert time.process_time() - began < 2
    objects.close()


def test_a_tree_that_git_would_not_write_is_refused(shop: Shop) -> None:
    blob = bytes.fromhex(git(shop.folder, "hash-object", "-w", "--stdin", stdin=b"x"))
    raw = b"100644 b\0" + blob + b"100644 a\0" + blob
    odd = write_literally(shop.folder, "tree", raw).hex()
    objects = countersign_verify.Objects(shop.folder)

    with pytest.raises(countersign_verify.Refusal) as refusal:
        objects.level(odd, "files")

    assert refusal.value.code == "walk.bad_tree"
    objects.close()


def alone(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the file as a stranger does: in a process that knows no path of ours."""
    return subprocess.run(
        [*ALONE, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath},
        timeout=60,
    )


def test_it_runs_alone_and_says_in_plain_words_what_it_proved(shop: Shop) -> None:
    root, at = shop.keys / "1.root.json", "2026-11-20T12:00:00Z"

    said = alone("repository", shop.folder, "--root", root, "--at", at)
    audit = alone("audit", shop.folder, "--root", root, "--at", at, "--controller", shop.controller)

    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith(f"root 1 ({shop.pin.sha256})")
    assert "card-bin/house-cards@1 […, …) 2 files, 16 rows, by alice, bob" in said.stdout
    assert said.stdout.splitlines()[-1].startswith(f"accepted: commit {shop.tip.hex()}")
    assert (audit.returncode, audit.stderr) == (0, "")
    assert "accepted: 1 links of countersign" in audit.stdout


def test_a_refusal_says_what_and_where_and_what_to_do(shop: Shop) -> None:
    shop.commit({f"{PLACE}/notes.txt": b"hello"})
    words = ("repository", shop.folder, "--root", shop.keys / "1.root.json")

    said = alone(*words, "--at", "2026-11-20T12:00:00Z")

    assert (said.returncode, said.stdout) == (1, "")
    assert (
        f"refused: {PLACE}/notes.txt: it does not belong here [signed.strange_file]" in said.stderr
    )
    assert "remove it" in said.stderr


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("repository",),
        ("repository", "nowhere", "--root", "1.root.json"),
        ("repository", ".", "--root", "nowhere.json"),
        ("repository", ".", "--root", "1.root.json", "--at", "tomorrow"),
        ("repository", ".", "--root", "1.root.json", "--ref", "main; rm -rf /"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_judges_nothing(
    shop: Shop, words: tuple[str, ...]
) -> None:
    places = {".": str(shop.folder), "1.root.json": str(shop.keys / "1.root.json")}

    said = alone(*(places.get(word, word) for word in words))

    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr


def test_a_folder_without_a_repository_ends_with_2(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    said = alone("repository", tmp_path / "empty", "--root", shop.keys / "1.root.json")

    assert said.returncode == 2
    assert "is this a git repository" in said.stderr


@pytest.mark.parametrize("command", [(), ("repository",), ("audit",)])
def test_help_needs_no_repository(command: tuple[str, ...]) -> None:
    said = alone(*command, "--help")

    assert said.returncode == 0
    assert "--root" in said.stdout


def test_the_json_holds_what_a_machine_wants_to_know(shop: Shop) -> None:
    shop.publish(add=[OTHER_RANGE])

    found = json.loads(json.dumps(judge(shop).json))

    assert (found["version"], found["command"], found["result"]) == (1, "repository", "accepted")
    assert found["commit"] == shop.tip.hex()
    assert found["root"]["sha256"] == found["pinned"]["sha256"] == shop.pin.sha256
    live = {one["bundle"]: one for one in found["bundles"]}
    assert live["card-bin/house-cards"]["version"] == 2
    assert live["card-bin/house-cards"]["visible"] is True
    assert {one["owner"] for one in found["release"]["signers"]} == {"alice", "bob"}
    assert found["environment"] == ENVIRONMENT
    assert layout.release_path(found["environment"]) == f"{PLACE}/release.json"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_without_our_letters_is_told_as_much(shop: Shop, encoding: str) -> None:
    words = ("repository", shop.folder, "--root", shop.keys / "1.root.json")
    command = [sys.executable, str(TOOL), *map(str, words)]
    command += ["--at", format_instant(shop.clock.instant)]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONIOENCODING": encoding}

    said = subprocess.run(command, capture_output=True, check=False, env=environment)
    told = subprocess.run(
        [*command[:2], "--help"], capture_output=True, check=False, env=environment
    )

    window = b"[\xe2\x80\xa6, \xe2\x80\xa6)" if encoding == "utf-8" else b"[\\u2026, \\u2026)"
    assert (said.returncode, said.stderr) == (0, b"")
    assert b"card-bin/house-cards@1 " + window in said.stdout
    assert (told.returncode, told.stderr) == (0, b"")


def test_an_instant_before_the_root_was_made_is_pointed_out(shop: Shop) -> None:
    made = shop.root.created

    at_once = judge(shop, at=made)
    early = judge(shop, at=made - timedelta(seconds=1))
    trail = judge_audit(shop, "--at", format_instant(made - timedelta(seconds=1)))

    assert at_once.json["warnings"] == []
    assert "before root 1 was made" in early.json["warnings"][0]
    assert "before root 1 was made" in trail.json["warnings"][0]


def test_a_heartbeat_is_shown_and_what_is_wrong_with_it_is_said(shop: Shop) -> None:
    granted(shop, "heartbeat", "ci")
    none = judge(shop)
    seen = shop.tip
    beat(shop)
    fresh = judge(shop)
    shop.clock.advance(2 * HOUR)
    old = judge(shop)
    beat(shop, commit=Oid(b"\1" * 20))
    elsewhere = judge(shop)
    beat(shop, by="alice")
    stranger = judge(shop)

    assert reconcile(shop) == stranger.verdict == "accepted"
    assert (none.json["heartbeat"], fresh.json["warnings"]) == (None, [])
    assert fresh.json["heartbeat"]["seen"] == seen.hex()
    assert [one["owner"] for one in fresh.json["heartbeat"]["signers"]] == ["ci"]
    said = [one.json["warnings"][0] for one in (none, old, elsewhere, stranger)]
    words = ("no heartbeat", "ended at", "does not hold", "not believed")
    assert [word in text for word, text in zip(words, said, strict=True)] == [True] * 4
