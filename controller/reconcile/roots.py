"""The roots of trust as a history holds them: append-only, without gaps, followed from ours.

A root that was committed once stays. Otherwise whoever may merge could take a revocation back, and
a new host would believe the revoked key again.
"""

from collections.abc import Iterator, Mapping

from controller.artifacts import layout, levels, walk
from controller.kernel.errors import Refused, Untrusted
from controller.kernel.objects import History, Objects, Oid
from controller.trust import root
from controller.trust.envelope import parse


class RootRemoved(Untrusted):
    """A root that the history held is gone, or is another document."""

    code = "roots.removed"

    def __init__(self, path: str, *, since: Oid) -> None:
        super().__init__(
            f"{path} is not what commit {since.hex()[:12]} held",
            hint=f"the chain of roots is append-only: git checkout {since.hex()[:12]} -- {path}",
        )
        self.path, self.since = path, since


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
    check_kept(history, commit, since=since)
    tree = history.tree_of(commit)
    found = _versions(history, tree)
    last = max(found, default=version)
    missing = next((one for one in range(version + 1, last + 1) if one not in found), None)
    if missing is not None:
        raise RootsNotWhole(missing)
    return tuple(_envelope(history, found[one], one) for one in range(version + 1, last + 1))


def check_kept(history: History, commit: Oid, *, since: Oid | None) -> None:
    """Raise unless every root of the history up to `commit` still stands there."""
    newer: Mapping[int, Oid] | None = None
    reached = since is None
    for one in _path(history, commit, since):
        reached = reached or one == since
        try:
            found = _versions(history, history.tree_of(one))
        except Refused:
            if newer is None:
                raise
            continue  # What stood there was no chain; what stood before it still counts.
        if newer is not None:
            _compare(history, found, newer, since=one)
        newer = found
    if since is not None and not reached:
        head = _versions(history, history.tree_of(commit))
        _compare(history, _versions(history, history.tree_of(since)), head, since=since)


def _path(history: History, commit: Oid, since: Oid | None) -> Iterator[Oid]:
    """Yield the first-parent path, newest first, down to `since` where that stands on it."""
    for one in history.first_parents(commit):
        yield one
        if one == since:
            return


def _compare(
    objects: Objects, older: Mapping[int, Oid], newer: Mapping[int, Oid], *, since: Oid
) -> None:
    for version, oid in sorted(older.items()):
        now = newer.get(version)
        if now == oid:
            continue
        # An envelope may gain signatures; what they sign may not change.
        if now is None or _payload(objects, now, version) != _payload(objects, oid, version):
            raise RootRemoved(layout.root_path(version), since=since)


def _payload(objects: Objects, oid: Oid, version: int) -> bytes:
    data = _read(objects, oid, version)
    try:
        return parse(data).payload
    except Untrusted:
        return data  # Rubbish is a document of its own: it may not come or go either.


def _versions(objects: Objects, tree: Oid) -> dict[int, Oid]:
    entry = walk.find(objects, tree, layout.ROOT_DIR)
    if entry is None or not entry.is_tree:
        return {}
    return {
        layout.parse_root_path(f"{layout.ROOT_DIR}/{file.name}"): file.oid
        for file in levels.children(objects, entry.oid, layout.ROOT_DIR)
    }


def _envelope(objects: Objects, oid: Oid, version: int) -> bytes:
    data = _read(objects, oid, version)
    parse(data, layout.root_path(version))  # Whoever follows the chain knows no path to name.
    return data


def _read(objects: Objects, oid: Oid, version: int) -> bytes:
    return walk.read_blob(objects, oid, layout.root_path(version), root.ENVELOPE_MAX_BYTES)
