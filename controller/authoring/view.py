"""An artifact repository as its author sees it: the work tree, or the newest commit.

Both are read by the walker that the controller uses, so what it would refuse is refused here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from controller.adapters import worktree
from controller.adapters.files import write_file
from controller.adapters.git import GitRepository
from controller.artifacts import levels, walk
from controller.kernel.errors import Refused
from controller.kernel.objects import Objects, Oid

FILE_SIZE_MAX_BYTES = 4 * 1024 * 1024
"""Statements, envelopes, roots and drafts are far smaller."""


class NeedsWorktree(Refused):
    """Authoring changes files, and a bare repository has none."""

    code = "authoring.needs_worktree"


class NoCommits(Refused):
    """What has to be in a commit cannot be: there is none yet."""

    code = "authoring.no_commits"


class ThroughLink(Refused):
    """A file would be written through a symbolic link, who knows where."""

    code = "authoring.through_link"


@dataclass(frozen=True, slots=True)
class View:
    """One tree of an artifact repository."""

    objects: Objects
    tree: Oid

    def find(self, path: str) -> levels.Entry | None:
        """Return what stands at a path, or `None`."""
        return walk.find(self.objects, self.tree, path)

    def read(self, path: str) -> bytes | None:
        """Return a small file's bytes, or `None` when there is none."""
        entry = self.find(path)
        if entry is None or entry.is_tree:
            return None
        return walk.read_blob(self.objects, entry.oid, path, FILE_SIZE_MAX_BYTES)

    def children(self, path: str) -> tuple[levels.Entry, ...]:
        """Return one level of a folder; nothing when it is not there."""
        entry = self.find(path)
        if entry is None or not entry.is_tree:
            return ()
        return levels.children(self.objects, entry.oid, path)

    def replaced(self, path: str, data: bytes) -> "View":
        """Return the same tree with one file replaced; nothing is written."""
        objects = worktree.WorktreeObjects(self.objects)

        def put(tree: Oid | None, parts: list[str]) -> Oid:
            entries = levels.parse_tree(objects.read(tree)) if tree else []
            name = parts[0].encode()
            before = next((oid for mode, one, oid in entries if one == name), None)
            if len(parts) > 1:
                entry = (b"40000", name, put(before, parts[1:]))
            else:
                entry = (b"100644", name, objects.put_blob(data))
            return objects.put_tree([*(one for one in entries if one[1] != name), entry])

        return View(objects, put(self.tree, path.split("/")))


@dataclass(frozen=True, slots=True)
class Workspace:
    """A repository with a work tree in which somebody edits, signs and releases."""

    repository: GitRepository
    folder: Path

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the repository that a folder lies in."""
        repository = GitRepository.discover(path)
        if repository.worktree is None:
            raise NeedsWorktree(
                f"{path} is a bare repository", hint="work in a clone: git clone it first"
            )
        return cls(repository, repository.worktree)

    def edited(self) -> View:
        """Return the work tree as it is now, committed or not."""
        snapshot = worktree.snapshot(self.folder, under=self.repository)
        return View(snapshot.objects, snapshot.tree)

    def tip(self) -> Oid:
        """Return the newest commit."""
        commit = self.repository.resolve("HEAD")
        if commit is None:
            raise NoCommits(
                "the repository has no commit yet", hint="git add -A && git commit -m start"
            )
        return commit

    def committed(self) -> View:
        """Return the tree of the newest commit."""
        return self.at(self.tip())

    def at(self, commit: Oid) -> View:
        """Return the tree of a commit."""
        return View(self.repository, self.repository.tree_of(commit))

    def write(self, path: str, data: bytes) -> None:
        """Write a file of the work tree, if it holds other bytes; never through a link."""
        target = self.folder / path
        for part in (target, *target.parents):
            if part == self.folder:
                break
            if part.is_symlink():
                raise ThroughLink(f"{part} is a link", hint="put a plain file or folder there")
        if target.is_file() and target.read_bytes() == data:
            return
        write_file(target, data, scratch=self.repository.git_dir)
