"""Facts of a branch's history: who descends from whom, and which commits changed what.

Only the first-parent path counts: it is what the branch was, commit by commit, whatever was
merged into it. Subtree ids are compared, nothing is diffed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from controller.adapters.git import GitRepository
from controller.kernel.errors import Refused
from controller.kernel.objects import MissingObject, Oid
from controller.source.budget import BEGIN_ANEW, Budget

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
    look = _Look(repository, path)
    held = [look.at(commit) for commit in commits]
    before = [*commits[1:], since] if commits else []
    held.append(look.at(since) if since else None)
    found = zip(commits, before, pairwise(held), strict=True)
    return [Change(one, parent) for one, parent, (new, old) in found if new != old][::-1]


class _Look:
    """What stands at a path in one commit after another, unjudged: only good for telling apart.

    The newest commit comes first, as for everybody who looks: what may be read grows with them.
    """

    def __init__(self, repository: GitRepository, path: str) -> None:
        self._repository, self._path = repository, path
        self._budget = Budget(repository)
        self._last: dict[int, tuple[Oid, Oid | None]] = {}

    def at(self, commit: Oid) -> Oid | None:
        """Return an id; `None` where nothing stands, or in a folder too large to be a real one."""
        self._budget.reach(commit)
        tree = self._repository.tree_of(commit)
        here: Oid | None = tree
        for depth, part in enumerate(self._path.split("/")):
            if here is None:
                return None
            last = self._last.get(depth)
            if last is None or last[0] != here:
                try:
                    found = self._below(here, part)
                except MissingObject:
                    return self._repository.entry(tree, self._path)  # a submodule, or a fault
                last = self._last[depth] = here, found
            here = last[1]
        return here

    def _below(self, folder: Oid, name: str) -> Oid | None:
        if self._repository.header(folder).kind != "tree" or not self._budget.allows(folder):
            return None
        return self._repository.entry(folder, name)


def _path(repository: GitRepository, tip: Oid) -> Iterator[Oid]:
    for number, commit in enumerate(repository.first_parents(tip)):
        if number >= COMMITS_MAX:
            raise HistoryTooLong(
                f"more than {COMMITS_MAX:,} commits behind {tip.hex()[:12]}", hint=BEGIN_ANEW
            )
        yield commit
