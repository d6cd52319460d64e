"""What is known of a hashed directory: its entries, the digest they make, and all of it as bytes.

    leaf = SHA-256("countersign file v1\\n" + contents)
    node = SHA-256("countersign tree v1\\n" + for each entry in byte order of names:
                   "f" or "d" + length of the name (2 bytes, big endian) + name + digest (32 bytes))

A record is kept whole, or as what changed since an earlier one:

    record = "merkle 4\\n" + for each entry:
             length of the name (1 byte), kind (1 byte: "f", "d", or "-" for gone since the base),
             name, and unless it is gone: git id (20 bytes), digest (32 bytes); files, rows and
             bytes of tables, files and bytes of documents, folders (4, 4, 8, 4, 8 and 4 bytes, big
             endian), height (1 byte)

A small change in a wide directory is a few entries, not a thousand. Nobody outside reads this form:
a record of another version is forgotten, never an error.
"""

import hashlib
import struct
import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import compress
from operator import is_, is_not, itemgetter
from typing import NamedTuple, Self

from controller.artifacts.levels import Entry, Level
from controller.kernel.errors import Corrupt
from controller.kernel.objects import Oid

_FILE_TAG, _TREE_TAG = b"countersign file v1\n", b"countersign tree v1\n"
_NAME_LENGTH = struct.Struct(">H")
_MAGIC = b"merkle 4\n"
_HEAD = struct.Struct(">Bc")
_BODY = struct.Struct(">20s32s2IQIQIB")
_FILE, _DIRECTORY, _GONE = b"f", b"d", b"-"
_counts = itemgetter(slice(3, 9))
_NO_COUNTS = (0,) * 6


class ForeignRecord(Corrupt):
    """A remembered record is not one that this module wrote."""

    code = "merkle.foreign_record"


class Item(NamedTuple):
    """An entry whose bytes were hashed, or all that lies below it.

    Flat, and a tuple: one changed file makes us look at hundreds of entries beside it.
    """

    is_tree: bool
    oid: Oid
    digest: bytes
    table_files: int = 0
    rows: int = 0
    table_bytes: int = 0
    document_files: int = 0
    document_bytes: int = 0
    folders: int = 0
    """Directories: this one and those below it, once for each path that leads to them."""
    height: int = 0
    """Levels of directories: 0 of a file, 1 of a directory that holds files alone."""


def _nothing() -> None:
    return None


class Record(dict[str, Item]):
    """The entries of a directory by name, in no particular order; never changed once it is made.

    What it hashes to and adds up to is worked out once; a record made from another one by a small
    change takes most of that from there.
    """

    before: Callable[[], "Record | None"] = staticmethod(_nothing)
    """The record that this one was made from by `changed`, as long as somebody holds it."""

    fresh: tuple[str, ...] = ()
    """The names of the entries whose items are not those of the record before."""

    def changed(self, level: Level, fresh: Mapping[str, Item]) -> Self:
        """Return the record of a `level` whose entries are `fresh` or, alike, in this one."""
        if len(level.entries) != len(self) or not fresh.keys() <= self.keys():
            return type(self)({name: fresh.get(name) or self[name] for name, _, _ in level.entries})
        made = type(self)(self)
        made.update(fresh)
        made.entries = level.set
        made.before, made.fresh = weakref.ref(self), tuple(fresh)
        made.parts = self.parts | {name: _part(name, one) for name, one in fresh.items()}
        sums = self.sums
        for name, one in fresh.items():
            counts = zip(sums, _counts(self[name]), _counts(one), strict=True)
            sums = tuple([total - less + more for total, less, more in counts])
        made.sums = sums
        most = 1 + max([one.height for one in fresh.values()], default=0)
        if most >= self.height or all(self[name].height + 1 < self.height for name in fresh):
            made.height = max(most, self.height)  # whoever was highest was not lowered
        _ = self.digest  # who is asked next is `made`, which has the parts now
        del self.parts
        digests = _digests(self, fresh)
        if digests is not None:
            made.digests = digests
        return made

    @cached_property
    def digests(self) -> dict[Oid, bytes] | None:
        """The digest of what stands behind each id; `None` where one has two."""
        digests = {item.oid: item.digest for item in self.values()}
        if len(digests) != len(self) and any(
            digests[one.oid] != one.digest for one in self.values()
        ):
            return None
        return digests

    @cached_property
    def entries(self) -> frozenset[Entry]:
        """The entries as git lists them."""
        return frozenset([Entry(name, item.is_tree, item.oid) for name, item in self.items()])

    @cached_property
    def parts(self) -> dict[str, bytes]:
        """What is hashed of each entry, in byte order of names."""
        return {name: _part(name, self[name]) for name in sorted(self)}

    @cached_property
    def digest(self) -> bytes:
        """The digest of the directory."""
        return hashlib.sha256(_TREE_TAG + b"".join(self.parts.values())).digest()

    @cached_property
    def sums(self) -> tuple[int, ...]:
        """The sums of the entries' counts, in their order; height is none."""
        return _added(self.values())

    @property
    def has_folders(self) -> bool:
        """Whether there are directories below."""
        return self.sums[-1] > 0

    @cached_property
    def height(self) -> int:
        """How many levels of directories there are, this one among them."""
        return 1 + max([item.height for item in self.values()], default=0)


def _digests(before: Record, fresh: Mapping[str, Item]) -> dict[Oid, bytes] | None:
    """Return the digests by id behind a change, from those before it; `None`: look at all items.

    Each id stands once before and after, so that none has two digests.
    """
    known: dict[Oid, bytes] | None = before.__dict__.get("digests")
    if known is None or len(known) != len(before):
        return None
    digests = known.copy()
    for name in fresh:
        del digests[before[name].oid]
    digests.update((one.oid, one.digest) for one in fresh.values())
    return digests if len(digests) == len(before) else None


def _part(name: str, item: Item) -> bytes:
    text = name.encode()
    return (b"d" if item.is_tree else b"f") + _NAME_LENGTH.pack(len(text)) + text + item.digest


def _added(items: Iterable[Item]) -> tuple[int, ...]:
    """Return the sums of items' counts; a wide directory has a thousand."""
    columns = _counts(list(zip(*items, strict=True)))
    return tuple([sum(column) for column in columns]) or _NO_COUNTS


def leaf(data: bytes) -> bytes:
    """Return the digest of one file's contents."""
    state = hashlib.sha256(_FILE_TAG)
    state.update(data)
    return state.digest()


def pack(record: Record) -> bytes:
    """Return a whole record as bytes."""
    return b"".join([_MAGIC, *(_entry(name, item) for name, item in record.items())])


def pack_change(record: Record, base: Record) -> bytes:
    """Return what `unpack` makes of `base` to get `record`."""
    if len(record) == len(base) and all(map(is_, record, base)):
        fresh = list(compress(record, map(is_not, record.values(), base.values())))
    else:
        fresh = list(record)
    changed = [_entry(name, record[name]) for name in fresh if base.get(name) != record[name]]
    gone = (_HEAD.pack(len(name), _GONE) + name.encode() for name in base.keys() - record.keys())
    return b"".join([_MAGIC, *changed, *gone])


def unpack(parts: Iterable[bytes]) -> Record | None:
    """Return the record that a whole one and the changes after it make, in that order.

    `None` when one of them was written by another version of this program.
    """
    record = Record()
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
