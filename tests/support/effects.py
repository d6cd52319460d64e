"""What a system call changes, in words: a statement sent to the database, a file, a child.

Words hold nothing that differs from run to run: no ids, no names of temporary files, no numbers.
"""

import os
import re
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tests.support.syscalls import Way

Peek = Callable[[int, int], bytes]
"""Read the memory of a process: an address, how many bytes."""

_AT_CWD = -100
_WRITABLE, _SHARED = 2, 1  # of `mmap`
_LOCKING = frozenset({6, 7, 37, 38})  # F_SETLK, F_SETLKW and their kin
_STARTUP, _CANCEL = 196608, 80877102
_PASSED_ON = re.compile(r"/dev/(null|tty|pts/\d+|urandom)|(pipe|anon_inode):.*")
_FRESH = (
    (re.compile(r"objects/[0-9a-f]{2}(/[0-9a-f]{38})?$"), "objects/*"),
    (re.compile(r"objects/([0-9a-f]{2}/)?tmp_[\w]+$"), "objects/tmp"),
    (re.compile(r"(^|/)\.[^/]+\.part$"), r"\1*.part"),
    (re.compile(r"next-index-\d+"), "next-index"),
    (re.compile(r"countersign-[0-9a-f]{16}"), "countersign-*"),
    (re.compile(r"^/tmp/[0-9a-z_]{8}$"), "/tmp/*"),
    (re.compile(r"_tmp[0-9a-zA-Z]{6}"), "_tmp*"),
    (re.compile(r"_git2_[0-9a-f]{16}$"), "_git2_*"),
    (re.compile(r"((^|/)#\d+ \(deleted\)|^/proc/\w+/fd/\d+)$"), "/nameless"),
)
_LOCKING_READ = re.compile(r"\b(FOR (NO KEY )?UPDATE|FOR (KEY )?SHARE|nextval|pg_notify)\b")
_LOCK_CALL = re.compile(r"\b(pg_(?:try_)?advisory\w+|(?:controller|directory)\.\w+)\s*\(")
_CHANGE = re.compile(
    r"\b(INSERT INTO|UPDATE(?! OF\b| SET\b)|DELETE FROM|TRUNCATE|MERGE INTO) +(?:ONLY +)?([\w.\"]+)"
)
_QUIET = frozenset(
    {"BEGIN", "COMMIT", "ROLLBACK", "SELECT", "SHOW", "SET", "SAVEPOINT", "RELEASE", "DEALLOCATE"}
)

UNSTEADY = frozenset({"mkdir shop/.git/objects/*"})
"""Effects that a run may have or not: git makes a folder for the first object that goes there."""


def told(effects: Iterable[str]) -> list[str]:
    """Return effects as a list keeps them: steady ones, each run of the same one once."""
    # Whether two of them leave in one packet is the network's business.
    apart = (one for several in effects for one in several.split("; "))
    steady = (one for one in apart if one not in UNSTEADY)
    return [one for one, _ in groupby(steady)]


def path_in_words(path: str, home: str) -> str:
    """Return a path below the story's home, without what differs from run to run."""
    shown = path.removeprefix(home).lstrip("/") if path.startswith(home) else path
    for pattern, word in _FRESH:
        shown = pattern.sub(word, shown)
    return shown or "."


@dataclass
class Conversation:
    """What one connection has sent to the database, message by message."""

    greeted: bool = False
    changed: bool = False
    rest: bytes = b""
    statements: dict[bytes, str] = field(default_factory=dict)

    def hear(self, data: bytes) -> list[str]:
        """Take in what was sent; return what in it changes anything."""
        self.rest += data
        said = [words for one in self._messages() for words in self._said(*one)]
        # A long message goes in pieces, and the server has begun to read it.
        return [*said, "COPY data" if self.rest[:1] == b"d" else "half a message"][
            : len(said) + bool(self.rest)
        ]

    def _messages(self) -> Iterator[tuple[bytes, bytes]]:
        while True:
            head = 0 if not self.greeted else 1
            if len(self.rest) < head + 4:
                return
            (size,) = struct.unpack_from(">I", self.rest, head)
            if len(self.rest) < head + size:
                return
            kind, body = self.rest[:head], self.rest[head + 4 : head + size]
            self.rest = self.rest[head + size :]
            if not head:
                (code,) = struct.unpack_from(">I", body)
                self.greeted = code == _STARTUP
            yield kind, body

    def _said(self, kind: bytes, body: bytes) -> Iterator[str]:
        match kind:
            case b"Q":
                yield from self._statement(body.partition(b"\0")[0].decode())
            case b"P":
                name, text, _ = body.split(b"\0", 2)
                self.statements[name] = text.decode()
            case b"B":
                _, name, _ = body.split(b"\0", 2)
                yield from self._statement(self.statements.get(name, ""))
            case b"d":
                yield "COPY data"
            case b"c":
                yield "COPY end"
            case _:
                pass

    def _statement(self, text: str) -> Iterator[str]:
        words = statement_in_words(text)
        verb = (text.split() or [""])[0].upper().rstrip(";")
        if words is not None:
            if not self.changed:
                self.changed = True
            yield words
        elif verb in {"COMMIT", "ROLLBACK"} and self.changed:
            self.changed = False
            yield verb


def statement_in_words(text: str) -> str | None:
    """Return what a statement changes, or `None` for one that only reads."""
    plain = " ".join(re.sub(r"--[^\n]*", " ", text).split())
    changes = [f"{verb} {table}" for verb, table in _CHANGE.findall(plain)]
    verb = (plain.split() or [""])[0].upper().rstrip(";")
    if verb in {"WITH", "INSERT", "UPDATE", "DELETE"} and changes:
        return ", ".join(dict.fromkeys(changes))
    if verb == "SELECT":
        called = _LOCK_CALL.search(plain)
        if called is not None:
            return f"SELECT {called[1]}()"
        if _LOCKING_READ.search(plain):
            table = re.search(r"\bFROM ([\w.]+)", plain)
            return f"SELECT {table[1] if table else ''} FOR UPDATE"
        return None
    if verb in _QUIET or verb == "WITH":
        return None
    return " ".join(plain.partition("(")[0].split()[:4])


class Describer:
    """Puts the calls of one story into words; remembers what each connection has said."""

    def __init__(self, home: Path) -> None:
        self._home = str(home)
        self._conversations: dict[str, Conversation] = {}
        self._sockets: dict[str, str] = {}

    def describe(
        self, pid: int, verb: str, way: Way, args: tuple[int, ...], peek: Peek
    ) -> str | None:
        """Return what a call is about to change; `None` when that is nothing."""
        match way:
            case Way.WRITE | Way.WRITE_MANY | Way.MESSAGE:
                return self._write(pid, way, args, peek)
            case Way.CONNECT:
                return self._connect(pid, args, peek)
            case Way.START:
                return f"{verb} {_command(peek, args[1])}"
            case Way.SIGNAL:
                return verb
            case Way.FILE | Way.LOCK | Way.RECORD_LOCK | Way.MAP:
                touched = _touched(way, args)
                return None if touched is None else f"{verb} {self._words(_target(pid, touched))}"
            case _:
                return self._path(pid, verb, way, args, peek)

    def _path(self, pid: int, verb: str, way: Way, args: tuple[int, ...], peek: Peek) -> str | None:
        if way is Way.TWO_PATHS:
            return self._two(pid, verb, (_AT_CWD, args[0], _AT_CWD, args[1]), peek)
        if way is Way.TWO_PATHS_AT:
            return self._two(pid, verb, args, peek)
        here = {Way.PATH: args[0], Way.SYMLINK: args[1]}
        folder, at = (_AT_CWD, here[way]) if way in here else args[:2]
        path = self._path_at(pid, folder, _text(peek, at) if at else "")
        if way is Way.OPEN:
            is_new = args[2] & os.O_CREAT and not Path(path).exists()
            if _PASSED_ON.fullmatch(path) or not (is_new or args[2] & os.O_TRUNC):
                return None
        return f"{verb} {self._words(path)}"

    def _write(self, pid: int, way: Way, args: tuple[int, ...], peek: Peek) -> str | None:
        target = _target(pid, args[0])
        if not target.startswith("socket:"):
            return None if _PASSED_ON.fullmatch(target) else f"write {self._words(target)}"
        peer = self._sockets.get(target)
        if peer != "database":
            return None if peer is None else f"write to {peer}"
        data = b"".join(_buffers(way, args, peek))
        said = self._conversations.setdefault(target, Conversation()).hear(data)
        return "; ".join(dict.fromkeys(said)) or None

    def _connect(self, pid: int, args: tuple[int, ...], peek: Peek) -> str | None:
        target = _target(pid, args[0])
        address = peek(args[1], args[2])
        path = address[2:].split(b"\0")[0].decode(errors="replace")
        if b".s.PGSQL." in address:
            self._sockets[target] = "database"
            self._conversations[target] = Conversation()
            return "connect to the database"
        if struct.unpack_from("H", address)[0] in {socket.AF_INET, socket.AF_INET6}:
            path = "another host"  # ports differ from run to run; the database has a socket here
        self._sockets[target] = self._words(path)
        return f"connect to {self._words(path)}"

    def _two(self, pid: int, verb: str, args: tuple[int, ...], peek: Peek) -> str:
        paths = [
            self._words(self._path_at(pid, args[at], _text(peek, args[at + 1]))) for at in (0, 2)
        ]
        return f"{verb} {paths[0]} -> {paths[1]}"

    def _words(self, path: str) -> str:
        return path_in_words(path, self._home)

    @staticmethod
    def _path_at(pid: int, folder: int, name: str) -> str:
        if name.startswith("/"):
            return os.path.normpath(name)
        place = "cwd" if _signed(folder) == _AT_CWD else f"fd/{folder}"
        return os.path.normpath(os.path.join(os.readlink(f"/proc/{pid}/{place}"), name))  # noqa: PTH115, PTH118


def _touched(way: Way, args: tuple[int, ...]) -> int | None:
    """Return the descriptor that a call changes something through, if it does."""
    if way is Way.MAP:
        writes = args[2] & _WRITABLE and args[3] & _SHARED and _signed(args[4]) >= 0
        return args[4] if writes else None
    if way is Way.RECORD_LOCK and args[1] not in _LOCKING:
        return None
    return args[0]


def _signed(value: int) -> int:
    return struct.unpack("i", struct.pack("I", value & 0xFFFFFFFF))[0]  # type: ignore[no-any-return]


def _target(pid: int, descriptor: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{_signed(descriptor)}")  # noqa: PTH115
    except OSError:
        return "/dev/null"  # a descriptor that is closed: the call will fail


def _text(peek: Peek, address: int) -> str:
    found = b""
    while b"\0" not in found:
        # Never across the end of a page: the next one may not be there.
        part = peek(address + len(found), 256 - (address + len(found)) % 256)
        if not part:
            break
        found += part
    return found.partition(b"\0")[0].decode(errors="surrogateescape")


def _buffers(way: Way, args: tuple[int, ...], peek: Peek) -> Iterator[bytes]:
    if way is Way.WRITE:
        yield peek(args[1], args[2])
        return
    if way is Way.MESSAGE:
        table, count = struct.unpack_from("QQ", peek(args[1] + 16, 16))
    else:
        table, count = args[1], args[2]
    for at in range(count):
        address, size = struct.unpack("QQ", peek(table + 16 * at, 16))
        yield peek(address, size)


def _command(peek: Peek, address: int) -> str:
    words: list[str] = []
    while len(words) < 100:
        (at,) = struct.unpack("Q", peek(address + 8 * len(words), 8))
        if not at:
            break
        words.append(_text(peek, at))
    names = [Path(one).name for one in words]
    if names[0] == "sh" and "git" in names:
        words = words[names.index("git") :]  # the shell only sets its limits
    name = Path(words[0]).name
    if name == "git":
        verbs = [one for one in words[1:] if re.fullmatch(r"[a-z][a-z-]+", one)]
        return f"git {verbs[0] if verbs else ''}".rstrip()
    if any(one.endswith("launcher.py") for one in words):
        return next(
            (Path(one).name for one in words if Path(one).name in {"initdb", "postgres"}), ""
        )
    return re.sub(r"[\d.]+$", "", name)
