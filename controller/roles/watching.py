"""Sees the branch of a local repository move, and rings; a poll finds what it cannot see."""

from pathlib import Path

from controller.adapters.watch import watch_branch
from controller.kernel.instants import Clock
from controller.roles.companions import Companion, Say
from controller.roles.doorbell import Cause, Doorbell
from controller.roles.timing import Backoff


class Watcher(Companion):
    """Rings whenever a branch may have moved."""

    def __init__(
        self,
        git_dir: Path,
        branch: str,
        bell: Doorbell,
        *,
        backoff: Backoff,
        clock: Clock,
        say: Say,
    ) -> None:
        super().__init__(f"watching {git_dir}", backoff, clock, say)
        self._git_dir, self._branch, self._bell = git_dir, branch, bell

    def work(self) -> None:
        """Watch until told to stop, or until it cannot be watched."""
        watch_branch(self._git_dir, self._branch, changed=self._changed, stop=self.ended)

    def _changed(self) -> None:
        self.went_well()
        self._bell.ring(Cause.REPOSITORY)
