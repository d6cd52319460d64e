"""Which commits a host wants signed, and their bytes: those that are new since the accepted one.

Nothing is verified here. The whole range is bounded, in commits and in bytes, before it is read.
"""

from collections.abc import Iterator
from enum import StrEnum

from controller.adapters.git import GitRepository
from controller.kernel.errors import Refused
from controller.kernel.objects import Oid
from controller.source.budget import COMMIT_BYTES, HISTORY_BYTES
from controller.source.history import COMMITS_MAX, HistoryTooLong


class Verify(StrEnum):
    """Which of the commits that are new have to be signed."""

    NONE = "none"
    HEAD = "head"
    FIRST_PARENT = "first-parent"
    ALL = "all"


class CommitsTooLarge(Refused):
    """The commits of a range are longer, together, than those of any real one."""

    code = "commits.too_large"

    def __init__(self, commit: Oid, size_bytes: int) -> None:
        super().__init__(
            f"{size_bytes:,} bytes of commits up to {commit.hex()[:12]}: more than we verify",
            hint="push fewer of them at once, with messages that people can read",
        )
        self.commit, self.size_bytes = commit, size_bytes


def commits_after(
    repository: GitRepository, since: Oid | None, tip: Oid, verify: Verify
) -> list[Oid]:
    """Return the commits to verify, oldest first: none of them is `since` or stands behind it.

    `None` means from the beginning. The mode `first-parent` leaves out what was merged; `all`
    has it in, as far as it came with this range.
    """
    if verify is Verify.NONE or tip == since:
        return []
    if verify is Verify.HEAD:
        return [tip]
    path, meets = _path(repository, since, tip)
    merged = [parent for one in path for parent in repository.parents_of(one)[1:]]
    if meets and (verify is Verify.FIRST_PARENT or not merged):
        return path[::-1]
    behind = _behind(repository, [since] if since is not None else [], set())
    path = [one for one in path if one not in behind]
    if verify is Verify.FIRST_PARENT:
        return path[::-1]
    merged = [parent for one in path for parent in repository.parents_of(one)[1:]]
    brought = _behind(repository, merged, behind.keys() | set(path))
    return [*reversed(brought), *reversed(path)]


def read_commits(repository: GitRepository, commits: list[Oid]) -> Iterator[tuple[Oid, bytes]]:
    """Yield each commit with its bytes; raise `CommitsTooLarge` before they are too many."""
    spent, most = 0, HISTORY_BYTES + COMMIT_BYTES * len(commits)
    for commit in commits:
        spent += repository.header(commit).size_bytes
        if spent > most:
            raise CommitsTooLarge(commit, spent)
        yield commit, repository.raw_commit(commit)


def _path(repository: GitRepository, since: Oid | None, tip: Oid) -> tuple[list[Oid], bool]:
    """Return the first-parent path, newest first, and whether it leads down to `since`."""
    path: list[Oid] = []
    for commit in repository.first_parents(tip):
        if commit == since:
            return path, True
        if len(path) >= COMMITS_MAX:
            raise _too_long(tip)
        path.append(commit)
    return path, since is None


def _behind(repository: GitRepository, tips: list[Oid], known: set[Oid]) -> dict[Oid, None]:
    """Return the commits that tips lead to and that are not known, in the order they are met."""
    found: dict[Oid, None] = {}
    waiting = list(reversed(tips))
    while waiting:
        commit = waiting.pop()
        if commit in known or commit in found:
            continue
        if len(found) >= COMMITS_MAX:
            raise _too_long(commit)
        found[commit] = None
        waiting += reversed(repository.parents_of(commit))
    return found


def _too_long(commit: Oid) -> HistoryTooLong:
    return HistoryTooLong(f"more than {COMMITS_MAX:,} commits behind {commit.hex()[:12]}")
