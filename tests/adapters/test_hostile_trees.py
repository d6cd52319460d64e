"""Trees that git refuses to make but a pack can bring: refused here, in a real repository."""

from pathlib import Path

import pytest

from controller.adapters.git import GitRepository
from controller.artifacts.levels import BadTree, TooLarge, children
from controller.artifacts.merkle import NoMemory, files_root
from controller.artifacts.walk import files, find, read_blob
from controller.kernel.objects import Oid
from tests.support.trees import git, raw_tree, write_literally

FILE, FOLDER = b"100644", b"40000"

HOSTILE: dict[str, list[tuple[bytes, bytes]]] = {
    "a parent folder": [(FILE, b"..")],
    "a current folder": [(FILE, b".")],
    "git's own folder": [(FOLDER, b".git")],
    "a slash in a name": [(FILE, b"a/../../evil")],
    "an empty name": [(FILE, b"")],
    "one file twice": [(FILE, b"a"), (FILE, b"a")],
    "a file and a folder of one name": [(FILE, b"a"), (FOLDER, b"a")],
    "unsorted entries": [(FILE, b"b"), (FILE, b"a")],
    "a symbolic link": [(b"120000", b"a")],
    "a submodule": [(b"160000", b"a")],
    "an executable file": [(b"100755", b"a")],
    "a file others may write": [(b"100664", b"a")],
    "a folder with a leading zero": [(b"040000", b"a")],
    "upper case": [(FILE, b"A.json"), (FILE, b"a.json")],
    "decomposed text": [(FILE, "e\u0301.json".encode())],
    "a direction mark": [(FILE, "a\u202ecsv".encode())],
    "a line break": [(FILE, b"a\nb")],
    "bytes that are no text": [(FILE, b"\xff")],
    "a name too long": [(FILE, b"a" * 65)],
    "a hidden file": [(FILE, b".gitattributes")],
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> GitRepository:
    return GitRepository.init(tmp_path_factory.mktemp("hostile") / "hostile.git", bare=True)


def stored(repository: GitRepository, entries: list[tuple[bytes, bytes]]) -> Oid:
    blob = repository.write_blob(b"1\n")
    folder = repository.write_tree({"x": b"1\n"})
    raw = raw_tree(
        (mode, name, folder if mode in (FOLDER, b"040000") else blob) for mode, name in entries
    )
    return write_literally(repository.path, "tree", raw)


@pytest.mark.stops("tree.modes", "tree.names", "incident.10-links")
@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_tree_is_refused_everywhere(
    repository: GitRepository, entries: list[tuple[bytes, bytes]]
) -> None:
    tree = stored(repository, entries)

    for walk in (
        lambda: children(repository, tree, "files"),
        lambda: list(files(repository, tree, "files")),
        lambda: files_root(repository, tree, "files", NoMemory()),
    ):
        with pytest.raises(BadTree):
            walk()


@pytest.mark.allows("tree.modes", "tree.names", "incident.10-links")
def test_its_harmless_twin_is_read(repository: GitRepository) -> None:
    tree = stored(repository, [(FILE, b"a.json"), (FILE, b"a" * 64), (FOLDER, b"b")])

    assert len(list(files(repository, tree, "files"))) == 3


@pytest.mark.stops("endless-data.tree-bomb")
def test_a_tree_bomb_is_stopped(repository: GitRepository) -> None:
    oid, mode = repository.write_blob(b""), FILE
    for _ in range(10):
        raw = raw_tree((mode, b"n%d" % number, oid) for number in range(10))
        oid, mode = write_literally(repository.path, "tree", raw), FOLDER

    with pytest.raises(TooLarge):
        sum(1 for _ in files(repository, oid, "files"))
    with pytest.raises(TooLarge):
        files_root(repository, oid, "files", NoMemory())


@pytest.mark.stops("endless-data.blob-bomb")
def test_a_blob_of_zeros_is_refused_by_its_header(repository: GitRepository) -> None:
    size_bytes = 128 * 1024 * 1024
    oid = repository.write_blob(bytes(size_bytes))

    with pytest.raises(TooLarge) as refusal:
        read_blob(repository, oid, "zeros.csv", 1024 * 1024)

    assert refusal.value.size == size_bytes
    tree = write_literally(repository.path, "tree", raw_tree([(FILE, b"zeros.csv", oid)]))
    with pytest.raises(TooLarge):
        files_root(repository, tree, "files", NoMemory())


@pytest.mark.stops("git.attributes")
def test_attributes_change_no_byte_and_no_root(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    (work / "bundles").mkdir()
    (work / "bundles" / "a.csv").write_bytes(b"id\n$Id$\n")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "plain")
    attributes = "*.csv text eol=crlf ident working-tree-encoding=UTF-16 export-subst\n"
    (work / ".gitattributes").write_text(attributes)
    git(work, "add", ".gitattributes")
    git(work, "commit", "-qm", "attributes")
    repository = GitRepository.open(work)

    found = [
        find(repository, repository.tree_of(commit), "bundles/a.csv")
        for commit in repository.first_parents(repository.resolve("main") or Oid(b""))
    ]

    assert found[0] == found[1]
    assert found[0] is not None
    assert read_blob(repository, found[0].oid, "a.csv", 100) == b"id\n$Id$\n"
