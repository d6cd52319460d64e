"""How much of a history is read: the file that stands alone stops at the very same commit."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from controller.adapters.git import Author, commit_content
from controller.artifacts.layout import BundleId, root_path
from controller.artifacts.release import LiveBundle, ReleaseRef, ReleaseStatement
from controller.authoring.chain import check_chain
from controller.kernel.canonical import sha256
from controller.kernel.errors import ControllerError
from controller.kernel.instants import format_instant
from controller.kernel.objects import Oid
from controller.reconcile.roots import ROOTS_SIZE_MAX_BYTES
from controller.source import budget
from tests.support.trees import raw_tree
from tests.support.world import NEW_RANGE, Shop
from tests.tools.changes import ENVELOPE, PLACE, ref
from tests.tools.verdicts import family, tool
from tools import countersign_verify

OURS = (b"bundles", b"environments")


def ours(shop: Shop, commit: Oid) -> str:
    """Return what is said of a commit to whoever looks at all of its history."""
    try:
        offered = shop.signed_release(commit)
        check_chain(shop.repository, offered, shop.clock.now())
    except ControllerError as error:
        return family(error.code)
    return "accepted"


def theirs(shop: Shop, commit: Oid) -> str:
    """Return what the file that stands alone says of it."""
    words = ("--root", shop.keys / "1.root.json", "--at", format_instant(shop.clock.instant))
    return tool("repository", shop.folder, *words, "--ref", commit.hex()).verdict


def put(shop: Shop, onto: Oid, tree: Oid) -> Oid:
    """Store a commit of a tree; no ref leads to it."""
    author = Author("Mallory", "mallory@example.test", shop.clock.now())
    return shop.repository.write_commit(commit_content(tree, [onto], author, "Change"))


def blob(shop: Shop, data: bytes) -> Oid:
    return Oid(shop.repository._odb.write(3, data).raw)


def beside_roots(shop: Shop) -> Iterator[Oid]:
    """Yield commits, each with other generated files beside the roots."""
    repository, tip = shop.repository, shop.tip
    top = repository.tree_of(tip)
    roots = repository.entry(top, "trust/root")
    assert roots is not None
    kept = [(b"40000", name, repository.entry(top, name.decode())) for name in OURS]
    x = blob(shop, b"x")
    while True:
        names = [b"%08d" % number for number in range(7000)] + [tip.hex().encode()]
        files = sorted([*((b"100644", one, x) for one in names)], key=lambda one: one[1])
        trust = raw_tree([*files, (b"40000", b"root", roots)])
        made = Oid(repository._odb.write(2, trust).raw)
        found = [(mode, name, oid) for mode, name, oid in kept if oid is not None]
        tree = raw_tree([*found, (b"40000", b"trust", made)])
        tip = put(shop, tip, Oid(repository._odb.write(2, tree).raw))
        yield tip


def large(shop: Shop, note: int, *, bundles: int = 300) -> ReleaseStatement:
    """Return a release of so many bundles; it says that it follows another one."""
    named = (BundleId("card-bin", f"cards-{number:04}") for number in range(bundles))
    live = (LiveBundle(one, 1 + note, sha256(b"a version")) for one in named)
    made = shop.next_release(*live)
    return replace(made, previous=ReleaseRef(made.serial - 1, sha256(b"another")))


def sealed(shop: Shop, note: int, *by: str) -> bytes:
    return shop.sealed(large(shop, note).payload(), by)


def too_few(shop: Shop) -> Iterator[Oid]:
    """Yield commits after releases that too few signed, and then the one before again."""
    yield from _beside(shop, lambda note: [{ENVELOPE: sealed(shop, note, "alice")}])


def two_files(shop: Shop) -> Iterator[Oid]:
    """The same in two files, which two people signed of whom one may not."""

    def changes(note: int) -> list[dict[str, bytes | None]]:
        first, second = sealed(shop, note, "alice"), sealed(shop, note, "rollback")
        other = f"{PLACE}/release.mallory.dsse.json"
        return [{ENVELOPE: first}, {other: second}, {other: None}]

    yield from _beside(shop, changes)


def named_otherwise(shop: Shop) -> Iterator[Oid]:
    """Signatures that name nobody's key vouch for nothing."""

    def changes(note: int) -> list[dict[str, bytes | None]]:
        data = sealed(shop, note, "alice", "bob")
        for name in ("alice", "bob"):
            data = data.replace(shop.signer(name).public.id.encode(), b"somebody")
        return [{ENVELOPE: data}]

    yield from _beside(shop, changes)


def rubbish(shop: Shop) -> Iterator[Oid]:
    """Payloads that are no release, and files that are no envelopes."""

    def changes(note: int) -> list[dict[str, bytes | None]]:
        text = b"%04d" % note * 12_000
        return [{ENVELOPE: shop.sealed(text, ["alice", "bob"])}, {ENVELOPE: text}]

    yield from _beside(shop, changes)


def _beside(shop: Shop, changes: Callable[[int], list[dict[str, bytes | None]]]) -> Iterator[Oid]:
    repository, tip, note = shop.repository, shop.tip, 0
    good = repository.tree_of(tip)
    while True:
        for change in changes(note):
            tip = put(shop, tip, repository.write_tree(change, repository.tree_of(tip)))
        yield put(shop, tip, good)
        note += 1


TOO_MUCH = {
    "generated files beside the roots": (beside_roots, 80, "history.too_wide"),
    "releases that too few signed": (too_few, 60, "history.too_heavy"),
    "releases in two files": (two_files, 60, "history.too_heavy"),
    "releases whose signatures name nobody": (named_otherwise, 60, "history.too_heavy"),
    "rubbish": (rubbish, 60, "history.too_heavy"),
}


@pytest.mark.parametrize(("make", "most", "code"), TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_both_judges_stop_at_the_same_commit(
    shop: Shop, make: Callable[[Shop], Iterator[Oid]], most: int, code: str
) -> None:
    shop.publish(add=[NEW_RANGE])
    made = make(shop)
    tips = [next(made) for _ in range(most)]

    first = bisect_left(tips, 1, key=lambda tip: ours(shop, tip) != "accepted")

    assert 5 < first < most
    assert [ours(shop, tip) for tip in tips[first - 1 : first + 1]] == ["accepted", code]
    assert [theirs(shop, tip) for tip in tips[first - 1 : first + 1]] == ["accepted", code]


def signed(shop: Shop) -> Iterator[Oid]:
    """Yield commits after releases that were signed, and that none followed."""
    yield from _beside(shop, lambda note: [{ENVELOPE: sealed(shop, note, "alice", "bob")}])


def test_releases_that_were_signed_cost_nothing(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    made = signed(shop)
    *_, tip = (next(made) for _ in range(60))

    assert ours(shop, tip) == theirs(shop, tip) == "accepted"


def test_releases_that_follow_one_another_cost_nothing(shop: Shop) -> None:
    small = shop.released[0].bundles
    size_bytes = 0
    for note in range(52):
        before = ref(shop.released[-1])
        made = replace(large(shop, note, bundles=1800), previous=before)
        shop.release(made, by=("alice",))
        size_bytes += len(shop.read(ENVELOPE))
    shop.release(replace(shop.next_release(), bundles=small))

    assert size_bytes > budget.RELEASES_BYTES
    assert ours(shop, shop.tip) == theirs(shop, shop.tip) == "accepted"


@pytest.mark.parametrize(
    ("count", "said"), [(32, "trust.threshold_not_met"), (33, "roots.too_large")]
)
def test_both_judges_follow_as_many_bytes_of_roots(shop: Shop, count: int, said: str) -> None:
    size_bytes = ROOTS_SIZE_MAX_BYTES // 32
    path, first = shop.next_root(lambda _: None, by=("alice",))
    shop.commit({path: first + b" " * (size_bytes - len(first))})
    data = shop.read(path)
    shop.commit({root_path(number): data for number in range(3, count + 2)})

    assert ours(shop, shop.tip) == theirs(shop, shop.tip) == said


def test_both_judges_have_the_same_limits() -> None:
    names = {
        "FOLDER_SIZE_MAX_BYTES": "FOLDER_MOST",
        "HISTORY_BYTES": "LOOK_MOST",
        "COMMIT_BYTES": "LOOK_MORE",
        "READ_BYTES": "LOOK_EACH",
        "RELEASES_BYTES": "RELEASES_MOST",
        "JUDGED_TIMES": "JUDGED_TIMES",
        "VOUCHED_TIMES": "VOUCHED_TIMES",
    }

    assert {getattr(budget, one) for one in names} == {
        getattr(countersign_verify, one) for one in names.values()
    }
    assert all(
        getattr(budget, one) == getattr(countersign_verify, other) for one, other in names.items()
    )
