"""Work shared out among forks of this process, whose answers come back in order through pipes.

A fork begins with everything its parent knows and opens nothing of its parent's again: it may
compute and read files, and must never touch a connection. It dies with its parent, at the latest
when it next writes. What one of them stumbles over is done again by the parent, so an error is the
same, with its type and its facts, as if there had been no fork.
"""

import ctypes
import os
import pickle
import select
import signal
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fcntl import fcntl
from itertools import islice
from typing import IO, Any, TypeVar

from controller.kernel.errors import Unavailable

FORKS_MAX = 4

AHEAD_BYTES_MAX = 64 * 1024 * 1024
"""So many bytes of answers each fork keeps while its parent is busy elsewhere."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Work = Callable[[Sequence[Item]], Iterator[Answer]]
"""Answers items, each once and in their order."""

# They wait all their life and hold no lock that a fork needs: `embedded.py` has one.
_QUIET_THREADS = frozenset({"postgres-keeper"})

_SIZE = struct.Struct(">q")
_STUMBLED = -1
_PIPE_BYTES = 1024 * 1024
_F_SETPIPE_SZ = 1031
_PR_SET_PDEATHSIG = 1


class ForkDied(Unavailable):
    """A fork of this process ended before its work was done."""

    code = "forks.died"

    def __init__(self, status: int) -> None:
        how = f"signal {-status}" if status < 0 else f"status {status}"
        super().__init__(
            f"a process that shared the work ended with {how}",
            hint="is there enough memory? The same run may succeed",
        )
        self.status = status


def forks_wanted() -> int:
    """Return how many forks are worth having: one a processor, none where forking is not safe.

    Another thread may hold a lock that would stay locked in a fork for ever.
    """
    others = {thread.name for thread in threading.enumerate()} - _QUIET_THREADS
    if sys.platform != "linux" or len(others) > 1:
        return 0
    processors = len(os.sched_getaffinity(0))
    return min(processors, FORKS_MAX) if processors > 1 else 0


def shared_out(
    work: Work[Item, Answer], batches: Sequence[Sequence[Item]], forks: int
) -> Generator[Answer, None, None]:
    """Yield the answers to all items in order; a batch is what goes through a pipe at once."""
    if forks == 0:
        yield from work([item for batch in batches for item in batch])
        return
    children: list[_Fork] = []
    try:
        for number in range(forks):
            children.append(_Fork.start(work, batches[number::forks], children))
        for number in range(len(batches)):
            answers = children[number % forks].answers()
            if answers is None:
                rest = [item for batch in batches[number:] for item in batch]
                yield from work(rest)
                return
            yield from answers
    finally:
        for child in children:
            child.stop()


@dataclass(slots=True)
class _Fork:
    pid: int
    pipe: IO[bytes]
    status: int | None = None

    @classmethod
    def start(
        cls, work: Work[Item, Answer], share: Sequence[Sequence[Item]], others: "list[_Fork]"
    ) -> "_Fork":
        parent = os.getpid()
        reading, writing = os.pipe()
        with suppress(OSError):  # a small pipe only makes forks wait more often
            fcntl(writing, _F_SETPIPE_SZ, _PIPE_BYTES)
        pid = os.fork()
        if pid:
            os.close(writing)
            return cls(pid, os.fdopen(reading, "rb", buffering=_PIPE_BYTES))
        # Nothing of the parent's may be flushed, closed or unwound here: out by os._exit alone.
        try:
            _die_with(parent)
            for descriptor in (reading, *(other.pipe.fileno() for other in others)):
                os.close(descriptor)
            _answer(work, share, writing)
        finally:
            os._exit(0)

    def answers(self) -> list[Any] | None:
        """Return the next batch's answers, or `None` when the fork stumbled over it."""
        size = self.pipe.read(_SIZE.size)
        if len(size) == _SIZE.size:
            (length,) = _SIZE.unpack(size)
            if length == _STUMBLED:
                return None
            data = self.pipe.read(length)
            if len(data) == length:
                found: list[Any] = pickle.loads(data)  # noqa: S301  our own fork wrote it
                return found
        raise ForkDied(self.wait())

    def stop(self) -> None:
        """End the fork if it is still there."""
        self.pipe.close()
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)  # nobody else waits for it, so it is still ours
            self.wait()

    def wait(self) -> int:
        """Wait for its end and return how it ended: an exit status, or minus a signal."""
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status


def _answer(work: Work[Item, Answer], share: Sequence[Sequence[Item]], pipe: int) -> None:
    outlet = _Outlet(pipe)
    try:
        answers = work([item for batch in share for item in batch])
        for batch in share:
            data = pickle.dumps(list(islice(answers, len(batch))), pickle.HIGHEST_PROTOCOL)
            outlet.put(_SIZE.pack(len(data)))
            outlet.put(data)
    except Exception:  # noqa: BLE001  the parent meets it again and says what it is
        outlet.put(_SIZE.pack(_STUMBLED))
    outlet.wait_for_room(0)


class _Outlet:
    """What a parent has not read yet; kept, up to a bound, so that a fork can run ahead."""

    def __init__(self, pipe: int) -> None:
        os.set_blocking(pipe, False)
        self._pipe, self._kept, self._bytes = pipe, deque[memoryview](), 0

    def put(self, data: bytes) -> None:
        """Give what the pipe takes at once and keep the rest."""
        self._kept.append(memoryview(data))
        self._bytes += len(data)
        self._give()
        self.wait_for_room(AHEAD_BYTES_MAX)

    def wait_for_room(self, bytes_max: int) -> None:
        """Wait until no more than so many bytes are kept."""
        while self._bytes > bytes_max:
            select.select([], [self._pipe], [])
            self._give()

    def _give(self) -> None:
        with suppress(BlockingIOError):
            while self._kept:
                given = os.write(self._pipe, self._kept[0])
                self._bytes -= given
                self._kept[0] = self._kept[0][given:]
                if not self._kept[0]:
                    self._kept.popleft()


def _die_with(parent: int) -> None:
    """End when the parent ends; leave its signals to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0 or os.getppid() != parent:
        os._exit(1)
