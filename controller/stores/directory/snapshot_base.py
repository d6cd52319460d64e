"""A whole directory in one file that never changes, mapped into every process that answers from it.

Rows stand one after the other as the database sent them. Beside them, for each way of asking, lie
the sorted keys, the places of their rows, and a table that says where among the keys those with
some leading bits begin: keys are parts of hashes, so hardly any two share them. Nothing is copied
into a process but the rows that it is asked for.

Checksums find accidents, not an attacker: who may write here may write what is served.
"""

import json
import mmap
import sys
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from struct import Struct
from types import MappingProxyType
from typing import Any, NamedTuple

from controller.kernel.errors import Corrupt

MAGIC = b"CSBASE01"
HEADER = Struct("<8sQII8x")
"""The magic, where the last part (JSON) begins, how long it is, and its CRC-32."""

LENGTH_BITS = 24
LENGTH_MAX = (1 << LENGTH_BITS) - 1
HALF = 1 << 63
_CHUNK_BYTES = 1 << 20
_SCAN_MAX = 8
_WARM_BYTES = 1 << 22  # no thread runs beside a call: so much takes well under a millisecond
_MADV_POPULATE_READ = 22  # Linux 5.14


class IndexOf(NamedTuple):
    """A way of asking: rows of a table by their own key, or by what they refer by."""

    table: str
    by_ref: bool


INDEXES: Mapping[str, IndexOf] = MappingProxyType(
    {
        "participants": IndexOf("participants", by_ref=False),
        "identifiers": IndexOf("identifiers", by_ref=False),
        "identifiers_of": IndexOf("identifiers", by_ref=True),
        "endpoints": IndexOf("endpoints", by_ref=True),
        "capabilities": IndexOf("capabilities", by_ref=True),
    }
)
"""Card ranges are found by their numbers instead."""


class BadBase(Corrupt):
    """A base file is not what was written."""

    code = "directory.bad_base"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: {reason}",
            hint="it is a copy: remove the file, and it is made anew from the database",
        )
        self.path = path


class Index(NamedTuple):
    """Sorted keys, the places of their rows, and where each beginning of keys begins."""

    keys: memoryview
    places: memoryview
    table: memoryview
    shift: int
    half: int

    @classmethod
    def of(cls, keys: memoryview, places: memoryview, table: memoryview) -> "Index":
        """Return an index of its three parts."""
        bits = (len(table) - 1).bit_length() - 1
        return cls(keys, places, table, 64 - bits, 1 << (bits - 1))


class Base:
    """An open base file: its facts, and its rows by key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            if path.stat().st_size < HEADER.size:
                raise BadBase(path, "it is too short")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # Hashes lead anywhere: what lies behind a page is hardly ever asked for next.
        self._map.madvise(mmap.MADV_RANDOM)
        self._view = memoryview(self._map)
        self._last = _last_part(path, self._map)
        self.facts: Mapping[str, Any] = self._last["facts"]
        self.rows: Mapping[str, int] = self._last["rows"]
        self._index = {
            name: Index.of(
                self._section(f"{name}.keys", "q"),
                self._section(f"{name}.places", "Q"),
                self._section(f"{name}.table", "I"),
            )
            for name in INDEXES
        }
        self._lo, self._hi = self._section("ranges.lo", "q"), self._section("ranges.hi", "q")
        self._range_places = self._section("ranges.places", "Q")
        self._levels = [tuple(level) for level in self._last["levels"]]
        self.boundaries = self._section("boundaries", "q")

    def find(self, index: str, key: int) -> list[bytes]:
        """Return the rows of a key, as records."""
        keys, places, table, shift, half = self._index[index]
        bucket = (key >> shift) + half
        at, high = table[bucket], table[bucket + 1]
        if high - at > _SCAN_MAX:  # some key of many rows is here, too
            at = bisect_left(keys, key, at, high)
            high = bisect_right(keys, key, at, high)
        found = []
        while at < high:
            if keys[at] == key:
                place = places[at]
                start = place >> LENGTH_BITS
                found.append(self._map[start : start + (place & LENGTH_MAX)])
            at += 1
        return found

    def keys(self, index: str) -> memoryview:
        """Return all keys of an index, sorted; a key of several rows stands several times."""
        return self._index[index].keys

    def ranges_around(self, lo: int, hi: int) -> Iterator[tuple[int, bytes]]:
        """Yield the size and the record of every card range that holds all numbers of a span."""
        for level, start, end in self._levels:
            at = bisect_right(self._lo, lo, start, end)
            lowest = lo - (1 << level)
            while at > start:
                at -= 1
                begins = self._lo[at]
                if begins <= lowest:
                    break
                if self._hi[at] >= hi:
                    yield self._hi[at] - begins, self._record(self._range_places[at])

    def ranges_from(self, lo: int) -> Iterator[bytes]:
        """Yield every card range that begins with a number."""
        for _, start, end in self._levels:
            at = bisect_left(self._lo, lo, start, end)
            while at < end and self._lo[at] == lo:
                yield self._record(self._range_places[at])
                at += 1

    def ranges(self, first: int, count: int) -> list[bytes]:
        """Return some card ranges, counted in the order of the file."""
        return [self._record(place) for place in self._range_places[first : first + count]]

    def check(self) -> None:
        """Read everything once; raise `BadBase` where a byte is not as it was written.

        The file is read, not the map: a process maps what it is asked for.
        """
        with self.path.open("rb") as file:
            for name, (start, size, checksum) in self._last["sections"].items():
                file.seek(start)
                found, left = 0, size
                while left > 0:
                    data = file.read(min(left, _CHUNK_BYTES))
                    if not data:
                        break
                    found = zlib.crc32(data, found)
                    left -= len(data)
                if left or found != checksum:
                    raise BadBase(self.path, f"{name} is damaged")

    def warm(self) -> None:
        """Map all pages that are in memory anyway, so that the first answers are not slow.

        They are the system's, shared by all processes that map the file; no byte is copied.
        """
        with suppress(OSError):  # a kernel that cannot: pages are mapped when they are asked for
            for start in range(0, len(self._map), _WARM_BYTES):
                size = min(_WARM_BYTES, len(self._map) - start)
                self._map.madvise(_MADV_POPULATE_READ, start, size)

    def _record(self, place: int) -> bytes:
        start = place >> LENGTH_BITS
        return self._map[start : start + (place & LENGTH_MAX)]

    def _section(self, name: str, kind: str) -> memoryview:
        start, size, _ = self._last["sections"][name]
        part = self._view[start : start + size]
        return part.cast("q") if kind == "q" else part.cast("Q") if kind == "Q" else part.cast("I")


def _last_part(path: Path, data: mmap.mmap) -> dict[str, Any]:
    magic, start, size, checksum = HEADER.unpack_from(data)
    part = data[start : start + size]
    if magic != MAGIC:
        raise BadBase(path, "it is no base file of this version")
    if len(part) != size or zlib.crc32(part) != checksum:
        raise BadBase(path, "its last part is damaged")
    last: dict[str, Any] = json.loads(part)
    if last["byteorder"] != sys.byteorder:
        raise BadBase(path, "a processor of another kind wrote it")
    if any(start + size > len(data) for start, size, _ in last["sections"].values()):
        raise BadBase(path, "it is cut off")
    return last
