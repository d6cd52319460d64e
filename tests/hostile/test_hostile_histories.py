"""Histories and work trees that mean harm: very many commits, and files that are no files."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.artifacts import layout
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import sha256
from controller.kernel.objects import Oid
from controller.trust.envelope import IN_TOTO, Envelope, Signature
from tests.hostile.conftest import Idle, check_cost
from tests.hostile.host import FILE, Attack, Host, ordered, parsed
from tests.support.trees import raw_tree
from tests.support.world import NEW_RANGE, OTHER_RANGE

COMMITS = 3000
FILES = "bundles/card-bin/house-cards/files"


def history(host: Host, *, start: Oid, path: str = "") -> Oid:
    """Store very many commits after another, each of which changes one file."""
    files = (str(number).encode() if path else None for number in range(COMMITS))
    return changed(host, start, path, files)


def changed(host: Host, start: Oid, path: str, files: Iterable[bytes | None]) -> Oid:
    """Store a commit for each contents of a file, `None` for one that changes nothing."""
    with tempfile.TemporaryFile() as stream:
        for number, data in enumerate(files):
            stream.write(b"commit refs/heads/long\n")
            stream.write(b"committer M <m@example.test> %d +0000\n" % (1_790_000_000 + number))
            stream.write(b"data 1\nx\n")
            if number == 0:
                stream.write(b"from %s\n" % start.hex().encode())
            if data is not None:
                head = f"M 100644 inline {path}\ndata {len(data)}\n"
                stream.write(head.encode() + data + b"\n")
            stream.write(b"\n")
        stream.seek(0)
        subprocess.run(
            ["git", "fast-import", "--quiet", "--force"],
            cwd=host.desk.folder,
            stdin=stream,
            check=True,
            capture_output=True,
        )
    made = host.shop.repository.target("refs/heads/long")
    assert made is not None
    return made


def from_tip(path: str) -> Callable[[Host], Oid]:
    return lambda host: history(host, start=host.shop.tip, path=path)


def without_the_accepted(host: Host) -> Oid:
    """Let a long history begin before the release that was accepted."""
    oldest = list(host.shop.repository.first_parents(host.shop.tip))[-1]
    return history(host, start=oldest)


ATTACKS = {
    "nothing changes": Attack(from_tip(""), (0, ""), (0, "")),
    "a root comes and goes": Attack(
        from_tip("trust/root/2.root.json"),
        (3, "is not what commit"),
        (1, "trust/roots.removed"),
    ),
    "the release is rubbish": Attack(
        from_tip("environments/production/release.json"),
        (3, "release.json is not the signed bytes"),
        (1, "trust/signed.copy_differs"),
    ),
    "a draft changes": Attack(from_tip(f"{FILES}/ranges.csv"), (0, ""), (1, "common/ENC007")),
    "the accepted commit is not in it": Attack(
        without_the_accepted, (2, "holds no release"), (0, "")
    ),
}


def widened(
    path: str, name: str = "zz%06d", *, names: int = 40_000, commits: int = 160
) -> Callable[[Host], Oid]:
    """Put very many names beside those of a folder, and one more in each commit.

    A clone of it is some 200 KB: git packs each folder as what tells it from the last.
    """

    def build(host: Host) -> Oid:
        repository, tip = host.shop.repository, host.shop.tip
        before = repository.entry(repository.tree_of(tip), path)
        assert before is not None
        ours = [(mode, one, oid) for one, (mode, oid) in parsed(repository.read(before)).items()]
        held, blob = {one for _, one, _ in ours}, host.put("blob", b"x")
        more = {(name % number).encode() for number in range(1, names)} - held
        tree = raw_tree(ordered([*ours, *((FILE, one, blob) for one in more)]))
        for number in range(commits):
            tree += raw_tree([(FILE, (name % (999_999_000 + number)).encode(), blob)])
            tip = host.graft(tip, path, host.put("tree", tree))
        return tip

    return build


def widened_behind_other_files(host: Host) -> Oid:
    """Let the files that are signed stand only behind very many wide folders."""
    host.shop.force(host.files(host.shop.tip, {f"{FILES}/ranges.csv": b"x"}))
    return widened("bundles", commits=280)(host)


WIDE = {
    "roots": Attack(
        widened("trust/root", "%d.root.json"),
        (2, "error: trust/root: "),
        (1, "trust/walk.too_large"),
    ),
    "beside the roots": Attack(
        widened("trust"), (2, "error: trust: "), (1, "trust/walk.too_large")
    ),
    "environments": Attack(widened("environments"), (0, ""), (0, "trust/layout.stray")),
    "bundles": Attack(widened_behind_other_files, (0, ""), (1, "common/ENC007")),
    "many that are just not too wide": Attack(
        widened("trust", names=6000, commits=600),
        (2, "more than we read of a history"),
        (1, "trust/history.too_wide"),
    ),
}


def nothing(number: int, _: dict[str, Any]) -> bytes:
    """Return a payload that says nothing."""
    return b"%08d" % number * 45_000


def many_bundles(number: int, release: dict[str, Any]) -> bytes:
    """Return a release of many bundles that nobody signs."""
    one = {"digest": {"sha256": "0" * 64}}
    name = "bundles/card-bin/cards-%05d/versions/1/bundle.json"
    bundles = [{"name": name % count, **one} for count in range(2400)]
    bundles[0] = {**bundles[0], "digest": {"sha256": f"{number:064x}"}}
    return json.dumps({**release, "subject": bundles}).encode()


def many_braces(number: int, _: dict[str, Any]) -> bytes:
    """Return a payload that takes long to parse, and then is no release."""
    return json.dumps({"number": number, "more": [{}] * 90_000}).encode()


def no_bundles(number: int, release: dict[str, Any]) -> bytes:
    """Return the smallest release that nobody signs."""
    return json.dumps({**release, "subject": [{**release["subject"][0], "name": number}]}).encode()


def weighted(make: Callable[[int, dict[str, Any]], bytes], commits: int) -> Callable[[Host], Oid]:
    """Let very many envelopes nobody signed stand between two releases that follow each other."""

    def build(host: Host) -> Oid:
        shop = host.shop
        release = json.loads(shop.read(layout.release_path(ENVIRONMENT)))
        second = shop.publish(add=[NEW_RANGE])
        third = shop.repository.tree_of(shop.publish(add=[OTHER_RANGE]))
        sealed = (envelope(make(number, release)) for number in range(commits))
        path = f"{layout.release_dir(ENVIRONMENT)}/release.dsse.json"
        return host.commit(third, onto=changed(host, second, path, sealed))

    return build


def envelope(payload: bytes) -> bytes:
    """Return an envelope with one signature of nobody's."""
    signature = Signature("SHA256:nobody", bytes(64))
    return Envelope(IN_TOTO, payload, (signature,)).to_bytes()


HEAVY = {
    "payloads that say nothing": weighted(nothing, 550),
    "releases of many bundles": weighted(many_bundles, 200),
    "what takes long to parse": weighted(many_braces, 200),
    "small releases": weighted(no_bundles, 4_000),
}


@pytest.mark.parametrize("build", HEAVY.values(), ids=HEAVY.keys())
def test_a_history_of_releases_that_nobody_signed_costs_little(
    build: Callable[[Host], Oid], meet: Callable[[Attack], None]
) -> None:
    refused = (2, "more than we read of a history"), (1, "trust/history.too_heavy")

    meet(Attack(build, *refused))


def test_a_chain_of_very_many_large_roots_is_refused_unread(
    host: Host, meet: Callable[[Attack], None]
) -> None:
    large = host.put("blob", envelope(b"x" * 370_000))

    def build(host: Host) -> Oid:
        folder = host.shop.repository.entry(host.shop.tree, layout.ROOT_DIR)
        assert folder is not None
        kept = parsed(host.shop.repository.read(folder))
        more = {b"%d.root.json" % number: (FILE, large) for number in range(2, 6000)}
        tree = raw_tree(
            ordered((mode, name, oid) for name, (mode, oid) in {**more, **kept}.items())
        )
        return host.graft(host.shop.tip, layout.ROOT_DIR, host.put("tree", tree))

    meet(Attack(build, (3, "the roots to follow have"), (1, "trust/roots.too_large")))


@pytest.mark.parametrize("attack", WIDE.values(), ids=WIDE.keys())
def test_a_history_of_wide_folders_costs_no_more_than_its_commits(
    attack: Attack, meet: Callable[[Attack], None]
) -> None:
    meet(attack)


def large_files(host: Host) -> Callable[[int], Oid]:
    """Return trees that each hold two files of 60 MiB, under other names."""
    zeros = host.zeros(60 << 20)
    return lambda number: host.put(
        "tree", raw_tree((FILE, b"%s%03d.csv" % (name, number), zeros) for name in (b"a", b"b"))
    )


def many_files(host: Host) -> Callable[[int], Oid]:
    """Return trees that each hold very many files, one under another name."""
    blob = host.put("blob", b"")
    names = [b"a%05d.csv" % number for number in range(40_000)]
    return lambda number: host.put(
        "tree", raw_tree((FILE, name, blob) for name in [*names, b"b%05d.csv" % number])
    )


def many_folders(host: Host) -> Callable[[int], Oid]:
    """Return trees that each hold very many folders without files."""
    empty = host.put("tree", b"")

    def build(number: int) -> Oid:
        names = (b"a%05d" % one for one in range(number, number + 20_000))
        some = host.put("tree", raw_tree((b"40000", name, empty) for name in names))
        return host.put("tree", raw_tree([(b"40000", b"a", some), (b"40000", b"b", some)]))

    return build


NOT_FOUND = (2, "signed files root"), (1, "trust/pinned.files_not_found")
TOO_WIDE = (2, "more than we read of a history"), (1, "trust/history.too_wide")


@pytest.mark.parametrize(
    ("make", "refused"),
    [(large_files, NOT_FOUND), (many_files, TOO_WIDE), (many_folders, TOO_WIDE)],
)
def test_files_that_were_signed_and_never_committed_are_looked_for_cheaply(
    make: Callable[[Host], Callable[[int], Oid]],
    refused: tuple[tuple[int, str], tuple[int, str]],
    meet: Callable[[Attack], None],
) -> None:
    def build(host: Host) -> Oid:
        shop, trees = host.shop, make(host)
        lost = replace(shop.next_version(), files_root=sha256(b"lost"), git_tree=Oid(b"\7" * 20))
        shop.release(shop.next_release(shop.sign(lost)))
        good, tip = shop.tree, shop.tip
        for number in range(30):
            tip = host.graft(tip, FILES, trees(number))
        return host.commit(good, onto=tip)

    meet(Attack(build, *refused))


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_long_history_is_looked_through_cheaply_at_both_doors(
    attack: Attack, host: Host, idle: Idle
) -> None:
    assert attack.reconcile is not None
    commit = attack.build(host)
    served = host.production(served=True)

    judged, passed = host.validate(commit), host.reconcile(commit)

    assert (judged.code, passed.code) == (attack.validate[0], attack.reconcile[0]), (
        judged.said[:1000] + passed.said
    )
    assert attack.validate[1] in {"", *judged.rules}
    assert attack.reconcile[1] in passed.said
    assert host.production(served=True) == served
    check_cost(judged, idle.validate)
    check_cost(passed, idle.reconcile)


def test_a_work_tree_of_things_that_are_no_files_is_refused_cheaply(host: Host, idle: Idle) -> None:
    host.shop.sync()
    folder = host.desk.folder / FILES
    (folder / "ranges").mkdir()
    (folder / "ranges" / "link.csv").symlink_to("/etc/hostname")
    (folder / "ranges" / "zero.csv").symlink_to("/dev/zero")
    os.mkfifo(folder / "ranges" / "pipe.csv")
    (folder / "ranges" / "Upper.csv").write_text("x\n")
    (folder / "ranges" / os.fsdecode(b"\xff.csv")).write_text("x\n")
    with (folder / "ranges" / "sparse.csv").open("wb") as file:
        file.truncate(60 << 20)

    judged = host.validate_worktree(host.desk.folder)

    found = json.loads(judged.out)["findings"]
    assert judged.code == 1
    assert len([one for one in found if one["rule"] == "trust/walk.bad_tree"]) >= 5
    assert {one["rule"] for one in found if "sparse" in one["file"]} == {"common/ENC009"}
    check_cost(judged, idle.validate)


TOO_MUCH: dict[str, Callable[[Path], None]] = {
    "a file of 512 MiB": lambda folder: os.truncate(folder / "ranges.csv", 512 << 20),
    "folders in folders": lambda folder: (folder / "/".join("d" * 40)).mkdir(parents=True),
}


@pytest.mark.parametrize("build", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_a_work_tree_that_holds_too_much_ends_the_check(
    host: Host, idle: Idle, build: Callable[[Path], None]
) -> None:
    host.shop.sync()
    build(host.desk.folder / FILES)

    judged = host.validate_worktree(host.desk.folder)

    assert (judged.code, "hint: move what is not part of a bundle" in judged.err) == (2, True)
    check_cost(judged, idle.validate)
