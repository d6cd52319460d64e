"""Trees that are made to hurt, signed by enough owners: refused before they are read."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

import pytest

from controller.artifacts import layout, walk
from controller.artifacts.bundle import PreviousVersion
from controller.artifacts.merkle import Counts, NoMemory, files_root
from controller.artifacts.merkle_record import leaf
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import Digest, sha256
from controller.kernel.objects import Oid
from tests.attacks.passes import attempt, stopped
from tests.support.trees import raw_tree, write_literally
from tests.support.world import CARDS, MAIN, NEW_RANGE, PARTICIPANTS, RANGES, Shop, with_lines

FILE, FOLDER = b"100644", b"40000"
FILES = layout.files_path(CARDS)
MIB = 1024 * 1024


def grafted(shop: Shop, path: str, tree: Oid) -> None:
    """Commit a raw tree object in place of a folder, whatever git would say to it."""
    parts = path.split("/")
    above = [shop.tree]
    for part in parts[:-1]:
        entry = walk.find(shop.repository, above[-1], part)
        assert entry is not None
        above.append(entry.oid)
    for folder, name in zip(reversed(above), reversed(parts), strict=True):
        tree = replaced(shop, folder, name.encode(), tree)
    raw = shop.repository.raw_commit(shop.commit({"README.md": b"Grafted.\n"}))
    made = raw.replace(raw[5:45], tree.hex().encode(), 1)
    commit = write_literally(shop.repository.git_dir, "commit", made)
    shop.repository.move(MAIN, shop.tip, commit)


def replaced(shop: Shop, folder: Oid, name: bytes, tree: Oid) -> Oid:
    """Return a folder's tree with another tree under a name."""
    raw = shop.repository.read(folder)
    entry = FOLDER + b" " + name + b"\0"
    at = raw.index(entry) + len(entry)
    return write_literally(shop.repository.git_dir, "tree", raw[:at] + tree + raw[at + len(tree) :])


Entries: TypeAlias = Iterable[tuple[bytes, bytes, Oid]]


def would_be_root(shop: Shop, entries: Entries) -> bytes:
    """Return the root over entries, hashed as if every one were a plain file or folder."""
    return node_of(shop, list(entries), {})


def node_of(shop: Shop, entries: Entries, known: dict[Oid, bytes]) -> bytes:
    """Return the digest of a folder by the format's rule; what is shared is hashed once."""
    state = hashlib.sha256(b"countersign tree v1\n")
    for name, oid in sorted((name, oid) for _, name, oid in entries):
        kind = shop.repository.header(oid).kind
        if oid not in known and kind == "tree":
            known[oid] = node_of(shop, parsed(shop.repository.read(oid)), known)
        elif oid not in known:
            known[oid] = leaf(shop.repository.read(oid))
        letter = b"d" if kind == "tree" else b"f"
        state.update(letter + len(name).to_bytes(2, "big") + name + known[oid])
    return state.digest()


def parsed(raw: bytes) -> Iterator[tuple[bytes, bytes, Oid]]:
    """Yield the entries of a raw tree."""
    while raw:
        head, _, rest = raw.partition(b"\0")
        mode, _, name = head.partition(b" ")
        yield mode, name, Oid(rest[:20])
        raw = rest[20:]


def released(shop: Shop, *entries: tuple[bytes, bytes, Oid]) -> None:
    """Let two owners sign and release a files tree made of raw entries, with the right root."""
    tree = write_literally(shop.repository.git_dir, "tree", raw_tree(entries))
    statement = replace(
        shop.bundle(CARDS, 1),
        version=2,
        previous=PreviousVersion(1, sha256(shop.read(layout.statement_path(CARDS, 1)))),
        files_root=Digest(would_be_root(shop, entries).hex()),
        git_tree=tree,
        tables=counts(shop),
    )
    grafted(shop, FILES, tree)
    shop.release(shop.next_release(shop.sign(statement)))


def entries_of(shop: Shop) -> list[tuple[bytes, bytes, Oid]]:
    """Return the entries of the cards' files with one range more, which no commit holds yet."""
    ranges = with_lines(shop.read(RANGES), add=[NEW_RANGE])
    data = {b"participants.csv": shop.read(PARTICIPANTS), b"ranges.csv": ranges}
    return [(FILE, name, shop.repository.write_blob(one)) for name, one in data.items()]


def counts(shop: Shop) -> Mapping[str, Counts]:
    """Return how much the tables of such files hold."""
    tree = write_literally(shop.repository.git_dir, "tree", raw_tree(entries_of(shop)))
    return files_root(shop.repository, tree, FILES, NoMemory()).tables


REFUSED = "pinned.files_not_found"


# Bombs


@pytest.mark.stops("endless-data.blob-bomb")
def test_a_table_of_zeros_without_end_is_refused_by_its_header(shop: Shop) -> None:
    zeros = shop.repository.write_blob(bytes(65 * MIB))
    participants, _ = entries_of(shop)
    released(shop, participants, (FILE, b"ranges.csv", zeros))

    assert attempt(shop) == stopped(REFUSED)


@pytest.mark.stops("endless-data.blob-bomb")
@pytest.mark.parametrize(
    ("path", "code"),
    [
        (layout.root_path(2), "walk.too_large"),
        (f"{layout.release_dir(ENVIRONMENT)}/release.bob.dsse.json", "walk.too_large"),
        (f"{layout.version_dir(CARDS, 2)}/bundle.bob.dsse.json", "walk.too_large"),
        ("policies/card-bin/rail.json", "walk.too_large"),
    ],
)
def test_a_signed_document_without_end_is_refused_by_its_header(
    shop: Shop, path: str, code: str
) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.commit({path: bytes(5 * MIB)})

    assert attempt(shop) == stopped(code)


def nested(shop: Shop, levels: int) -> Oid:
    """Return a tree of ten entries a level, each the same tree below."""
    mode, oid = FILE, shop.repository.write_blob(b"")
    for _ in range(levels):
        raw = raw_tree((mode, b"n%d" % number, oid) for number in range(10))
        mode, oid = FOLDER, write_literally(shop.repository.git_dir, "tree", raw)
    return oid


@pytest.mark.stops("endless-data.tree-bomb")
def test_a_dozen_objects_that_name_ten_milliard_files_are_refused(shop: Shop) -> None:
    released(shop, *entries_of(shop), (FOLDER, b"x", nested(shop, 10)))

    assert attempt(shop) == stopped(REFUSED)


@pytest.mark.stops("endless-data.tree-bomb")
def test_a_tree_bomb_among_the_policies_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.commit({"policies/card-bin/rail.json": b"{}"})
    grafted(shop, "policies/card-bin", nested(shop, 10))

    assert attempt(shop) == stopped("walk.too_large")


# Modes and names


@pytest.mark.stops("tree.modes", "incident.10-links")
@pytest.mark.parametrize("mode", [b"120000", b"160000", b"100755", b"100664", b"040000"])
def test_a_link_a_submodule_and_odd_modes_among_signed_files_are_refused(
    shop: Shop, mode: bytes
) -> None:
    target = shop.repository.write_blob(b"/etc/passwd")
    tree = write_literally(shop.repository.git_dir, "tree", b"")
    participants, ranges = entries_of(shop)
    odd = (mode, b"q.csv", tree if mode == b"040000" else target)
    released(shop, participants, odd, ranges)

    assert attempt(shop) == stopped(REFUSED)


@pytest.mark.stops("tree.names", "incident.10-links")
@pytest.mark.parametrize(
    "name",
    [b"..", b".git", b"p/../../q", b"Q.csv", b"q\n.csv", b"q\xe2\x80\xae.csv", b"q\xff.csv"],
    ids=ascii,
)
def test_names_that_lead_elsewhere_or_look_alike_among_signed_files_are_refused(
    shop: Shop, name: bytes
) -> None:
    blob = shop.repository.write_blob(b"")
    released(shop, *sorted([*entries_of(shop), (FILE, name, blob)], key=lambda one: one[1]))

    assert attempt(shop) == stopped(REFUSED)


@pytest.mark.stops("tree.names")
@pytest.mark.parametrize("order", [(0, 0, 1), (1, 0)], ids=["twice", "unsorted"])
def test_a_name_that_stands_twice_or_out_of_order_is_refused(
    shop: Shop, order: tuple[int, ...]
) -> None:
    entries = entries_of(shop)
    released(shop, *(entries[at] for at in order))

    assert attempt(shop) == stopped(REFUSED)


@pytest.mark.stops("tree.modes", "incident.10-links")
@pytest.mark.parametrize("folder", ["environments", "trust", "bundles"])
def test_a_link_in_place_of_a_folder_of_ours_is_refused(shop: Shop, folder: str) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.sync()
    shop.git("mv", folder, "elsewhere")
    (shop.folder / folder).symlink_to("elsewhere")
    shop.git("add", "--all")
    shop.git("commit", "--quiet", "--message", "Link")

    assert attempt(shop) == stopped("walk.bad_tree")


@pytest.mark.allows(
    "endless-data.blob-bomb",
    "endless-data.tree-bomb",
    "tree.modes",
    "tree.names",
    "incident.10-links",
)
def test_a_raw_tree_of_plain_files_is_applied(shop: Shop) -> None:
    released(shop, *entries_of(shop))

    shop.reconcile()

    assert (shop.serial, "990600" in shop.ranges()) == (2, True)


@pytest.mark.allows(
    "endless-data.tree-bomb", "csv.formula", "csv.ragged", "yaml.refused", "json.odd"
)
def test_plain_files_in_plain_folders_are_applied(shop: Shop) -> None:
    header = shop.read(RANGES).partition(b"\n")[0]
    shop.commit({f"{FILES}/ranges/a/more.csv": header + b"\n" + NEW_RANGE.encode() + b"\n"})
    shop.commit({f"{FILES}/ranges/b.csv": shop.read(RANGES), RANGES: None})
    shop.release(shop.next_release(shop.sign(shop.next_version())))

    shop.reconcile()

    assert "990600" in shop.ranges()


# Attributes


@pytest.mark.stops("git.attributes", "incident.4-stale-checkout")
def test_attributes_change_no_byte_of_what_is_applied(shop: Shop) -> None:
    lines = "*.csv text eol=crlf ident working-tree-encoding=UTF-16 export-subst filter=evil\n"
    shop.publish(add=[NEW_RANGE])
    root = shop.bundle(CARDS, 2).files_root
    shop.commit({".gitattributes": lines.encode()})
    shop.git("config", "filter.evil.smudge", "false")
    shop.git("config", "core.hooksPath", "/nonexistent")

    shop.reconcile()

    entry = walk.find(shop.repository, shop.tree, FILES)
    assert entry is not None
    assert files_root(shop.repository, entry.oid, FILES, NoMemory()).root == root
    assert "990600" in shop.ranges()


@pytest.mark.stops("git.attributes")
def test_attributes_among_signed_files_are_refused(shop: Shop) -> None:
    blob = shop.repository.write_blob(b"*.csv eol=crlf\n")
    released(shop, (FILE, b".gitattributes", blob), *entries_of(shop))

    assert attempt(shop) == stopped(REFUSED)


@pytest.mark.allows("git.attributes", "incident.4-stale-checkout")
def test_the_same_release_without_attributes_is_applied(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.commit({".gitattributes": None})

    shop.reconcile()

    assert "990600" in shop.ranges()
