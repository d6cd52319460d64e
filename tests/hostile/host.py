"""A deploy host that is shown hostile repositories, and what each of its answers cost.

Both doors are commands in a process of their own: `countersign reconcile --once`, which a
controller's pass is, and `countersign validate`, which a pull request meets. A host has applied
its first release. What is idle is the same command on the same host with a good release, measured
in the same run.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any

from controller.adapters.git import Author, commit_content
from controller.adapters.gitcli import child_environment
from controller.adapters.postgres import Connection, sql
from controller.kernel.objects import Oid
from tests.support.commands import Desk
from tests.support.house import ROOT
from tests.support.trees import raw_tree
from tests.support.world import Shop, open_connection

CPU_SECONDS_MAX = 2.0
MEMORY_MAX_BYTES = 100 * 1024 * 1024
METER = Path(__file__).with_name("meter.py")
FILE, FOLDER = b"100644", b"40000"


@dataclass(frozen=True)
class Answer:
    """How a door answered, and what that took: CPU seconds of all its processes, peak memory."""

    code: int
    out: str
    err: str
    cpu_seconds: float
    peak_bytes: int

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def rules(self) -> set[str]:
        """The rules of the findings that a `validate -o json` names."""
        return {one["rule"] for one in json.loads(self.out)["findings"]}


def ask(*arguments: str | Path, folder: Path) -> Answer:
    """Run a command as people run it, with a meter."""
    command = [sys.executable, "-m", "controller", *map(str, arguments)]
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(METER), report.name, *command],
            cwd=folder,
            env={**child_environment(), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
            timeout=100,
        )
        cost = json.loads(Path(report.name).read_text())
    return Answer(done.returncode, done.stdout, done.stderr, **cost)


@dataclass(frozen=True)
class Host:
    """A host, its database and whoever changes its repository."""

    desk: Desk
    shop: Shop
    connection: Connection[Any]

    @classmethod
    def open(cls, desk: Desk, database_url: str) -> "Host":
        return cls(desk, desk.shop(), open_connection(database_url))

    # The doors

    def reconcile(self, commit: Oid | None = None) -> Answer:
        """Let a pass meet a commit at the tip of the branch."""
        if commit is not None:
            self.shop.force(commit)
        settings = ("--config", self.desk.config)
        return ask("reconcile", "--once", *settings, folder=self.desk.home)

    def validate(self, commit: Oid) -> Answer:
        """Let a pull request's check meet a commit."""
        settings = ("--config", self.desk.config, "-o", "json")
        return ask("validate", "--ref", commit.hex(), *settings, folder=self.desk.folder)

    def validate_worktree(self, folder: Path) -> Answer:
        """Let the check meet files that nobody has committed."""
        settings = ("--config", self.desk.config, "-o", "json")
        return ask("validate", folder, *settings, folder=folder)

    def production(self, *, served: bool = False) -> dict[str, Any]:
        """Return every row (of what is `served` alone), with the transaction that wrote it."""
        tables = self.connection.execute(
            "SELECT schemaname, tablename FROM pg_catalog.pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            "   AND (schemaname = 'directory' OR NOT %s) ORDER BY 1, 2",
            (served,),
        ).fetchall()
        found = {}
        for schema, table in tables:
            query = sql.SQL("SELECT t.xmin::text, t::text FROM {} AS t ORDER BY 1, 2")
            rows = self.connection.execute(query.format(sql.Identifier(schema, table)))
            found[f"{schema}.{table}"] = rows.fetchall()
        return found

    # What strangers write

    def commit(self, tree: Oid, *, onto: Oid, message: str = "Change") -> Oid:
        """Store a commit of a tree; no ref leads to it."""
        author = Author("Mallory", "mallory@example.test", self.shop.clock.now())
        return self.shop.repository.write_commit(commit_content(tree, [onto], author, message))

    def put(self, kind: str, data: bytes) -> Oid:
        """Store an object as it is, also one that git would not write."""
        kinds = {"commit": 1, "tree": 2, "blob": 3}
        return Oid(self.shop.repository._odb.write(kinds[kind], data).raw)

    def files(self, onto: Oid, changes: Mapping[str, bytes | None]) -> Oid:
        """Store a commit that changes files."""
        repository = self.shop.repository
        return self.commit(repository.write_tree(changes, repository.tree_of(onto)), onto=onto)

    def graft(self, onto: Oid, path: str, oid: Oid, *, mode: bytes = FOLDER) -> Oid:
        """Store a commit in which something else stands at a path, whatever it is."""
        tree = self._grafted(self.shop.repository.tree_of(onto), path.split("/"), mode, oid)
        return self.commit(tree, onto=onto)

    def _grafted(self, tree: Oid | None, parts: list[str], mode: bytes, oid: Oid) -> Oid:
        entries = parsed(self.shop.repository.read(tree)) if tree else {}
        name = parts[0].encode()
        if len(parts) > 1:
            below = entries[name][1] if name in entries else None
            entries[name] = (FOLDER, self._grafted(below, parts[1:], mode, oid))
        else:
            entries[name] = (mode, oid)
        return self.put("tree", raw_tree(ordered((m, n, o) for n, (m, o) in entries.items())))

    # What bombs are made of

    def wide(self, count: int, oid: Oid, *, mode: bytes = FILE, suffix: bytes = b"") -> Oid:
        """Store a tree of so many names for one thing."""
        names = (b"n%07d%s" % (number, suffix) for number in range(count))
        return self.put("tree", raw_tree((mode, name, oid) for name in names))

    def tree_bomb(self) -> Oid:
        """Store eleven objects that ten thousand million paths lead through."""
        oid, mode = self.put("blob", b""), FILE
        for _ in range(10):
            names = (b"n%d" % number for number in range(10))
            oid, mode = self.put("tree", raw_tree((mode, name, oid) for name in names)), FOLDER
        return oid

    def deep(self, levels: int) -> Oid:
        """Store folders in folders."""
        oid, mode = self.put("blob", b"x"), FILE
        for _ in range(levels):
            oid, mode = self.put("tree", raw_tree([(mode, b"d", oid)])), FOLDER
        return oid

    def zeros(self, size_bytes: int) -> Oid:
        """Store a blob of zeros, which packs a hundredfold and more."""
        oid, packed = _packed_zeros(size_bytes)
        name = oid.hex()
        file = self.shop.repository.git_dir / "objects" / name[:2] / name[2:]
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(packed)
        return oid


@cache
def _packed_zeros(size_bytes: int) -> tuple[Oid, bytes]:
    """Return a blob's id and its loose object, made without holding the blob in memory."""
    digest, packer = hashlib.sha1(usedforsecurity=False), zlib.compressobj(1)
    piece, packed = bytes(1 << 20), []
    for data in (b"blob %d\0" % size_bytes, *repeat(piece, size_bytes >> 20)):
        digest.update(data)
        packed.append(packer.compress(data))
    return Oid(digest.digest()), b"".join([*packed, packer.flush()])


@dataclass(frozen=True)
class Attack:
    """What a stranger commits, and how each door answers: exit code and words, code and rule.

    A pass that has no reason to look where the harm is ends with 0 and changes no row; `IGNORED`
    says that of an attack whose like has shown it.
    """

    build: Callable[[Host], Oid]
    reconcile: tuple[int, str] | None
    validate: tuple[int, str]


IGNORED = None


def parsed(raw: bytes) -> dict[bytes, tuple[bytes, Oid]]:
    """Return mode and id by name of a tree that git wrote."""
    found = {}
    while raw:
        head, _, rest = raw.partition(b"\0")
        mode, _, name = head.partition(b" ")
        found[name], raw = (mode, Oid(rest[:20])), rest[20:]
    return found


def ordered(entries: Iterable[tuple[bytes, bytes, Oid]]) -> list[tuple[bytes, bytes, Oid]]:
    """Return entries in git's order."""
    return sorted(entries, key=lambda one: one[1] + (b"/" if one[0] == FOLDER else b""))
