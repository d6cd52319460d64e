"""The roots of trust as a history holds them: append-only, without gaps, followed from ours.

A root that was committed once stays. Otherwise whoever may merge could take a revocation back, and
a new host would believe the revoked key again.
"""

from collections.abc import Iterator, Mapping

from controller.artifacts import layout, levels, walk
from controller.kernel.errors import Refused, Untrusted
from controller.kernel.objects import History, Objects, Oid
from controller.reconcile.lookback import Lookback
from controller.source.budget import BEGIN_ANEW, TOO_COSTLY
from controller.trust import root
from controller.trust.envelope import parse

ROOTS_SIZE_MAX_BYTES = 16 * 1024 * 1024
"""The roots that lead from the pinned one to the newest: some 1,000 of 16 KiB."""


class RootRemoved(Untrusted):
    """A root that the history held is gone, or is another document."""

    code = "roots.removed"

    def __init__(self, path: str, *, since: Oid) -> None:
        super().__init__(
            f"{path} is not what commit {since.hex()[:12]} held",
            hint=f"the chain of roots is append-only: git checkout {since.hex()[:12]} -- {path}",
        )
        self.path, self.since = path, since


class RootsTooLarge(Untrusted):
    """The roots to follow are together larger than any real chain."""

    code = "roots.too_large"

    def __init__(self, size_bytes: int) -> None:
        super().__init__(
            f"{layout.ROOT_DIR}: the roots to follow have {size_bytes:,} bytes together, more than "
            f"the {ROOTS_SIZE_MAX_BYTES:,} we read",
            hint=f"pin a newer root; where they are nobody's roots, {BEGIN_ANEW}",
        )
        self.size_bytes = size_bytes


class RootsNotWhole(Untrusted):
    """The chain of roots has a gap."""

    code = "roots.not_whole"

    def __init__(self, version: int) -> None:
        self.path = layout.root_path(version)
        super().__init__(
            f"{self.path} is missing, later roots are there",
            hint="roots follow one another without gaps: commit the missing one",
        )
        self.version = version


def roots_after(
    history: History, commit: Oid, version: int, *, since: Oid | None
) -> tuple[bytes, ...]:
    """Return the envelopes of a commit's roots after `version`, in order.

    `since` is the commit that was accepted before; from there on no root may have been lost. With
    `None` the whole first-parent history is looked at.
    """
    found = check_kept(history, commit, since=since)
    last = max(found, default=version)
    missing = next((one for one in range(version + 1, last + 1) if one not in found), None)
    if missing is not None:
        raise RootsNotWhole(missing)
    later = {one: found[one] for one in range(version + 1, last + 1)}
    # None of them is believed before the one below it, and all would be in memory by then.
    size_bytes = sum(history.header(oid).size_bytes for oid in later.values())
    if size_bytes > ROOTS_SIZE_MAX_BYTES:
        raise RootsTooLarge(size_bytes)
    return tuple(_envelope(history, oid, one) for one, oid in later.items())


def earlier_roots(history: History, commit: Oid, pinned: root.Root) -> Iterator[root.Root]:
    """Yield the roots before the pinned one that stand in a commit and that their owners signed.

    Nothing leads to them: a host that starts from the pinned one never asks for them. They say who
    could sign what was applied before.
    """
    folder = walk.find(history, history.tree_of(commit), layout.ROOT_DIR)
    if folder is None or not folder.is_tree:
        return
    for entry in levels.children(history, folder.oid, layout.ROOT_DIR):
        version = layout.parse_root_path(f"{layout.ROOT_DIR}/{entry.name}")
        if version >= pinned.version:
            continue
        try:
            envelope = _read(history, entry.oid, version)
            found = root.pin(envelope, parse(envelope).digest).root
        except (Refused, Untrusted):
            continue  # Rubbish is no root: whatever names it is judged by none.
        if (found.version, found.repository) == (version, pinned.repository):
            yield found


def check_kept(history: History, commit: Oid, *, since: Oid | None) -> Mapping[int, Oid]:
    """Return the roots of a commit; raise unless every one of its history still stands there."""
    kept = _Kept(history)
    reached = since is None
    for one in _path(history, commit, since):
        reached = reached or one == since
        kept.look(one)
    if since is not None and not reached:
        kept.compare_with_head(since)
    return kept.head


class _Kept:
    """The roots of a history's commits, the newest first, each held against the one after it."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._back = Lookback(history, layout.ROOT_DIR)
        self._head: Mapping[int, Oid] | None = None
        self._newer: Mapping[int, Oid] = {}
        self._folder: Oid | None = None
        self._numbers: dict[str, int] = {}

    @property
    def head(self) -> Mapping[int, Oid]:
        """The roots of the commit that was looked at first."""
        return self._head or {}

    def look(self, commit: Oid) -> None:
        """Look at the next older commit."""
        try:
            folder = self._folder_at(commit)
            if self._head is not None and folder == self._folder:
                return
            found = self._versions(folder)
        except TOO_COSTLY:
            raise
        except Refused:
            if self._head is None:
                raise
            return  # What stood there was no chain; what stood before it still counts.
        if self._head is None:
            self._head = found
        else:
            self._compare(found, self._newer, since=commit)
        self._newer, self._folder = found, folder

    def compare_with_head(self, commit: Oid) -> None:
        """Hold the newest commit against one that is not on its path."""
        self._compare(self._versions(self._folder_at(commit)), self.head, since=commit)

    def _folder_at(self, commit: Oid) -> Oid | None:
        entry = self._back.find(commit)
        return entry.oid if entry is not None and entry.is_tree else None

    def _versions(self, folder: Oid | None) -> Mapping[int, Oid]:
        if folder is None:
            return {}
        entries = self._back.level(folder, layout.ROOT_DIR).entries
        return {self._number(name): oid for name, _, oid in entries}

    def _number(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = layout.parse_root_path(f"{layout.ROOT_DIR}/{name}")
            self._numbers[name] = number
        return number

    def _compare(self, older: Mapping[int, Oid], newer: Mapping[int, Oid], *, since: Oid) -> None:
        for version, oid in sorted(older.items() - newer.items()):
            now = newer.get(version)
            # An envelope may gain signatures; what they sign may not change.
            if now is None or self._payload(now, version) != self._payload(oid, version):
                raise RootRemoved(layout.root_path(version), since=since)

    def _payload(self, oid: Oid, version: int) -> bytes:
        data = _read(self._history, oid, version)
        self._back.spend(len(data))
        try:
            return parse(data).payload
        except Untrusted:
            return data  # Rubbish is a document of its own: it may not come or go either.


def _path(history: History, commit: Oid, since: Oid | None) -> Iterator[Oid]:
    """Yield the first-parent path, newest first, down to `since` where that stands on it."""
    for one in history.first_parents(commit):
        yield one
        if one == since:
            return


def _envelope(objects: Objects, oid: Oid, version: int) -> bytes:
    data = _read(objects, oid, version)
    parse(data, layout.root_path(version))  # Whoever follows the chain knows no path to name.
    return data


def _read(objects: Objects, oid: Oid, version: int) -> bytes:
    return walk.read_blob(objects, oid, layout.root_path(version), root.ENVELOPE_MAX_BYTES)
