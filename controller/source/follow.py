"""Follow a branch of a remote, or of two: ask, fetch into quarantine, judge, move our own branch.

What is fetched is first named by nobody but the quarantine. Only a tip that may follow what was
accepted becomes the branch of the mirror, by compare and set; so a rewritten branch, one that was
deleted, and a remote that lies leave the mirror where it was, with all that was ever accepted.

With a second remote neither is believed alone. Both have to answer, and their tips have to stand on
one line: then the newer one is taken. Signatures say whether it is good; a remote that holds
commits back is overtaken by the other one, and one that shows another history is told apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from controller.adapters import remote
from controller.adapters.children import Stopped
from controller.adapters.git import GitRepository
from controller.adapters.mirror import Mirror
from controller.adapters.remoteaddress import Remote
from controller.adapters.remotefaults import BranchGone
from controller.kernel.errors import Corrupt, Untrusted
from controller.kernel.objects import Oid

Judge: TypeAlias = Callable[[Oid], None]
"""Raises unless a tip may follow what was accepted; all of its history is in the mirror."""


class RemotesDiverge(Untrusted):
    """Two remotes show two histories of one branch."""

    code = "source.remotes_diverge"

    def __init__(self, branch: str, tips: dict[str, Oid]) -> None:
        where = " and ".join(f"{oid.hex()} at {name}" for name, oid in tips.items())
        super().__init__(
            f"{branch} is {where}, and neither grew out of the other",
            hint="one of them was rewritten, or lies: compare both with a clone of somebody you "
            "trust; what was applied goes on being served",
        )
        self.tips = tips


class BranchElsewhere(Corrupt):
    """A branch that we alone write holds something else at the remote."""

    code = "source.branch_elsewhere"

    def __init__(self, source: Remote, ref: str, theirs: Oid) -> None:
        super().__init__(
            f"{source.name} ({source.shown}): {ref} is at {theirs.hex()}, which is not ours",
            hint="nothing was written over. Does another controller have the same name? Else look "
            "who pushed it, and keep a copy of it before it is removed",
        )
        self.source, self.ref, self.theirs = source, ref, theirs


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found: the tip, where the mirror's branch stood `before`, and when."""

    at: datetime
    tip: Oid
    before: Oid | None

    @property
    def moved(self) -> bool:
        """Whether there is something new."""
        return self.tip != self.before


@dataclass(frozen=True, slots=True)
class Follower:
    """One branch of a remote and, where there is one, of a second; `mirror` keeps what they hold.

    One thread alone looks. `stopped` says when nobody waits for its answer any more: git is killed.
    """

    mirror: Mirror
    branch: str
    first: Remote
    second: Remote | None = None
    stopped: Stopped | None = None

    @property
    def ref(self) -> str:
        """The branch's full name, here and there: never that of a tag."""
        return f"refs/heads/{self.branch}"

    @property
    def remotes(self) -> tuple[Remote, ...]:
        """Every remote that has to agree."""
        return (self.first,) if self.second is None else (self.first, self.second)

    def look(self, now: datetime, may_follow: Judge, *, expects_news: bool = False) -> Look:
        """Bring the mirror's branch to the remotes' newest tip; write nothing when it is there.

        Who was told that the branch moved `expects_news`: then it is fetched at once, unasked,
        which saves a connection.

        Raises what `may_follow` raises, `BranchGone`, `RemotesDiverge`, `GitStopped` and the errors
        of `remotefaults`; then the mirror's branch is where it was.
        """
        repository = self.mirror.repository
        before = repository.target(self.ref)
        if expects_news:
            held = {one: self._fetched(one) for one in self.remotes}
        else:
            seen = {one: self._seen(one) for one in self.remotes}
            if before is not None and set(seen.values()) == {before}:
                return Look(now, before, before)
            held = {one: self._held(one, tip) for one, tip in seen.items()}
        tip = _newer(repository, self.ref, held)
        if tip != before:
            may_follow(tip)
            repository.move(self.ref, before, tip)
        return Look(now, tip, before)

    def _seen(self, source: Remote) -> Oid:
        tip = remote.ls_remote(source, self.ref, stopped=self.stopped)
        if tip is None:
            raise BranchGone(source, self.ref)
        return tip

    def _held(self, source: Remote, seen: Oid) -> Oid:
        """Return the tip once all of it is here: it may have moved on since it was seen."""
        if self.mirror.fetched(source) == seen:
            return seen
        return self._fetched(source)

    def _fetched(self, source: Remote) -> Oid:
        return self.mirror.fetch(source, self.ref, stopped=self.stopped)


def push_branch(
    mirror: Mirror, target: Remote, ref: str, *, stopped: Stopped | None = None
) -> bool:
    """Bring a remote's copy of a branch that we alone write up to ours; tell whether it was behind.

    Raises `BranchElsewhere`, and writes nothing, when the remote holds what did not come from us.
    """
    repository = mirror.repository
    ours = repository.target(ref)
    if ours is None:
        return False
    theirs = remote.ls_remote(target, ref, stopped=stopped)
    if theirs == ours:
        return False
    if theirs is not None and not _descends(repository, theirs, ours):
        raise BranchElsewhere(target, ref, theirs)
    remote.push(target, ref, git_dir=mirror.git_dir, old=theirs, stopped=stopped)
    return True


def _newer(repository: GitRepository, ref: str, held: dict[Remote, Oid]) -> Oid:
    """Return the tip that all others are ancestors of."""
    for tip in held.values():
        if all(_descends(repository, other, tip) for other in held.values()):
            return tip
    raise RemotesDiverge(ref, {one.name: oid for one, oid in held.items()})


def _descends(repository: GitRepository, ancestor: Oid, tip: Oid) -> bool:
    return repository.has(ancestor) and repository.is_ancestor(ancestor, tip)
