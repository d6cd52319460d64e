"""A child process that can be killed: an absolute deadline, bounds on what it may use, a group.

The child leads a process group of its own. When it is late, or says more than it may, the whole
group is asked to end and then killed, before the child is reaped: until then nobody else can get
its number. An exception that a signal handler raises ends it the same way, so whoever shuts down
waits for no network. A child that not even SIGKILL ends is left behind; nobody waits for it.
"""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

OUTPUT_MAX_BYTES = 64 * 1024 * 1024
TERMINATION_SECONDS = 2.0

_CHUNK_BYTES = 64 * 1024
_ASK_SECONDS = 0.25
_LOOK_SECONDS = 0.01
_BLOCK_BYTES = 512  # what POSIX counts `ulimit -f` in
# A hard limit of the host that is lower stays. Without the signal a write fails and says so.
_LIMITED = (
    """trap '' XFSZ; ulimit -S -f "$1" 2>/dev/null || :; ulimit -S -d "$2" 2>/dev/null || :; """
    'shift 2; exec "$@"'
)


Stopped: TypeAlias = Callable[[], bool]
"""Says whether nobody wants an answer any more; asked four times a second."""


class GaveUp(Exception):
    """Nobody wants the answer any more, and the child was killed."""


class Late(Exception):
    """The child took longer than it may, and was killed."""


class TooMuch(Exception):
    """The child wrote more than it may to its output, and was killed."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a child may use. `None`: as much as we may ourselves.

    A child that may not use our `terminal` gets a session of its own. One that never asks anything
    is quicker without: Linux lets a new session wait for its turn where the processors are busy.
    """

    output_bytes: int = OUTPUT_MAX_BYTES
    file_bytes: int | None = None
    memory_bytes: int | None = None
    terminal: bool = False
    stopped: Stopped | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended, and what it wrote."""

    status: int
    stdout: bytes
    stderr: bytes


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    seconds: float,
    stdin: bytes = b"",
    bounds: Bounds = Bounds(),
    keep: Sequence[int] = (),
) -> Ended:
    """Run a command to its end; raise `Late`, `TooMuch` or `GaveUp` once it was killed for it.

    `keep` are descriptors that the child inherits, with all its children.
    """
    until = time.monotonic() + seconds
    child = subprocess.Popen(  # noqa: S603  the caller's words, no shell reads them
        _within(command, bounds),
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        start_new_session=not bounds.terminal,
        process_group=0 if bounds.terminal else None,
        pass_fds=keep,
    )
    try:
        stdout, stderr = _talk(child, stdin, until, bounds)
        status = child.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        stop(child)
        raise Late from None
    except BaseException:
        stop(child)
        raise
    finally:
        for pipe in (child.stdin, child.stdout, child.stderr):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
    return Ended(status, stdout, stderr)


def stop(child: "subprocess.Popen[bytes]") -> None:
    """End a child and everything in its group: ask, wait, kill."""
    _signal(child, signal.SIGTERM)
    if not _has_ended(child, TERMINATION_SECONDS):
        _signal(child, signal.SIGKILL)
        _has_ended(child, TERMINATION_SECONDS)
    # What it started may still be there; the group keeps its number until we reap its leader.
    _signal(child, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        child.wait(TERMINATION_SECONDS)


def _within(command: Sequence[str], bounds: Bounds) -> list[str]:
    if bounds.file_bytes is None and bounds.memory_bytes is None:
        return list(command)
    blocks = "unlimited" if bounds.file_bytes is None else str(bounds.file_bytes // _BLOCK_BYTES)
    kib = "unlimited" if bounds.memory_bytes is None else str(bounds.memory_bytes // 1024)
    return ["/bin/sh", "-c", _LIMITED, "sh", blocks, kib, *command]


def _talk(
    child: "subprocess.Popen[bytes]", stdin: bytes, until: float, bounds: Bounds
) -> tuple[bytes, bytes]:
    """Hand a child its input and return its output and its errors, both to their ends."""
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    said: dict[int, bytearray] = {one.fileno(): bytearray() for one in (child.stdout, child.stderr)}
    with selectors.DefaultSelector() as selector:
        for pipe in (child.stdout, child.stderr):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ)
        rest = memoryview(stdin)
        os.set_blocking(child.stdin.fileno(), False)
        selector.register(child.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            left = until - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(child.args, 0)
            if bounds.stopped is not None and bounds.stopped():
                raise GaveUp
            for key, _ in selector.select(min(left, _ASK_SECONDS) if bounds.stopped else left):
                if key.fileobj is child.stdin:
                    rest = _give(child.stdin, rest, selector)
                elif not _take(key.fd, said[key.fd], bounds.output_bytes):
                    selector.unregister(key.fileobj)
    return bytes(said[child.stdout.fileno()]), bytes(said[child.stderr.fileno()])


def _give(stdin: IO[bytes], rest: memoryview, selector: selectors.DefaultSelector) -> memoryview:
    """Write what the pipe takes; close it after the last byte, or when nobody reads any more."""
    try:
        rest = rest[os.write(stdin.fileno(), rest[:_CHUNK_BYTES]) :] if rest else rest
    except BrokenPipeError:
        rest = rest[len(rest) :]
    if not rest:
        selector.unregister(stdin)
        stdin.close()
    return rest


def _take(pipe: int, said: bytearray, output_bytes: int) -> bool:
    """Read what is there; return whether more may come."""
    data = os.read(pipe, _CHUNK_BYTES)
    said += data
    if len(said) > output_bytes:
        raise TooMuch
    return bool(data)


def _signal(child: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    # One that has ended and is not reaped takes a signal here and refuses it on other systems.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _has_ended(child: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Wait for a child's end without reaping it; tell whether it came."""
    until = time.monotonic() + seconds
    while True:
        if child.returncode is not None:
            return True
        ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None:
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(_LOOK_SECONDS)
