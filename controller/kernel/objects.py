"""Git's objects as seen from the pure floors: an id, a header and bytes, nothing else.

A commit's tree, a work tree and a test's made-up repository all look like this, so one walker and
one reader serve the daemon, the pull request and the editor alike.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, NewType, Protocol

from controller.kernel.errors import Corrupt

Oid = NewType("Oid", bytes)
"""A git object id: 20 raw bytes. A name to find bytes by, never a reason to believe them."""


class MissingObject(Corrupt):
    """An object that a tree or a commit names is not in the repository."""

    code = "objects.missing"

    def __init__(self, oid: Oid, where: str = "") -> None:
        place = f" ({where})" if where else ""
        super().__init__(
            f"object {oid.hex()} is not in the repository{place}",
            hint="fetch the full history again; run `git fsck` in the mirror",
        )
        self.oid = oid


class Header(NamedTuple):
    """What an object is before it is read: `blob`, `tree`, `commit` or `tag`, and its size.

    A named tuple, not a dataclass: every object that is looked up gets one.
    """

    kind: str
    size_bytes: int


class Objects(Protocol):
    """A place that holds git objects."""

    def header(self, oid: Oid) -> Header:
        """Return kind and size without inflating the contents; raise `MissingObject`."""
        ...

    def read(self, oid: Oid) -> bytes:
        """Return the contents; the caller has looked at the header first."""
        ...

    def read_many(self, oids: Iterable[Oid]) -> Iterator[bytes]:
        """Yield the contents of many blobs, in the order asked for; the bulk form of `read`."""
        ...


class History(Objects, Protocol):
    """Objects with commits among them: a repository, or a work tree as its next commit."""

    def tree_of(self, commit: Oid) -> Oid:
        """Return a commit's tree."""
        ...

    def first_parents(self, tip: Oid, until: Oid | None = None) -> Iterator[Oid]:
        """Yield the first-parent path from `tip` back, before `until` or to its beginning."""
        ...


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit of a branch, written `main@sha1:<40 hex>`."""

    branch: str
    commit: Oid

    def __str__(self) -> str:
        """Return the written form."""
        return f"{self.branch}@sha1:{self.commit.hex()}"
