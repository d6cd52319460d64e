"""Records of hashed directories as bytes, whole or as what changed since an earlier record.

    record = "merkle 3\\n" + for each entry:
             length of the name (1 byte), kind (1 byte: "f", "d", or "-" for gone since the base),
             name, and unless it is gone: git id (20 bytes), digest (32 bytes); files, rows and
             bytes of tables, files and bytes of documents (4, 4, 8, 4 and 8 bytes, big endian)

A small change in a wide directory is a few entries, not a thousand. Nobody outside reads this form:
a record of another version is forgotten, never an error.
"""

import struct
from collections.abc import Iterable, Mapping

from controller.artifacts.merkle import Item, Record
from controller.kernel.errors import Corrupt
from controller.kernel.objects import Oid

_MAGIC = b"merkle 3\n"
_HEAD = struct.Struct(">Bc")
_BODY = struct.Struct(">20s32s2IQIQ")
_FILE, _DIRECTORY, _GONE = b"f", b"d", b"-"


class ForeignRecord(Corrupt):
    """A remembered record is not one that this module wrote."""

    code = "merkle.foreign_record"


def pack(record: Record) -> bytes:
    """Return a whole record as bytes."""
    return b"".join([_MAGIC, *(_entry(name, item) for name, item in record.items())])


def pack_change(record: Record, base: Record) -> bytes:
    """Return what `unpack` makes of `base` to get `record`."""
    changed = (_entry(name, item) for name, item in record.items() if base.get(name) != item)
    gone = (_HEAD.pack(len(name), _GONE) + name.encode() for name in base.keys() - record.keys())
    return b"".join([_MAGIC, *changed, *gone])


def unpack(parts: Iterable[bytes]) -> Record | None:
    """Return the record that a whole one and the changes after it make, in that order.

    `None` when one of them was written by another version of this program.
    """
    record: dict[str, Item] = {}
    for packed in parts:
        if not packed.startswith(_MAGIC):
            return None
        for name, item in _entries(packed).items():
            if item is None:
                record.pop(name, None)
            else:
                record[name] = item
    return record


def _entry(name: str, item: Item) -> bytes:
    text = name.encode()
    kind = _DIRECTORY if item.is_tree else _FILE
    return _HEAD.pack(len(text), kind) + text + _BODY.pack(*item[1:])


def _entries(packed: bytes) -> Mapping[str, Item | None]:
    entries: dict[str, Item | None] = {}
    at, end = len(_MAGIC), len(packed)
    try:
        while at < end:
            length, kind = _HEAD.unpack_from(packed, at)
            at += _HEAD.size + length
            name = packed[at - length : at].decode("ascii")
            if kind == _GONE:
                entries[name] = None
                continue
            oid, *rest = _BODY.unpack_from(packed, at)
            entries[name] = Item(kind == _DIRECTORY, Oid(oid), *rest)
            at += _BODY.size
    except (struct.error, UnicodeDecodeError) as error:
        raise ForeignRecord("a remembered Merkle record is cut short") from error
    if at != end:
        raise ForeignRecord("a remembered Merkle record is cut short")
    return entries
