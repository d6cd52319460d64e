"""A whole repository judged at once: what a squash loses, what a hint is worth, who may wait."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.adapters.git import GitRepository
from controller.artifacts import layout, merkle, walk
from controller.artifacts.layout import BundleId
from controller.artifacts.release import LiveBundle, ReleaseRef
from controller.authoring.judge import Judgement, judge
from controller.authoring.staged import Subject, commit_named, work_tree
from controller.kernel.canonical import Digest
from controller.kernel.findings import Severity
from controller.kernel.objects import Oid
from controller.trust.envelope import parse
from controller.trust.root import Pin
from tests.support import world
from tests.support.world import CARDS, NEW_RANGE, OTHER_RANGE, RANGES, Shop, with_lines


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of the shop that all others are copies of."""
    return world.start(tmp_path_factory.mktemp("judged"))


@pytest.fixture
def shop(first_day: Path, tmp_path: Path) -> Shop:
    """Return a shop without a database."""
    return Shop.copy(first_day, tmp_path)


def _judge(shop: Shop, ref: str = "main") -> Judgement:
    pin = Pin(shop.pin.envelope, shop.pin.sha256)
    return judge(commit_named(shop.folder, ref), shop.rails, pin, shop.clock.now())


def _rules(found: Judgement) -> dict[str, Severity]:
    return {one.rule: one.severity for one in found.report.findings}


def _squashed(shop: Shop, onto: Oid, tip: Oid) -> None:
    """Make one commit of everything since `onto`, as a forge's squash merge does."""
    shop.force(onto)
    content = shop.repository.raw_commit(tip).decode()
    tree = shop.repository.tree_of(tip).hex()
    author = next(line for line in content.splitlines() if line.startswith("author "))
    committer = author.replace("author", "committer")
    raw = f"tree {tree}\nparent {onto.hex()}\n{author}\n{committer}\n\nSquashed\n"
    shop.force(shop.repository.write_commit(raw.encode()))


def test_a_version_whose_files_only_a_squashed_commit_held_blocks(shop: Shop) -> None:
    base = shop.tip
    shop.edit(add=[NEW_RANGE])
    shop.sign(shop.next_version())
    tip = shop.edit(add=[OTHER_RANGE])
    assert _rules(_judge(shop)) == {}

    _squashed(shop, base, tip)

    # The signed tree is still in this repository, but no clone of the branch will ever get it.
    assert shop.repository.has(shop.bundle(CARDS, 2).git_tree)
    assert _rules(_judge(shop)) == {"trust/pinned.files_not_found": Severity.ERROR}


def test_a_squash_that_keeps_the_signed_files_is_clean(shop: Shop) -> None:
    base = shop.tip
    shop.edit(add=[NEW_RANGE])
    shop.sign(shop.next_version())

    _squashed(shop, base, shop.tip)

    assert _rules(_judge(shop)) == {}


def test_a_hint_that_leads_elsewhere_does_not_matter(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    version = shop.next_version()
    shop.sign(replace(version, git_tree=shop.bundle(CARDS, 1).git_tree))

    assert _rules(_judge(shop)) == {}


def test_counts_that_were_never_true_block(shop: Shop) -> None:
    version = shop.next_version()
    wrong = {name: replace(one, rows=one.rows + 1) for name, one in version.tables.items()}
    shop.sign(replace(version, tables=wrong))

    assert _rules(_judge(shop)) == {"trust/admit.counts_differ": Severity.ERROR}


def test_an_older_version_that_nobody_released_only_informs(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    shop.sign(shop.next_version(), by=["alice"])
    shop.edit(add=[OTHER_RANGE])
    live = shop.sign(shop.next_version())
    shop.release(shop.next_release(live))

    assert _rules(_judge(shop)) == {"trust/threshold_not_met": Severity.INFO}


def test_a_version_that_was_changed_under_its_signatures_does_not_only_wait(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    shop.sign(shop.next_version())
    assert _rules(_judge(shop)) == {}
    path = f"{layout.version_dir(CARDS, 2)}/bundle.dsse.json"
    made = parse(shop.read(path))
    shop.commit({path: replace(made, payload=made.payload + b" ").to_bytes()})

    found = _judge(shop)

    assert _rules(found) == {"trust/signature_invalid": Severity.ERROR}
    assert "changed after" in found.report.findings[0].message


def test_a_version_that_a_stranger_signed_waits_and_says_so(shop: Shop) -> None:
    shop.sign(shop.next_version(), by=["alice", "rollback"])

    found = _judge(shop)

    assert _rules(found) == {"trust/signer_not_in_role": Severity.WARNING}
    assert "does not list the signer" in found.report.findings[0].message


def test_an_unreadable_acknowledgement_is_reported_where_it_stands(shop: Shop) -> None:
    path = f"{layout.acks_dir('production')}/one.dsse.json"
    shop.commit({path: b"rubbish"})

    (finding,) = _judge(shop).report.findings

    assert (finding.rule, finding.file) == ("trust/malformed_envelope", path)
    assert not finding.message.startswith(path)


def test_a_signed_acknowledgement_that_says_nothing_is_reported_where_it_stands(
    shop: Shop,
) -> None:
    path = f"{layout.acks_dir('production')}/one.dsse.json"
    shop.commit({path: shop.sealed(b"{}", ("alice", "bob"))})

    (finding,) = _judge(shop).report.findings

    assert (finding.rule, finding.file) == ("trust/acks.malformed", path)


def test_rubbish_in_the_chain_of_roots_is_reported_where_it_stands(shop: Shop) -> None:
    shop.commit({layout.root_path(2): b"rubbish"})

    found = _judge(shop).report.findings

    assert {(one.rule, one.file) for one in found} == {
        ("trust/malformed_envelope", layout.root_path(2))
    }


def test_rows_of_two_released_bundles_are_compared(shop: Shop) -> None:
    folder = "bundles/card-bin/other"
    participants = shop.read("bundles/card-bin/house-cards/files/participants.csv")
    shop.commit(
        {
            f"{folder}/draft.json": b'{\n  "effective_from": null,\n  "effective_to": null,\n'
            b'  "environments": [\n    "production"\n  ],\n  "name": "other",\n'
            b'  "rail": "card-bin"\n}\n',
            f"{folder}/files/participants.csv": participants,
            f"{folder}/files/ranges.csv": shop.read(RANGES),
        }
    )
    other = BundleId("card-bin", "other")
    first = layout.files_path(other)
    entry = walk.find(shop.repository, shop.tree, first)
    assert entry is not None
    summary = merkle.files_root(shop.repository, entry.oid, first, merkle.NoMemory())
    version = replace(
        shop.bundle(CARDS, 1),
        bundle=other,
        files_root=summary.root,
        git_tree=entry.oid,
        tables=summary.tables,
    )
    live = shop.sign(version)
    assert _rules(_judge(shop)) == {}

    shop.release(
        shop.next_release(bundles=tuple(sorted((*shop.released[-1].bundles, live), key=_path)))
    )

    assert Severity.ERROR in _rules(_judge(shop)).values()


def _path(live: LiveBundle) -> str:
    return live.path


def test_a_release_past_its_date_blocks(shop: Shop) -> None:
    expires = shop.clock.now() + timedelta(days=1)
    shop.release(shop.next_release(expires=expires))
    assert _rules(_judge(shop)) == {}

    shop.clock.advance(timedelta(days=2))

    assert _rules(_judge(shop)) == {"trust/release_expired": Severity.ERROR}


def test_a_release_that_skips_a_serial_blocks(shop: Shop) -> None:
    shop.release(shop.next_release(serial=3))

    assert _rules(_judge(shop)) == {"trust/serial_skipped": Severity.ERROR}


def test_a_release_that_names_another_past_blocks(shop: Shop) -> None:
    other = ReleaseRef(1, Digest("0" * 64))
    shop.release(shop.next_release(previous=other))

    assert _rules(_judge(shop)) == {"trust/previous_mismatch": Severity.ERROR}


def test_two_releases_of_one_serial_block(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    other = replace(shop.released[-1], created=shop.released[-1].created + timedelta(seconds=1))
    shop.release(other)

    assert _rules(_judge(shop)) == {"trust/equivocation": Severity.ERROR}


def test_a_release_that_was_taken_away_blocks(shop: Shop) -> None:
    names = ("release.json", "release.dsse.json", "release.bob.dsse.json")
    shop.commit({f"environments/production/{name}": None for name in names})

    assert _rules(_judge(shop)) == {"trust/succession.no_release": Severity.ERROR}


def test_a_return_that_no_rollback_key_signed_blocks(shop: Shop) -> None:
    first = shop.released[-1]
    shop.publish(add=[NEW_RANGE])
    shop.revert_release(first, by=None)

    assert _rules(_judge(shop)) == {"trust/rollback_refused": Severity.ERROR}


def test_going_on_going_back_and_going_on_again_is_clean(shop: Shop) -> None:
    first = shop.released[-1]
    shop.publish(add=[NEW_RANGE])
    assert _rules(_judge(shop)) == {}
    shop.revert_release(first)
    assert _rules(_judge(shop)) == {}
    shop.publish(add=[OTHER_RANGE])
    assert _rules(_judge(shop)) == {}


def test_a_repository_without_a_root_waits_until_somebody_releases(shop: Shop) -> None:
    root = layout.root_path(1)
    shop.commit({root: None})
    pin = None

    found = judge(commit_named(shop.folder, "main"), shop.rails, pin, shop.clock.now())

    gone = {"trust/roots.removed": Severity.ERROR}
    assert _rules(found) == gone | {"trust/authoring.no_root": Severity.ERROR}
    assert found.trusted is None
    names = ("release.json", "release.dsse.json")
    shop.commit({f"environments/production/{name}": None for name in names})
    found = judge(commit_named(shop.folder, "main"), shop.rails, pin, shop.clock.now())
    assert _rules(found) == gone | {"trust/authoring.no_root": Severity.WARNING}


def test_everything_is_said_at_once(shop: Shop) -> None:
    shop.sign(shop.next_version(), by=["alice"])
    shop.commit(
        {
            RANGES: with_lines(shop.read(RANGES), add=[NEW_RANGE.replace("harbour-bank", "ghost")]),
            "environments/production/release.json": b"{}\n",
            "trust/note.txt": b"mine\n",
        }
    )

    found = _judge(shop)

    assert set(_rules(found)) == {
        "common/REF001",
        "trust/layout.stray",
        "trust/signed.copy_differs",
        "trust/threshold_not_met",
    }
    assert found.report.blocks


def test_a_commit_can_be_judged_in_a_bare_repository(shop: Shop, tmp_path: Path) -> None:
    shop.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    bare = GitRepository.open(tmp_path / "bare.git")
    subject: Subject = commit_named(bare.path, "main")
    pin = Pin(shop.pin.envelope, shop.pin.sha256)

    assert _rules(judge(subject, shop.rails, pin, shop.clock.now())) == {}


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _garbled(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def _removed(path: Path) -> None:
    path.unlink()


def _linked(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").write_bytes(b"1")


def _folder_linked(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.symlink_to("/etc")


KINDS = (
    "trust/root/1.root.json",
    "bundles/card-bin/house-cards/draft.json",
    "bundles/card-bin/house-cards/files/ranges.csv",
    "bundles/card-bin/house-cards/versions/1/bundle.json",
    "bundles/card-bin/house-cards/versions/1/bundle.dsse.json",
    "bundles/swift-iso20022/correspondents/files/rules/routing.json",
    "environments/production/release.json",
    "environments/production/release.dsse.json",
)


@pytest.mark.parametrize(
    "damage", [_emptied, _cut, _garbled, _removed, _linked, _folder, _folder_linked]
)
def test_whatever_is_broken_is_a_finding_and_never_a_crash(
    shop: Shop, damage: Callable[[Path], None]
) -> None:
    pin = Pin(shop.pin.envelope, shop.pin.sha256)
    for path in KINDS:
        broken = shop.folder.parent / "broken"
        shutil.copytree(shop.folder, broken, symlinks=True)
        damage(broken / path)

        found = judge(work_tree(broken), shop.rails, pin, shop.clock.now())

        optional = damage is _removed and path.endswith("routing.json")
        assert bool(found.report.findings) is not optional, path
        shutil.rmtree(broken)
