"""One row of the copy that a resolver keeps: PostgreSQL's binary COPY tuple, just as it came.

Nothing is made anew of a row on its way from the database into a file or a dictionary, so the
rows of a base and of what changed since are read by one and the same function.
"""

from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import NamedTuple

ALWAYS, NEVER = -(2**63), 2**63 - 1
"""The instants of PostgreSQL's infinities: a window that is open at its start, or at its end."""

NOT_IN_USE = -1
REMOVED = 1
UNIT = b"\x1f"

FIELDS = 9
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PLACE = Struct(">6xq28xq")
_HEAD = Struct(">6xq4xq4xq4xq4xi4xiI")
_SIZE = Struct(">I")
_HEAD_SIZE = _HEAD.size
SIZE_MIN = _HEAD_SIZE + 2 * _SIZE.size
_NEW = tuple.__new__


class Record(NamedTuple):
    """A row: instants in microseconds since 2000, `document` its part of an answer as JSON,
    without the last brace: what depends on more than the row follows.

    What `ref`, `number`, `name` and `more` hold depends on the table: `snapshot.sql` says it.
    """

    key: int
    starts: int
    ends: int
    ref: int
    number: int
    file: int
    name: bytes
    more: bytes
    document: bytes

    def holds(self, at: int) -> bool:
        """Whether the row is visible at an instant."""
        return self.starts <= at < self.ends


def read(data: bytes) -> Record:
    """Take a tuple apart."""
    key, starts, ends, ref, number, file, size = _HEAD.unpack_from(data)
    name_end = _HEAD_SIZE + size
    more_start = name_end + 4
    more_end = more_start + _SIZE.unpack_from(data, name_end)[0]
    # Made as `Record` itself makes it, but for a call: an answer takes some of them.
    return _NEW(
        Record,
        (
            key,
            starts,
            ends,
            ref,
            number,
            file,
            data[_HEAD_SIZE:name_end],
            data[more_start:more_end],
            data[more_end + 4 : -1],
        ),
    )


def place(data: bytes) -> tuple[int, int]:
    """Return a tuple's key and what it refers by."""
    key, ref = _PLACE.unpack_from(data)
    return key, ref


def moment_of(instant: datetime) -> int:
    """Return an aware instant in microseconds since 2000, as records hold it."""
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(moment: int) -> datetime | None:
    """Return the instant that a record holds; `None` for an open side."""
    if moment in {ALWAYS, NEVER}:
        return None
    return _EPOCH + timedelta(microseconds=moment)
