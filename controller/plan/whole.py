"""A whole file that comes or goes: counted and named without a look at its single rows.

A first load brings millions of rows and drops none; what becomes of each of them follows from its
file and from when the file counts. So a plan says of such a file how many rows it holds and what
its bytes hash to, and rows are made only where somebody wants to see some.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.artifacts.sheets import Sheet, read_sheet
from controller.kernel.objects import Objects, Oid
from controller.plan.rows import RULES, STORED_TABLES, SourceFile
from controller.plan.shard import Windows

_OWN_WINDOW = ("effective_from", "effective_to")


class FileFacts(NamedTuple):
    """What is known of a table's file once it was read: all a plan needs of one that is plain.

    `is_plain`: canonical, no key twice, and no row with a window of its own; so each row stands
    for one key and counts exactly when its file does.
    """

    sha256: bytes
    size_bytes: int
    columns: tuple[str, ...]
    rows: int
    is_plain: bool


@dataclass(frozen=True, slots=True)
class WholeFile:
    """A plain file that comes (`coming`) or goes (`going`) with all its rows, never both."""

    source: SourceFile
    table: str
    oid: Oid
    facts: FileFacts
    going: Windows
    coming: Windows
    objects: Objects = field(repr=False, compare=False)

    def data(self) -> bytes:
        """Read the file."""
        return self.objects.read(self.oid)

    @property
    def rows_put(self) -> int:
        """How many stored rows come."""
        return self.facts.rows * len(self.coming)

    @property
    def rows_dropped(self) -> int:
        """How many stored rows go."""
        return self.facts.rows * len(self.going)


def facts_of(data: bytes, table: str, sheet: Sheet | None) -> FileFacts:
    """Return the facts of a file of `table`; `sheet` is what was read of it, if it is canonical."""
    sha256 = hashlib.sha256(data).digest()
    if sheet is None:
        return FileFacts(sha256, len(data), (), 0, is_plain=False)
    known = set(sheet.names) <= set(STORED_TABLES[table].columns)
    own = any(any(sheet.columns.get(name, ())) for name in _OWN_WINDOW)
    is_plain = known and sheet.keys_differ and not own
    return FileFacts(sha256, len(data), sheet.names, len(sheet.lines), is_plain)


def read_facts(data: bytes, table: str) -> FileFacts:
    """Read a file of `table` for its facts, by the columns its own header names."""
    return facts_of(data, table, own_sheet(data, table))


def own_sheet(data: bytes, table: str) -> Sheet | None:
    """Read a file by the columns its own header names; `None` when that is no sheet of `table`."""
    if table == RULES.name:
        return None
    names = _header(data)
    own = [name for name in STORED_TABLES[table].columns if name in names]
    return read_sheet(data, names) if names and own == list(names) else None


def _header(data: bytes) -> Sequence[str]:
    try:
        return data.partition(b"\n")[0].decode("ascii").split(",")
    except UnicodeDecodeError:
        return ()
