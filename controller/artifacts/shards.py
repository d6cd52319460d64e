"""Shards: the canonical files of a table, 16 to 64 KB each, so that a small change is a small diff.

Card ranges go by their leading digits, and a prefix is split by one more digit where it holds too
much. Every other table goes by up to 14 hash bits of the key, in two levels from 10 bits on
(`participants/3f/a1.csv`); how many bits depends on the size of the table alone. So rows that are
added move no others until a prefix, or the table, outgrows its depth.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from controller.artifacts.rowtext import Row, key_text
from controller.artifacts.strictcsv import render, render_row

SHARD_TARGET_BYTES = 32 * 1024
"""A depth is chosen so that an average shard is about this big, within 16 to 64 KB."""

SHARD_ADVISED_BYTES = 1024 * 1024
"""A bigger file is a finding."""

SHARD_LINES_MAX = 100_000
"""No good file of that size has so many lines; a line of next to nothing still costs a row."""

RANGE_DIGITS_MAX = 8

_SIZE_MAX = 2 * SHARD_TARGET_BYTES
_HASH_BITS = (2, 4, 6, 8, 10, 12, 14)
_DIGITS = frozenset("0123456789")
_UNIT = b"\x1f"


def shard(table: str, columns: Sequence[str], rows: Iterable[Row]) -> dict[str, bytes]:
    """Return the canonical files of a table by path below `files/`.

    Rows that stand twice are kept: the linter names them. The paths depend on the rows' keys and
    on how much there is, never on the order in which rows come.
    """
    sized = [(row, len(render_row(row).encode()) + 1) for row in rows]
    size_bytes = sum(size for _, size in sized)
    if size_bytes <= _SIZE_MAX:
        shards = {f"{table}.csv": [row for row, _ in sized]}
    elif "iin_start" in columns:
        shards = {
            _digits_path(table, prefix): found
            for prefix, found in _by_digits(sized, columns.index("iin_start"), "")
        }
    else:
        shards = _by_hash(table, key_text(columns), [row for row, _ in sized], size_bytes)
    return {path: render(columns, shards[path]) for path in sorted(shards)}


def _by_digits(
    sized: list[tuple[Row, int]], start: int, prefix: str
) -> Iterator[tuple[str, list[Row]]]:
    """Split by one more leading digit for as long as the rows of a prefix are too many."""
    if sum(size for _, size in sized) <= _SIZE_MAX or len(prefix) == RANGE_DIGITS_MAX:
        yield prefix, [row for row, _ in sized]
        return
    groups: defaultdict[str, list[tuple[Row, int]]] = defaultdict(list)
    for row, size in sized:
        groups[row[start].ljust(12, "0")[len(prefix)]].append((row, size))
    for digit, group in groups.items():
        if digit in _DIGITS:
            yield from _by_digits(group, start, prefix + digit)
        else:
            # No card number: the linter will say so, here it only needs a lawful path.
            yield prefix + "x", [row for row, _ in group]


def _digits_path(table: str, prefix: str) -> str:
    return f"{table}/{prefix[:2]}/{prefix}.csv" if len(prefix) > 2 else f"{table}/{prefix}.csv"


def _by_hash(
    table: str, key: Callable[[Row], Row], rows: list[Row], size_bytes: int
) -> dict[str, list[Row]]:
    bits = next((bits for bits in _HASH_BITS if size_bytes >> bits <= _SIZE_MAX), _HASH_BITS[-1])
    shards: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        text = _UNIT.join(part.encode() for part in key(row))
        number = int.from_bytes(hashlib.sha256(text).digest()[:2], "big") >> (16 - bits)
        name = f"{number & 0xFF:02x}.csv"
        shards[f"{table}/{number >> 8:02x}/{name}" if bits > 8 else f"{table}/{name}"].append(row)
    return shards
