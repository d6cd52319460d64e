"""Facts of a branch's history: who descends from whom, and which commits changed what.

Only the first-parent path counts: it is what the branch was, commit by commit, whatever was
merged into it. Subtree ids are compared, nothing is diffed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from controller.adapters.git import GitRepository
from controller.kernel.errors import Refused
from controller.kernel.objects import Oid

COMMITS_MAX = 100_000


class NotOnBranch(Refused):
    """A commit we know is not on the branch's first-parent path."""

    code = "history.not_on_branch"

    def __init__(self, commit: Oid, tip: Oid) -> None:
        super().__init__(
            f"{commit.hex()[:12]} is not on the first-parent path of {tip.hex()[:12]}",
            hint="the branch was rewritten or merged backwards; merge the branch's side first",
        )
        self.commit, self.tip = commit, tip


class HistoryTooLong(Refused):
    """There are more commits than we walk."""

    code = "history.too_long"


class Change(NamedTuple):
    """A commit that changed something, and its first parent."""

    commit: Oid
    parent: Oid | None


@dataclass(frozen=True, slots=True)
class Ancestry:
    """How a candidate stands to the commit accepted before (rule G1 judges, this only looks)."""

    accepted_exists: bool
    descends: bool
    on_first_parent_path: bool


def ancestry(repository: GitRepository, accepted: Oid, candidate: Oid) -> Ancestry:
    """Return how `candidate` stands to `accepted`; a commit that is gone descends to nobody."""
    if not repository.has(accepted):
        for _ in _path(repository, candidate):
            pass  # Lost from this very branch, it is no rewritten one: the walk meets the gap.
        return Ancestry(accepted_exists=False, descends=False, on_first_parent_path=False)
    if not repository.is_ancestor(accepted, candidate):
        return Ancestry(accepted_exists=True, descends=False, on_first_parent_path=False)
    on_path = any(commit == accepted for commit in _path(repository, candidate))
    return Ancestry(accepted_exists=True, descends=True, on_first_parent_path=on_path)


def release_changes(
    repository: GitRepository, environment: str, since: Oid | None, tip: Oid
) -> list[Change]:
    """Return the commits after `since` that changed an environment's folder, oldest first.

    `None` means from the beginning. Raise `NotOnBranch` when `since` is not on the path.
    """
    return path_changes(repository, f"environments/{environment}", since, tip)


def path_changes(repository: GitRepository, path: str, since: Oid | None, tip: Oid) -> list[Change]:
    """Return the first-parent commits after `since` that changed what stands at a path."""
    commits: list[Oid] = []
    for commit in _path(repository, tip):
        if commit == since:
            break
        commits.append(commit)
    else:
        if since is not None:
            raise NotOnBranch(since, tip)
    changes = []
    before, held = since, _at(repository, since, path)
    for commit in reversed(commits):
        holds = _at(repository, commit, path)
        if holds != held:
            changes.append(Change(commit, before))
        before, held = commit, holds
    return changes


def trees(repository: GitRepository, tip: Oid) -> Iterator[Oid]:
    """Yield the tree of each commit on the first-parent path, the tip's first."""
    for commit in _path(repository, tip):
        yield repository.tree_of(commit)


def _at(repository: GitRepository, commit: Oid | None, path: str) -> Oid | None:
    return repository.entry(repository.tree_of(commit), path) if commit else None


def _path(repository: GitRepository, tip: Oid) -> Iterator[Oid]:
    for number, commit in enumerate(repository.first_parents(tip)):
        if number >= COMMITS_MAX:
            raise HistoryTooLong(f"more than {COMMITS_MAX:,} commits behind {tip.hex()[:12]}")
        yield commit
