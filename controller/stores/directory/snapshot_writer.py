"""Make a base file of what a moment of the database holds: `snapshot_base.py` says what is in it.

Nothing holds all rows: they go into the file as they come, and only keys and places are kept to be
sorted, one table after the other.
"""

import json
import os
import sys
import zlib
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

from controller.adapters.files import sync_folder
from controller.adapters.postgres import Connection
from controller.stores.directory import snapshot_source as source
from controller.stores.directory.snapshot_base import (
    HALF,
    HEADER,
    INDEXES,
    LENGTH_BITS,
    LENGTH_MAX,
    MAGIC,
)
from controller.stores.directory.snapshot_records import place, read
from controller.stores.directory.snapshot_source import NotACopy

Note = Callable[[int], None]
_PLACE_BITS = 64
_PLACE_MASK = (1 << _PLACE_BITS) - 1
_BUCKET_BITS_MAX = 24


def write(connection: Connection[Any], path: Path, facts: Mapping[str, Any]) -> None:
    """Write the moment that `connection` sees to `path`, whole or not at all.

    `facts` are kept beside it as JSON. A file that a crash leaves half written has the ending
    `.part`, and the next one takes its place.
    """
    half = path.with_suffix(".part")
    with half.open("wb") as file:
        writer = _Writer(file)
        writer.tables(connection)
        writer.section("boundaries", array("q", source.boundaries(connection)))
        writer.close(facts)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
    sync_folder(path.parent)


class _Writer:
    """A base file that is being written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._at = HEADER.size
        self._sections: dict[str, tuple[int, int, int]] = {}
        self._levels: list[tuple[int, int, int]] = []
        self._rows: dict[str, int] = {}
        file.write(bytes(HEADER.size))

    def tables(self, connection: Connection[Any]) -> None:
        """Write every table's rows, and their indexes behind them."""
        for table in source.COPIED:
            if table == "ranges":
                self._ranges(source.every(connection, table))
            else:
                self._table(table, source.every(connection, table))

    def section(self, name: str, values: "array[int]") -> None:
        """Write numbers, each where it can be read at once."""
        padding = bytes(-self._at % 8)
        data = memoryview(values).cast("B")
        self._file.write(padding)
        self._at += len(padding)
        self._sections[name] = (self._at, len(data), zlib.crc32(data))
        self._file.write(data)
        self._at += len(data)

    def close(self, facts: Mapping[str, Any]) -> None:
        """Write the last part and say at the beginning where it is."""
        last = {
            "byteorder": sys.byteorder,
            "facts": facts,
            "rows": self._rows,
            "levels": self._levels,
            "sections": self._sections,
        }
        data = json.dumps(last, ensure_ascii=False).encode()
        self._file.write(data)
        self._file.seek(0)
        self._file.write(HEADER.pack(MAGIC, self._at, len(data), zlib.crc32(data)))

    def _table(self, table: str, rows: Iterable[bytes]) -> None:
        wanted = [(name, index.by_ref) for name, index in INDEXES.items() if index.table == table]
        by_key: list[int] = []
        by_ref: list[int] = []
        refs = any(by_ref for _, by_ref in wanted)
        keys = any(not by_ref for _, by_ref in wanted)

        def note(data: bytes, where: int) -> None:
            key, ref = place(data)
            if keys:
                by_key.append((key + HALF) << _PLACE_BITS | where)
            if refs:
                by_ref.append((ref + HALF) << _PLACE_BITS | where)

        self._rows[table] = self._records(table, rows, note)
        for name, is_by_ref in wanted:
            self._index(name, by_ref if is_by_ref else by_key)

    def _index(self, name: str, pairs: list[int]) -> None:
        pairs.sort()
        keys = array("q", [(pair >> _PLACE_BITS) - HALF for pair in pairs])
        self.section(f"{name}.keys", keys)
        self.section(f"{name}.places", array("Q", [pair & _PLACE_MASK for pair in pairs]))
        pairs.clear()
        self.section(f"{name}.table", _table_of(keys))

    def _ranges(self, rows: Iterable[bytes]) -> None:
        found: list[tuple[int, int, int, int]] = []

        def note(data: bytes, where: int) -> None:
            record = read(data)
            found.append((record.number, record.ref, int(record.more), where))

        self._rows["ranges"] = self._records("ranges", rows, note)
        found.sort()
        levels = [one[0] for one in found]
        for level in sorted(set(levels)):
            start = levels.index(level)
            self._levels.append((level, start, start + levels.count(level)))
        for name, column in (("lo", 1), ("hi", 2)):
            self.section(f"ranges.{name}", array("q", [one[column] for one in found]))
        self.section("ranges.places", array("Q", [one[3] for one in found]))

    def _records(
        self, table: str, rows: Iterable[bytes], note: Callable[[bytes, int], None]
    ) -> int:
        start, checksum, count = self._at, 0, 0
        at = start
        for data in rows:
            if len(data) > LENGTH_MAX:
                raise NotACopy(table)
            note(data, at << LENGTH_BITS | len(data))
            self._file.write(data)
            checksum = zlib.crc32(data, checksum)
            at += len(data)
            count += 1
        self._at = at
        self._sections[f"{table}.rows"] = (start, at - start, checksum)
        return count


def _table_of(keys: Sequence[int]) -> "array[int]":
    """Return where the keys begin that share each beginning, and where the last ones end."""
    bits = min(max(len(keys).bit_length() - 1, 1), _BUCKET_BITS_MAX)
    shift, half = 64 - bits, 1 << (bits - 1)
    counts = array("I", bytes(4 * ((1 << bits) + 1)))
    for key in keys:
        counts[(key >> shift) + half + 1] += 1
    return array("I", accumulate(counts))
