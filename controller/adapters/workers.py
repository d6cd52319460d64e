"""A process of ours that goes on running: started, watched by its beats, asked to end, killed.

It shows that it lives by writing to a pipe; how long it may be silent is its keeper's business. It
ends when its keeper does, however that ends: the kernel tells it, and its next beat finds nobody.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_LAUNCHER: Final = Path(__file__).with_name("launcher.py")
_BEAT: Final = b"."
_READ_BYTES: Final = 4096
_KILL_SECONDS: Final = 10


class Worker:
    """One running process. `arguments` are those of our own command line."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        program = [sys.executable, "-m", "controller", *arguments, "--beat-fd", str(theirs)]
        account = [str(os.getpid()), str(os.geteuid()), str(os.getegid())]
        try:
            self.process = subprocess.Popen(  # noqa: S603  (our own command line)
                [sys.executable, "-I", str(_LAUNCHER), *account, *program],
                stdin=subprocess.DEVNULL,
                env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
                pass_fds=[theirs],
            )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self._beats = ours
        self.started = self.last_beat = time.monotonic()
        self.has_beaten = False

    def look(self) -> int | None:
        """Take note of its beats; return its exit status once it has ended."""
        with suppress(BlockingIOError):
            while os.read(self._beats, _READ_BYTES):
                self.last_beat, self.has_beaten = time.monotonic(), True
        return self.process.poll()

    def silent_seconds(self) -> float:
        """Return how long ago it last beat, or was started."""
        return time.monotonic() - self.last_beat

    def signal(self, number: int) -> None:
        """Send it a signal; nothing happens when it has ended."""
        self.process.send_signal(number)

    def stop(self, seconds: float) -> int:
        """Ask it to end, kill it when it does not, and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait(_KILL_SECONDS)
        self.close()
        return status

    def close(self) -> None:
        """Let go of the pipe of a process that has ended."""
        if self._beats >= 0:
            os.close(self._beats)
            self._beats = -1


class Beats:
    """The worker's end: beat while all is well. Without a keeper it does nothing."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            os.set_blocking(descriptor, False)
            os.set_inheritable(descriptor, False)

    def beat(self) -> bool:
        """Show that we live; return whether anybody is left to see it."""
        if self._descriptor is None:
            return True
        try:
            os.write(self._descriptor, _BEAT)
        except BlockingIOError:
            return True  # the keeper has not looked for a while; what it reads then is enough
        except BrokenPipeError:
            return False
        return True
