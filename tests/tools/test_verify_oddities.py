"""Histories that git itself would not write, or that hide from a strict reader who did what.

Whoever may merge, and sign nothing, chooses every byte of a commit; both judges must see the same
parents, and the same commit as the one that brought a release.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random  # noqa: TID251 - a seeded source

import pytest

from controller.adapters.git import Author, GitRepository, commit_content
from controller.artifacts import layout, walk
from controller.artifacts.bundle import PreviousVersion
from controller.artifacts.release import ReleaseStatement
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import Digest, sha256
from controller.kernel.errors import ControllerError
from controller.kernel.objects import Oid
from controller.source.history import COMMITS_MAX
from tests.support.trees import git, raw_tree, write_literally
from tests.support.world import CARDS, NEW_RANGE, OTHER_RANGE, RANGES, Shop
from tests.tools.changes import (
    ENVELOPE,
    PLACE,
    Change,
    ref,
    second_release,
    with_root,
    with_statement,
)
from tests.tools.oddities import (
    add_header,
    capitals,
    commit_anyhow,
    folder_again,
    folder_as,
    hide,
    reorder,
    show,
    tip_headers,
)
from tests.tools.verdicts import judge, judge_audit, prove_audit, reconcile
from tools import countersign_verify as alone


def both(shop: Shop) -> str:
    """Return the verdict of both judges, which is one."""
    said = reconcile(shop)
    judged = judge(shop)
    assert judged.verdict == said, judged.said
    return said


def return_in_a_folder_that_is_mended(
    shop: Shop, *, reverted_by: str | None, mended_by: str | None
) -> str:
    first = shop.released[0]
    second_release(shop)
    hide(shop, first, by=reverted_by)
    assert both(shop) == "walk.bad_tree"
    show(shop, by=mended_by)
    return both(shop)


@pytest.mark.stops("commit.later-signature")
@pytest.mark.parametrize("who", ["rollback", None])
def test_who_mends_a_folder_did_not_bring_the_release_in_it(shop: Shop, who: str | None) -> None:
    said = return_in_a_folder_that_is_mended(shop, reverted_by=None, mended_by=who)

    assert said == "trust.rollback_refused"


@pytest.mark.allows("commit.later-signature")
def test_who_mends_a_folder_takes_nothing_from_a_signed_return(shop: Shop) -> None:
    said = return_in_a_folder_that_is_mended(shop, reverted_by="rollback", mended_by=None)

    assert said == "accepted"


def stolen(shop: Shop) -> ReleaseStatement:
    """Return what a thief released after release 1, as another release 2."""
    shop.edit(add=[OTHER_RANGE])
    live = shop.sign(shop.next_version())
    return shop.next_release(live, serial=2, previous=ref(shop.released[0]))


def reset_to_first(shop: Shop) -> None:
    first = shop.released[0]
    said = {"serial": first.serial, "sha256": sha256(first.payload())}
    with_root(lambda root: root.update(reset={ENVIRONMENT: said}))(shop)


@pytest.mark.parametrize("mended", [True, False])
def test_a_release_from_before_a_reset_is_not_made_younger_by_mending_its_folder(
    shop: Shop, mended: bool
) -> None:
    second_release(shop)
    thief = stolen(shop)
    if mended:
        hide(shop, thief)
        assert both(shop) == "walk.bad_tree"
    else:
        shop.release(thief)
        assert both(shop) == "trust.equivocation"
    reset_to_first(shop)
    both(shop)
    show(shop) if mended else shop.commit({"README.md": b"later"})

    assert both(shop) == "trust.equivocation"


def test_a_release_that_comes_back_is_as_young_as_its_return(shop: Shop) -> None:
    """What stood before the reset and comes again beside it came, as the page has it, after it."""
    second_release(shop)
    thief = stolen(shop)
    shop.release(thief)
    assert both(shop) == "trust.equivocation"
    shop.commit({f"{PLACE}/release.json": None, ENVELOPE: None})
    assert both(shop) == "succession.no_release"
    reset_to_first(shop)
    assert both(shop) == "succession.no_release"
    shop.release(thief)
    shop.release(shop.next_release(serial=3, previous=ref(thief)))

    assert both(shop) == "accepted"


def test_a_lapsed_permission_spoils_even_a_return_that_a_reset_allows(shop: Shop) -> None:
    first = shop.released[0]
    with_statement(expires=shop.clock.instant)(shop)
    assert both(shop) == "succession.rollback_lapsed"
    reset_to_first(shop)
    shop.commit({f"{PLACE}/release.json": None, ENVELOPE: None})
    both(shop)
    shop.revert_release(first, by=None)

    assert both(shop) == "succession.rollback_lapsed"


def node(*entries: tuple[str, str, bytes]) -> bytes:
    """Hash a directory from the (name, kind, digest) of its entries, as the page says."""
    parts = [
        kind.encode() + len(name).to_bytes(2, "big") + name.encode() + digest
        for name, kind, digest in sorted(entries)
    ]
    return hashlib.sha256(b"countersign tree v1\n" + b"".join(parts)).digest()


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"countersign file v1\n" + data).digest()


def publish_at_depth(shop: Shop, held: str, levels: int) -> str:
    """Release the cards with their ranges in so many levels of folders; return where they are."""
    files = layout.files_path(CARDS)
    data, path = shop.read(held), f"{files}/ranges/{'d/' * (levels - 2)}x.csv"
    shop.commit({held: None, path: data})
    tree = walk.find(shop.repository, shop.tree, files)
    assert tree is not None
    ranges = node(("x.csv", "f", leaf(data)))
    for _ in range(levels - 2):
        ranges = node(("d", "d", ranges))
    people = leaf(shop.read(f"{files}/participants.csv"))
    root = node(("participants.csv", "f", people), ("ranges", "d", ranges))
    before = shop.bundle(CARDS, shop.versions(CARDS))
    made = replace(
        before,
        version=before.version + 1,
        previous=PreviousVersion(before.version, sha256(before.payload())),
        files_root=Digest(root.hex()),
        git_tree=tree.oid,
    )
    shop.release(shop.next_release(shop.sign(made)))
    return path


def test_a_folder_may_not_grow_deeper_step_by_step(shop: Shop) -> None:
    """The 12 levels that stood in the history are known to both, and a 13th is one too many."""
    path = RANGES
    for levels in (3, 11, 12):
        path = publish_at_depth(shop, path, levels)
        assert both(shop) == "accepted"

    publish_at_depth(shop, path, 13)

    assert both(shop) == "pinned.files_not_found"


HEADERS: dict[str, tuple[Change, str]] = {
    "a parent behind the persons": (partial(reorder, order="tacp"), "trust.history_rewritten"),
    "the author first": (partial(reorder, order="atpc"), "git.object_damaged"),
    "the committer first of both": (partial(reorder, order="tpca"), "git.object_damaged"),
    "the parent before the tree": (partial(reorder, order="ptac"), "git.object_damaged"),
}


@pytest.mark.parametrize(("change", "verdict"), HEADERS.values(), ids=HEADERS)
def test_a_commit_has_the_parents_that_git_reads(shop: Shop, change: Change, verdict: str) -> None:
    shop.publish(add=[NEW_RANGE])
    change(shop)

    judged = judge(shop)

    assert reconcile(shop) == verdict
    # Who remembers no accepted commit tells a branch without its baseline by that alone.
    expected = {"trust.history_rewritten": "trust.not_from_baseline"}.get(verdict, verdict)
    assert judged.verdict == expected, judged.said


MORE: dict[str, Change] = {
    "a second tree": partial(add_header, line=b"tree " + b"0" * 40),
    "a late parent": partial(add_header, line=b"parent " + b"0" * 40),
    "a header of no name": partial(add_header, line=b"foo bar"),
    "a folded tree": partial(add_header, line=b"gpgsig x\n tree y"),
    "no header at all": partial(add_header, line=b"x"),
    "capital digits": capitals,
}


@pytest.mark.parametrize("change", MORE.values(), ids=MORE)
def test_what_stands_behind_the_committer_is_nobodys_parent(shop: Shop, change: Change) -> None:
    change(shop)
    assert both(shop) == "accepted"

    shop.publish(add=[NEW_RANGE])

    assert both(shop) == "accepted"


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("40000", "blob"), ("40000", "tree"), ("100644", "blob"), ("160000", "blob")],
)
def test_a_folder_that_was_damaged_once_is_judged_alike(shop: Shop, mode: str, kind: str) -> None:
    first = shop.released[0]
    second_release(shop)
    whole = git(shop.folder, "rev-parse", "main^{tree}")

    folder_as(shop, mode, kind)
    assert both(shop) in {"walk.bad_tree", "succession.no_release"}
    folder_again(shop, whole)
    both(shop)
    shop.publish(add=[OTHER_RANGE])
    both(shop)
    shop.revert_release(first)

    both(shop)


def test_a_signature_that_is_not_behind_the_committer_is_no_commit(shop: Shop) -> None:
    head = f"refs/heads/audit/{shop.controller}"
    raw = git(shop.folder, "cat-file", "commit", head).encode() + b"\n"
    above, gap, message = raw.partition(b"\n\n")
    plain, mark, signature = above.partition(b"\ngpgsig ")
    oid = write_literally(
        shop.folder, "commit", (mark + signature).lstrip() + b"\n" + plain + gap + message
    )
    assert judge_audit(shop).verdict == prove_audit(shop) == "accepted"

    (shop.folder / ".git" / head).write_text(f"{oid.hex()}\n")

    assert prove_audit(shop) == "git.object_damaged"
    assert judge_audit(shop).verdict == "git.object_damaged"


def said(look: Callable[[], object]) -> object:
    try:
        return look()
    except (ControllerError, alone.Refusal) as error:
        return error.code


COMMIT_WORDS = [
    *(b"tree " + b"1" * 40 + b"\n", b"parent " + b"C3" * 20 + b"\n", b"author ", b"committer "),
    *(b"<", b">", b"<>", b"> ", b" ", b"\n", b"\0", b"\t", b"\r", b"-", b"+", b"x", b"1", b""),
    *(
        b"9" * 19,
        b"0" * 40,
        b"9" * 5000,
        b"9223372036854775807",
        b"9223372036854775808",
        b"author x <y>\n",
        b"author x <y> 1\n",
    ),
]


def bent_commit(rng: Random, tree: bytes) -> bytes:
    """Return a commit with lines swapped, and words put over it or between."""
    parents = b"parent %b\nparent %b\n" % (b"a1" * 20, b"b2" * 20)
    more = rng.choice([b"", b"", b"author D <e@f> 1\n", b"author D <e@f> x\n", b"author D <e>0x\n"])
    persons = b"author A B <a@b> 1700000000 +0100\n%bcommitter C <c@d> 1700000000 +0000\n" % more
    raw = b"tree " + tree + b"\n" + parents + persons + b"encoding x\ngpgsig y\n z\n\nmsg\n"
    if rng.random() < 0.3:
        lines = raw.split(b"\n")
        one, two = rng.randrange(6), rng.randrange(6)
        lines[one], lines[two] = lines[two], lines[one]
        raw = b"\n".join(lines)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(raw) + 1)
        raw = raw[:at] + rng.choice(COMMIT_WORDS) + raw[at + rng.choice([0, 0, 1, 5, 40]) :]
    return raw


@pytest.fixture
def bare(tmp_path: Path) -> GitRepository:
    return GitRepository.init(tmp_path / "bare", bare=True)


@pytest.fixture
def objects(bare: GitRepository) -> Iterator[alone.Objects]:
    with closing(alone.Objects(bare.path)) as found:
        yield found


def test_every_commit_has_one_tree_and_one_list_of_parents(
    bare: GitRepository, objects: alone.Objects
) -> None:
    rng, seen = Random(5), set[str]()
    tree = bare.empty_tree().hex()
    for _ in range(400):
        oid = write_literally(bare.path, "commit", bent_commit(rng, tree.encode()))

        def ours(oid: Oid = oid) -> object:
            parents = tuple(one.hex() for one in bare.parents_of(oid))
            return bare.tree_of(oid).hex(), parents

        def theirs(oid: Oid = oid) -> object:
            found = objects.commit(oid.hex())
            return found.tree, found.parents

        assert said(theirs) == said(ours)
        seen.add(str(said(ours)) if isinstance(said(ours), str) else "read")
    assert seen == {"read", "git.object_damaged"}


NAMES = (b"release.json", b"rel", b"release", b"release.json0", b"r", b"z", b"a")
MODES = (*[b"40000"] * 20, b"040000", b"100644", b"160000", b"340000", b"41777")


def bent_tree(bare: GitRepository, rng: Random, folders: tuple[bytes, ...]) -> Oid:
    """Store a tree in any order, names twice, of odd modes, sometimes cut off."""
    blob, empty = bare.write_blob(b"x"), bare.empty_tree()
    names = [rng.choice(NAMES) for _ in range(rng.randint(0, 6))] + [*folders[:1]]
    if rng.random() < 0.6:
        names.sort()
    entries = [
        (rng.choice(MODES), name, bent_tree(bare, rng, folders[1:]) if folders[1:] else blob)
        if folders and name == folders[0]
        else (rng.choice([b"100644", b"40000", b"120000"]), name, rng.choice([blob, empty]))
        for name in names
    ]
    raw = raw_tree(entries)
    cut = rng.random() < 0.03
    return write_literally(bare.path, "tree", raw[: rng.randrange(len(raw) + 1)] if cut else raw)


def test_every_place_holds_one_id_for_both(bare: GitRepository, objects: alone.Objects) -> None:
    rng, kinds = Random(7), set[str]()
    path = f"{PLACE}/release.json"
    folders = tuple(part.encode() for part in path.split("/"))
    for _ in range(150):
        tree = bent_tree(bare, rng, folders)

        def ours(tree: Oid = tree) -> object:
            found = bare.entry(tree, path)
            return found.hex() if found is not None else None

        def theirs(tree: Oid = tree) -> object:
            return objects.raw_id(tree.hex(), path)

        assert said(theirs) == said(ours)
        kinds.add(str(said(ours)) if said(ours) in {None, "git.object_damaged"} else "id")
    assert kinds == {"None", "git.object_damaged", "id"}


def test_a_commit_may_be_bent_by_hand_into_what_git_reads(shop: Shop) -> None:
    """The tool of these tests itself: an unchanged commit written anew is the same commit."""
    tip = shop.tip
    lines, rest = tip_headers(shop)

    commit_anyhow(shop, b"\n".join(lines) + rest)

    assert shop.tip == tip


def test_a_history_has_as_many_commits_for_both(
    bare: GitRepository, objects: alone.Objects
) -> None:
    tree, made = bare.empty_tree(), list[Oid]()
    for number in range(4):
        author = Author("A", "a@b", datetime(2026, 11, 20, tzinfo=UTC))
        content = commit_content(tree, made[-1:], author, str(number))
        made.append(bare.write_commit(content))
    tip = made[-1].hex()

    assert alone.COMMITS_MOST == COMMITS_MAX
    whole = [one.oid for one in objects.first_parents(tip, most=4)]
    assert whole == [one.hex() for one in made]
    with pytest.raises(alone.Refusal) as refusal:
        objects.first_parents(tip, most=3)
    assert refusal.value.code == "history.too_long"
