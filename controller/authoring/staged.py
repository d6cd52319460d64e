"""What is judged or compared: a commit, or a work tree as the commit it would become."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from controller.adapters import worktree
from controller.adapters.git import GitRepository, NoRepository
from controller.authoring.view import NeedsWorktree, View
from controller.kernel.errors import Refused
from controller.kernel.objects import Header, History, MissingObject, Objects, Oid

NEXT = Oid(bytes(20))
"""Names the commit that a work tree would become; git never makes this id."""

_BEHIND = re.compile(r"[~^@:]")


class NoSuchCommit(Refused):
    """A name does not lead to a commit."""

    code = "authoring.no_such_commit"

    def __init__(self, ref: str, where: Path) -> None:
        super().__init__(
            f"{ref!r} names no commit in {where}", hint="a branch, a tag, a commit id, or HEAD~1"
        )
        self.ref = ref


class AmbiguousName(Refused):
    """A word names a branch and a tag."""

    code = "authoring.ambiguous_name"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} is a branch and a tag", hint=f"write refs/heads/{name} or refs/tags/{name}"
        )
        self.name = name


@dataclass(frozen=True, slots=True)
class Staged:
    """A work tree on top of the newest commit, if there is one. Nothing is written."""

    objects: Objects
    tree: Oid
    repository: GitRepository | None
    parent: Oid | None

    def header(self, oid: Oid) -> Header:
        """Return an object's kind and size."""
        return self.objects.header(oid)

    def read(self, oid: Oid) -> bytes:
        """Return an object's contents."""
        return self.objects.read(oid)

    def read_many(self, oids: Iterable[Oid]) -> Iterator[bytes]:
        """Yield the contents of many blobs."""
        return self.objects.read_many(oids)

    def tree_of(self, commit: Oid) -> Oid:
        """Return a commit's tree; that of `NEXT` is the work tree."""
        if commit == NEXT:
            return self.tree
        if self.repository is None:
            raise MissingObject(commit, "there is no repository")
        return self.repository.tree_of(commit)

    def first_parents(self, tip: Oid, until: Oid | None = None) -> Iterator[Oid]:
        """Yield `NEXT` and what it stands on, or the path of another commit."""
        below: Oid | None = tip
        if tip == NEXT:
            yield NEXT
            below = self.parent
        if self.repository is not None and below is not None:
            yield from self.repository.first_parents(below, until)


@dataclass(frozen=True, slots=True)
class Subject:
    """One state of an artifact repository: its history, and the commit that is looked at."""

    name: str
    history: History
    commit: Oid
    before: Oid | None
    """The commit a work tree stands on; `None` for a commit, and before the first one."""

    @property
    def is_worktree(self) -> bool:
        """Whether nothing of it is committed yet."""
        return self.commit == NEXT

    @property
    def view(self) -> View:
        """Return the tree that is looked at."""
        return View(self.history, self.history.tree_of(self.commit))

    @property
    def view_before(self) -> View | None:
        """Return the tree that a work tree stands on."""
        if self.before is None:
            return None
        return View(self.history, self.history.tree_of(self.before))


def work_tree(path: Path) -> Subject:
    """Return the work tree that a folder lies in; outside of git, the folder itself."""
    try:
        repository = GitRepository.discover(path)
    except NoRepository:
        if not path.is_dir():
            raise
        snapshot = worktree.snapshot(path)
        staged = Staged(snapshot.objects, snapshot.tree, None, None)
        return Subject("worktree", staged, NEXT, None)
    if repository.worktree is None:
        raise NeedsWorktree(f"{path} is a bare repository", hint="name a commit: --ref main")
    snapshot = worktree.snapshot(repository.worktree, under=repository)
    head = repository.resolve("HEAD")
    return Subject(
        "worktree", Staged(snapshot.objects, snapshot.tree, repository, head), NEXT, head
    )


def commit_named(path: Path, ref: str) -> Subject:
    """Return the commit that a ref names in the repository that a folder lies in."""
    repository = GitRepository.discover(path)
    _refuse_two_names(repository, ref)
    commit = repository.resolve(ref)
    if commit is None:
        raise NoSuchCommit(ref, repository.path)
    return Subject(ref, repository, commit, None)


def _refuse_two_names(repository: GitRepository, ref: str) -> None:
    """Raise when a word leads to a branch and to a tag: git takes one, people mean the other."""
    name = _BEHIND.split(ref, maxsplit=1)[0]
    known = repository.references("refs/")
    if f"refs/heads/{name}" in known and f"refs/tags/{name}" in known:
        raise AmbiguousName(name)
