"""Watch a forked process at the door to the kernel, and kill it there when it is told to.

Linux stops the process (`ptrace`) before and after each system call. So what it changes outside
its own memory is seen whoever makes the call: Python, libpq, libgit2, a child. A kill right before
a call leaves the world as the calls before it made it; a kill right after one leaves whoever was
asked, a server for instance, to finish alone. See `syscalls.py` for which calls count.
"""

import ctypes
import os
import platform
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import NoReturn

from tests.support.effects import UNSTEADY, Describer
from tests.support.syscalls import CHANGING, HARMLESS

_TRACE_ME, _SYSCALL, _DETACH, _SET_OPTIONS, _NEWCOMER, _CALL_INFO = (
    0,
    24,
    17,
    0x4200,
    0x4201,
    0x420E,
)
_BIRTHS = (1, 2, 3)  # the events of fork, vfork and clone
_FORKS, _THREADS, _EXECS, _DIE_WITH_ME, _MARK = 2 | 4, 8, 16, 1 << 20, 1
_ALL = 0x40000000
_ENTRY, _INFO_BYTES = 1, 88
_FAILED = -4096


class When(StrEnum):
    """On which side of an effect death comes."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Doom:
    """Die at the n-th effect, counted from 1.

    After one that starts a child `delay_seconds` pass, in which the child goes on.
    """

    effect: int
    when: When = When.BEFORE
    delay_seconds: float = 0


@dataclass
class Watched:
    """What a process did: its effects in order (those that failed left out), and how it ended.

    `tried` holds those that failed, too, and leaves out those that a run may have or not: it is
    what a `Doom` counts. `unknown` are the numbers of system calls that no list knows.
    """

    effects: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    unknown: set[int] = field(default_factory=set)
    status: int = 0

    @property
    def died(self) -> bool:
        """Whether it was killed."""
        return self.status == -signal.SIGKILL


@cache
def available() -> bool:
    """Whether this machine lets us watch a child, and its calls have the numbers that we know."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    try:
        return watch(lambda: None, Path("/")).status == 0
    except OSError:
        return False


def watch(
    act: Callable[[], None], home: Path, *, doom: Doom | None = None, children: bool = False
) -> Watched:
    """Fork, let the child act, and write down its effects; with `children` those of theirs, too.

    Paths are told from `home` on. Whoever is killed takes the children that are watched along.
    The caller has no other children and no other threads.
    """
    child = os.fork()
    if child == 0:
        _be_watched(act)
    return _Watcher(child, Describer(home), doom, children=children).run()


def _be_watched(act: Callable[[], None]) -> NoReturn:
    status = 1
    try:
        _ptrace(_TRACE_ME, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        act()
        status = 0
    except BaseException:  # noqa: BLE001  the fork ends here, whatever it was
        traceback.print_exc()
    finally:
        os._exit(status)


class _Watcher:
    def __init__(
        self, child: int, describer: Describer, doom: Doom | None, *, children: bool
    ) -> None:
        self._first, self._describer, self._doom, self._children = child, describer, doom, children
        self._alive = {child}
        # Born, as the parent told, but not yet seen; and seen, or even ended, before that was told.
        self._unborn: set[int] = set()
        self._early: set[int] = set()
        self._at: dict[int, tuple[int, str] | None] = {}
        self._info = ctypes.create_string_buffer(_INFO_BYTES)
        self._found = Watched()

    def run(self) -> Watched:
        os.waitpid(self._first, _ALL)
        _ptrace(_SET_OPTIONS, self._first, _MARK | _FORKS | _THREADS | _EXECS | _DIE_WITH_ME)
        _ptrace(_SYSCALL, self._first, 0)
        while self._first in self._alive:
            pid, status = os.waitpid(-1, _ALL)
            if os.WIFSTOPPED(status):
                self._stopped(pid, status)
            else:
                self._ended(pid, status)
        if self._alive:
            self._end()
        return self._found

    def _ended(self, pid: int, status: int) -> None:
        if pid not in self._alive:
            self._early.add(pid)
        self._alive.discard(pid)
        self._unborn.discard(pid)
        if pid == self._first:
            self._found.status = os.waitstatus_to_exitcode(status)

    def _stopped(self, pid: int, status: int) -> None:
        number, event = os.WSTOPSIG(status), status >> 16
        deliver = 0
        if pid not in self._alive:
            self._early.add(pid)
        if number == signal.SIGTRAP | 0x80:
            if not self._call(pid):
                return
        elif event in _BIRTHS:
            self._expect(pid)
        elif event == 0 and pid in self._alive and pid not in self._unborn:
            deliver = number
        self._unborn.discard(pid)
        self._alive.add(pid)
        self._go_on(pid, deliver)

    def _expect(self, parent: int) -> None:
        """Count a child from its birth on, even before it is first seen.

        The kernel may tell of a child, and of its end, before it tells that the parent bore it.
        """
        born = ctypes.c_ulong()
        try:
            _ptrace(_NEWCOMER, parent, ctypes.addressof(born))
        except ProcessLookupError:
            return
        if born.value in self._early:
            self._early.discard(born.value)
        else:
            self._alive.add(born.value)
            self._unborn.add(born.value)

    @staticmethod
    def _go_on(pid: int, deliver: int) -> None:
        with suppress(ProcessLookupError):  # somebody killed it: its end will be told
            _ptrace(_SYSCALL, pid, deliver)

    def _call(self, pid: int) -> bool:
        """Look at a call that begins or ends; return whether the process goes on under watch."""
        try:
            _ptrace(_CALL_INFO, pid, ctypes.addressof(self._info), _INFO_BYTES)
        except ProcessLookupError:
            return True
        if self._info.raw[0] == _ENTRY:
            call, *args = struct.unpack_from("7Q", self._info.raw, 24)
            return self._begins(pid, call, tuple(args))
        (result,) = struct.unpack_from("q", self._info.raw, 24)
        return self._ends(pid, result)

    def _begins(self, pid: int, call: int, args: tuple[int, ...]) -> bool:
        self._at[pid] = None
        known = CHANGING.get(call)
        if known is None:
            if call not in HARMLESS:
                self._found.unknown.add(call)
            return True
        try:
            words = self._describer.describe(pid, *known, args, partial(_peek, pid))
        except (OSError, struct.error):
            if _is_stopped(pid):
                raise
            return True
        if words is None or words in UNSTEADY:
            return True
        self._found.tried.append(words)
        number = len(self._found.tried)
        if self._strikes(number, When.BEFORE):
            return self._end()
        if known[0] == "start" and not self._children:
            # It lives on without us: what it does is this effect.
            self._found.effects.append(words)
            self._alive.discard(pid)
            _ptrace(_DETACH, pid, 0)
            if self._strikes(number, When.AFTER):
                self._end()
            return False
        self._at[pid] = (number, words)
        return True

    def _ends(self, pid: int, result: int) -> bool:
        at = self._at.pop(pid, None)
        if at is None:
            return True
        if not _FAILED < result < 0 or at[1].startswith("connect to the database"):
            self._found.effects.append(at[1])
        return self._end() if self._strikes(at[0], When.AFTER) else True

    def _strikes(self, effect: int, when: When) -> bool:
        doom = self._doom
        if doom is None or (doom.effect, doom.when) != (effect, when):
            return False
        time.sleep(doom.delay_seconds)
        return True

    def _end(self) -> bool:
        for pid in self._alive:
            _kill(pid)
        with suppress(ChildProcessError):  # none is left
            while True:
                pid, status = os.waitpid(-1, _ALL)
                if os.WIFSTOPPED(status):
                    _kill(pid)  # it was born while its parent was killed
                else:
                    self._ended(pid, status)
        self._alive.clear()
        return False


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # a parent under watch may reap it first
        os.kill(pid, signal.SIGKILL)


def _is_stopped(pid: int) -> bool:
    """Whether a process still waits for us; one that somebody killed does not."""
    try:
        facts = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return facts.rpartition(")")[2].split()[0] == "t"


def _peek(pid: int, address: int, size: int) -> bytes:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123  not a plain path
        memory.seek(address)
        return memory.read(size)


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    return libc


def _ptrace(request: int, pid: int, data: int, address: int = 0) -> None:
    if _libc().ptrace(request, pid, address, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
