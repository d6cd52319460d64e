"""The trees that stood at the `files` of bundles, commit by commit: looked for once for all.

The folder of a rail is as wide as the rail has bundles, and each change of one of them makes
another such folder. So every commit is read once, whichever bundles are asked for, and of a folder
only what tells it from the one in the commit after it is looked at. Sizes that headers tell are
held against what was signed before anything is hashed. All of it is paid for from one budget,
which grows with what owners signed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from operator import add, gt
from typing import NamedTuple, Self

from controller.artifacts import layout, levels, walk
from controller.artifacts.bundle import BundleStatement
from controller.artifacts.layout import BundleId
from controller.artifacts.levels import BadTree, Level, TooLarge
from controller.artifacts.merkle import FILE_SIZE_MAX_BYTES, Counts
from controller.kernel.objects import History, Oid
from controller.source.budget import Budget, HistoryTooWide

_BUNDLES, _FILES = "bundles", "files"
_ADDED_UP_TIMES = 4
"""How often a folder's size is paid where all its entries are added up, one by one."""


class _Sizes(NamedTuple):
    """How many files, and bytes of them, lie below a folder: of tables, and of documents."""

    table_files: int = 0
    table_bytes: int = 0
    document_files: int = 0
    document_bytes: int = 0

    @classmethod
    def of(cls, statement: BundleStatement) -> Self:
        """Return what a statement says."""
        tables = sum(statement.tables.values(), Counts())
        documents = sum(statement.documents.values(), Counts())
        return cls(tables.files, tables.bytes, documents.files, documents.bytes)

    @property
    def bytes(self) -> int:
        return self.table_bytes + self.document_bytes


_NOTHING = _Sizes()


class _More(Exception):
    """A tree holds more than one that is looked for."""


class FilesTrees:
    """A look along the first-parent path of a commit, the newest first, for some bundles."""

    def __init__(self, history: History, commit: Oid, bundles: Iterable[BundleId]) -> None:
        self._history = history
        self._commits = history.first_parents(commit)
        self._budget = Budget(history)
        self._ended: HistoryTooWide | None = None
        self._folders: dict[BundleId, dict[Oid, None]] = {one: {} for one in bundles}
        self._names: defaultdict[str, dict[str, BundleId]] = defaultdict(dict)
        for one in self._folders:
            self._names[one.rail][one.name] = one
        self._top: tuple[Oid, Oid | None] | None = None
        self._last: dict[str, tuple[Oid, Level]] = {}
        self._files: dict[Oid, Oid | None] = {}
        self._file_bytes: dict[Oid, int] = {}
        self._sizes: dict[Oid, tuple[int, ...]] = {}

    @classmethod
    def of_one(cls, history: History, commit: Oid, statement: BundleStatement) -> Self:
        """Return a look for the files of one version that its owners signed."""
        found = cls(history, commit, [statement.bundle])
        found.signed(statement)
        return found

    def signed(self, statement: BundleStatement) -> None:
        """Take note of a version that its owners signed: for it more may be read."""
        self._budget.signed(_Sizes.of(statement).bytes)

    def of(self, bundle: BundleId) -> Iterator[Oid]:
        """Yield each tree that stood at the files of one of the bundles, the nearest first.

        A commit is passed over in which something on the way cannot be read, as by whoever looks
        for this one path. Raises `HistoryTooWide`, and from then on always.
        """
        seen: set[Oid] = set()
        folders, done = self._folders[bundle], 0
        while len(folders) > done or self._look_further(folders):
            for folder in list(islice(folders, done, None)):
                tree = self._files_in(folder, bundle)
                if tree is not None and tree not in seen:
                    seen.add(tree)
                    yield tree
                done += 1

    def alike(self, statement: BundleStatement) -> Iterator[Oid]:
        """Yield those of them that hold as many files and bytes as were signed: to be hashed."""
        wanted = _Sizes.of(statement)
        for tree in self.of(statement.bundle):
            try:
                sizes = self._sizes_of(tree, layout.files_path(statement.bundle), wanted)
            except (BadTree, TooLarge, _More):
                continue  # A tree we would not read cannot be the one that was signed.
            if sizes == wanted:
                self._spend(wanted.bytes)
                yield tree

    def _spend(self, size_bytes: int) -> None:
        """Pay; where it was too much once, what was passed over then is never looked at."""
        if self._ended is not None:
            raise self._ended
        try:
            self._budget.spend(size_bytes)
        except HistoryTooWide as error:
            self._ended = error
            raise

    def _look_further(self, folders: dict[Oid, None]) -> bool:
        """Look at older commits until one more folder is among these; return whether one is."""
        before = len(folders)
        for commit in self._commits:
            if self._ended is not None:
                raise self._ended
            self._budget.reach(commit)
            self._look(commit)
            if len(folders) > before:
                return True
        if self._ended is not None:
            raise self._ended
        return False

    def _look(self, commit: Oid) -> None:
        """Note the folders of the bundles in a commit, where they are not those of the last one."""
        try:
            folder = self._bundles_in(self._history.tree_of(commit))
            rails = self._level(folder, _BUNDLES)[0] if folder is not None else None
        except (BadTree, TooLarge):
            return
        for rail, names in self._names.items():
            entry = rails.named(rail, is_tree=True) if rails is not None else None
            if entry is not None:
                self._look_at_rail(entry.oid, f"{_BUNDLES}/{rail}", names)

    def _look_at_rail(self, rail: Oid, path: str, names: Mapping[str, BundleId]) -> None:
        try:
            level, before = self._level(rail, path)
        except (BadTree, TooLarge):
            return
        fresh = level.set if before is None else level.unlike(before)[0]
        for entry in fresh:
            if entry.is_tree and entry.name in names:
                self._folders[names[entry.name]][entry.oid] = None

    def _bundles_in(self, tree: Oid) -> Oid | None:
        """Return the folder of all bundles at the top of a repository."""
        if self._top is None or self._top[0] != tree:
            self._pay_for(tree, walk.TOP_SIZE_MAX_BYTES)
            entry = walk.find(self._history, tree, _BUNDLES)
            self._top = tree, entry.oid if entry is not None and entry.is_tree else None
        return self._top[1]

    def _level(self, folder: Oid, path: str) -> tuple[Level, Level | None]:
        """Return what stands in a folder, and what stood in the one that was there read last."""
        last = self._last.get(path)
        if last is not None and last[0] == folder:
            return last[1], last[1]
        level = self._read(folder, path)
        self._last[path] = folder, level
        return level, last[1] if last is not None else None

    def _files_in(self, folder: Oid, bundle: BundleId) -> Oid | None:
        """Return the files tree in a bundle's folder."""
        if folder not in self._files:
            self._files[folder] = None
            path = layout.bundle_dir(bundle)
            with suppress(BadTree, TooLarge):
                entry = self._read(folder, path).named(_FILES, is_tree=True)
                self._files[folder] = entry.oid if entry is not None else None
        return self._files[folder]

    def _sizes_of(self, tree: Oid, path: str, most: _Sizes, depth: int = 1) -> _Sizes:
        """Return what headers tell of a tree; raise where it is none that anybody would read.

        Raises `_More`, as soon as that is clear, where it is more than `most`.
        """
        if depth > walk.DEPTH_MAX:
            raise TooLarge(path, size=depth, size_max=walk.DEPTH_MAX, unit="levels")
        sums = [0, 0, 0, 0]
        for name, is_tree, oid in self._read(tree, path, times=_ADDED_UP_TIMES).entries:
            if is_tree:
                sizes = self._sizes.get(oid)
                if sizes is None:
                    sizes = self._sizes_of(oid, f"{path}/{name}", most, depth + 1)
                    self._sizes[oid] = sizes
            else:
                size_bytes = self._file(oid, path, name)
                sizes = (1, size_bytes, 0, 0) if name.endswith(".csv") else (0, 0, 1, size_bytes)
            if sizes != _NOTHING:
                sums = list(map(add, sums, sizes))
                if any(map(gt, sums, most)):
                    raise _More
        return _Sizes(*sums)

    def _file(self, oid: Oid, path: str, name: str) -> int:
        size_bytes = self._file_bytes.get(oid)
        if size_bytes is None:
            self._spend(0)
            here = f"{path}/{name}"
            size_bytes = walk.check_blob(self._history, oid, here, FILE_SIZE_MAX_BYTES)
            self._file_bytes[oid] = size_bytes
        return size_bytes

    def _read(self, folder: Oid, path: str, *, times: int = 1) -> Level:
        self._pay_for(folder, levels.TREE_SIZE_MAX_BYTES, times=times)
        return levels.level(levels.read_tree(self._history, folder, path), path)

    def _pay_for(self, tree: Oid, size_max_bytes: int, *, times: int = 1) -> None:
        """Pay for a folder; one that is too large costs its header, and is refused where read."""
        size_bytes = self._history.header(tree).size_bytes
        self._spend(times * size_bytes if size_bytes <= size_max_bytes else 0)
