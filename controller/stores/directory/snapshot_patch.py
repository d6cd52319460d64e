"""What a new revision changes in a resolver's rows, and whether they are still the database's.

Callers hold one moment of the database open. A key that changed is read anew with all its rows:
nothing is added to or taken from what was known of it.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from controller.adapters.postgres import Connection
from controller.stores.directory import snapshot_source as source
from controller.stores.directory.snapshot import CHANGED_MAX, Rows
from controller.stores.directory.snapshot_base import INDEXES
from controller.stores.directory.snapshot_records import place


def patched(connection: Connection[Any], rows: Rows, since: int) -> Rows | None:
    """Return the rows with what changed after a revision; `None` for too much of it.

    `rows` are those of revision `since`.
    """
    touched = source.touched(connection, since, most=CHANGED_MAX)
    if touched is None or sum(map(len, touched.values())) + rows.changes > CHANGED_MAX:
        return None
    groups: dict[str, dict[int, tuple[bytes, ...]]] = {}
    for name, index in INDEXES.items():
        keys = {ref if index.by_ref else key for key, ref in touched.get(index.table, ())}
        if keys:
            groups[name] = _groups(connection, index.table, keys, by_ref=index.by_ref)
    spans = touched.get("ranges", set())
    ranges: Mapping[int, tuple[bytes, ...]] = {}
    if spans:
        ranges = _groups(connection, "ranges", {key for key, _ in spans}, by_ref=False)
    return rows.with_changes(groups, {span: ranges[span[0]] for span in spans})


def differing(
    connection: Connection[Any], rows: Rows, index: str, first: int, count: int
) -> tuple[int, int]:
    """Compare some keys of a base, as they are now, with the database.

    Returns how many keys were looked at, none when `first` is beyond the last, and how many of
    them differ. `index` is one of `INDEXES`, or `ranges`.
    """
    if index == "ranges":
        spans = {place(data) for data in rows.base.ranges(first, count)}
        known = {key: rows.ranges_of(key, lo) for key, lo in spans}
        now = _groups(connection, "ranges", known, by_ref=False) if known else {}
    else:
        keys = set(rows.base.keys(index)[first : first + count])
        known = {key: rows.find(index, key) for key in keys}
        of = INDEXES[index]
        now = _groups(connection, of.table, keys, by_ref=of.by_ref) if keys else {}
    return len(known), sum(sorted(known[key]) != sorted(now[key]) for key in known)


def _groups(
    connection: Connection[Any], table: str, keys: Collection[int], *, by_ref: bool
) -> dict[int, tuple[bytes, ...]]:
    found: dict[int, list[bytes]] = {key: [] for key in keys}
    column = source.REFS[table] if by_ref else "row_key"
    rows: Iterable[bytes] = source.some(connection, table, column, keys)
    for data in rows:
        found[place(data)[by_ref]].append(data)
    return {key: tuple(some) for key, some in found.items()}
