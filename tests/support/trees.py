"""Made-up repositories: git objects in memory, and raw trees that git itself would not write."""

import hashlib
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from controller.kernel.objects import Header, MissingObject, Oid

Nested: TypeAlias = Mapping[str, "bytes | Nested"]


class MemoryObjects:
    """Git objects in a dictionary; counts what was read."""

    def __init__(self) -> None:
        self.held: dict[Oid, tuple[str, bytes]] = {}
        self.reads: list[Oid] = []

    def header(self, oid: Oid) -> Header:
        if oid not in self.held:
            raise MissingObject(oid)
        kind, data = self.held[oid]
        return Header(kind, len(data))

    def read(self, oid: Oid) -> bytes:
        self.reads.append(oid)
        return self.held[oid][1]

    def read_many(self, oids: Iterable[Oid]) -> Iterator[bytes]:
        return map(self.read, oids)

    def put(self, kind: str, data: bytes) -> Oid:
        oid = Oid(hashlib.sha1(f"{kind} {len(data)}\0".encode() + data).digest())
        self.held[oid] = (kind, data)
        return oid

    def blob(self, data: bytes) -> Oid:
        return self.put("blob", data)

    def tree(self, nested: Nested) -> Oid:
        """Store a folder as git would."""
        entries = []
        for name, child in nested.items():
            if isinstance(child, bytes):
                entries.append((name.encode(), b"100644", self.blob(child)))
            else:
                entries.append((name.encode() + b"/", b"40000", self.tree(child)))
        return self.put("tree", raw_tree((m, n.rstrip(b"/"), o) for n, m, o in sorted(entries)))


def raw_tree(entries: Iterable[tuple[bytes, bytes, Oid]]) -> bytes:
    """Return a tree object's bytes from (mode, name, id), however wrong."""
    return b"".join(mode + b" " + name + b"\0" + oid for mode, name, oid in entries)


def git(where: Path, *args: str, stdin: bytes = b"") -> str:
    """Run real git, away from the settings of whoever runs the tests."""
    settings = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    people = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Test"), ("EMAIL", "test@example.test"))
    }
    done = subprocess.run(
        ["git", *args],
        cwd=where,
        input=stdin,
        capture_output=True,
        check=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(where), **settings, **people},
    )
    return done.stdout.decode().strip()


def write_literally(where: Path, kind: str, data: bytes) -> Oid:
    """Store an object that git would not make itself."""
    written = git(where, "hash-object", "-t", kind, "--literally", "-w", "--stdin", stdin=data)
    return Oid(bytes.fromhex(written))
