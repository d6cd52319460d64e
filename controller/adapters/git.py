"""Git's object database and refs through libgit2; never a checkout, never the network.

Objects are found by id and their bytes are believed only after our own SHA-256 over them, so
libgit2's second look at SHA-1 is off. What we write is fsynced. libgit2 runs no hooks and no
filters here, so who owns the folder does not matter: contents are judged by signatures.
"""

import re
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple, Self, TypeAlias, cast

import pygit2
from pygit2.enums import FileMode, ObjectType, RepositoryInitFlag, RepositoryOpenFlag

from controller.adapters import gitfaults, gitrefs
from controller.adapters.gitcli import child_environment, git_program
from controller.adapters.gitfaults import NoRepository, RepositoryBusy
from controller.adapters.gitrefs import RefMoved
from controller.adapters.recent import BYTES_MAX, OBJECT_BYTES_MAX, RecentObjects
from controller.kernel.errors import ControllerError, DeadlinePassed, Refused
from controller.kernel.objects import Header, MissingObject, Oid

__all__ = [
    "Author",
    "BadAuthor",
    "GitRepository",
    "NoRepository",
    "RefMoved",
    "RepositoryBusy",
    "commit_content",
]

MANY = 64
"""From this many objects on, one streaming child is faster than reading in process."""

READ_MANY_SECONDS = 1800.0

COMMIT_SIZE_MAX_BYTES = 1024 * 1024
"""A bigger commit is refused by its header: libgit2 would hold all of it, several times."""

COMMITS_MAX = 10_000
"""Of so many commits tree and parents are remembered: a pass follows the same few again."""

_AHEAD = 1000  # 41 bytes each: less than the 64 KiB that a pipe holds

_KINDS = {
    int(ObjectType.BLOB): "blob",
    int(ObjectType.TREE): "tree",
    int(ObjectType.COMMIT): "commit",
    int(ObjectType.TAG): "tag",
}
_Changes: TypeAlias = dict[str, "bytes | _Changes | None"]
_WHOLE_ID = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[^<>\x00-\x1f\x7f]{1,200}")

pygit2.settings.enable_fsync_gitdir(True)
pygit2.settings.enable_strict_hash_verification(False)
pygit2.settings.owner_validation = False
# Trees on the way to a path are looked up through libgit2 itself, which keeps them too.
pygit2.settings.cache_object_limit(ObjectType.TREE, OBJECT_BYTES_MAX)
pygit2.settings.cache_max_size(BYTES_MAX)


class CommitTooLarge(Refused):
    """A commit is bigger than we read."""

    code = "git.commit_too_large"

    def __init__(
        self, commit: Oid, size_bytes: int, size_max_bytes: int = COMMIT_SIZE_MAX_BYTES
    ) -> None:
        super().__init__(
            f"commit {commit.hex()} has {size_bytes:,} bytes, more than the "
            f"{size_max_bytes:,} we read",
            hint="it may be damaged: `git fsck --full`, and copy it from another clone; where it "
            "is whole its message is too long, and a branch that holds it starts anew before it",
        )
        self.commit, self.size_bytes = commit, size_bytes


class NotACommit(MissingObject):
    """An object is there, and is of another kind: a tag's own, a tree or a blob."""

    code = "git.not_a_commit"

    def __init__(self, oid: Oid, kind: str) -> None:
        super().__init__(oid)
        self.args = (f"object {oid.hex()} is a {kind}, and a commit is asked for",)
        self.hint = "let the branch name a commit: `git update-ref`, from the reflog or a clone"
        self.kind = kind


class BadAuthor(Refused):
    """A name or an e-mail address cannot stand in a commit."""

    code = "git.bad_author"


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes a commit, and when (aware; whole seconds are written, in UTC)."""

    name: str
    email: str
    when: datetime

    def __post_init__(self) -> None:
        """Neither part may break the commit's header."""
        if not (_NAME.fullmatch(self.name) and _NAME.fullmatch(self.email)):
            raise BadAuthor(f"{self.name!r} <{self.email!r}> cannot stand in a commit")


class _Commit(NamedTuple):
    """What a commit leads to, and its size."""

    tree: Oid
    parents: tuple[Oid, ...]
    size_bytes: int


def commit_content(tree: Oid, parents: Iterable[Oid], author: Author, message: str) -> bytes:
    """Return the raw bytes of a commit without signature: what a commit signature covers."""
    stamp = f"{author.name} <{author.email}> {int(author.when.timestamp())} +0000"
    headers = [f"tree {tree.hex()}", *(f"parent {parent.hex()}" for parent in parents)]
    headers += [f"author {stamp}", f"committer {stamp}"]
    return ("\n".join(headers) + "\n\n" + message.rstrip("\n") + "\n").encode()


class GitRepository:
    """One repository; safe to share between threads, each of which opens its own handle."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handles = threading.local()
        self._recent = RecentObjects()
        self._commits: dict[Oid, _Commit] = {}
        repository = self._repository
        self.git_dir = Path(repository.path)
        self.worktree = Path(repository.workdir) if repository.workdir else None

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the repository at exactly this path: a bare one, or the top of a work tree."""
        return cls(path)

    @classmethod
    def discover(cls, path: Path) -> Self:
        """Open the repository that a folder lies in."""
        found = pygit2.discover_repository(str(path))
        if found is None:
            raise NoRepository(
                f"{path} is not in a git repository", hint="`countersign init` starts one"
            )
        repository = pygit2.Repository(found, RepositoryOpenFlag.NO_SEARCH)
        return cls(Path(repository.workdir or repository.path))

    @classmethod
    def init(cls, path: Path, *, bare: bool, branch: str = "main") -> Self:
        """Start an empty repository, or open the one that is there."""
        flags = RepositoryInitFlag.MKPATH | RepositoryInitFlag.MKDIR
        with gitfaults.started(path):
            pygit2.init_repository(str(path), bare=bare, flags=flags, initial_head=branch)
        return cls(path)

    @property
    def is_bare(self) -> bool:
        """Whether there is no work tree."""
        return self.worktree is None

    # Objects

    def header(self, oid: Oid) -> Header:
        """Return kind and size without inflating the contents."""
        recent = self._recent.get(oid)
        if recent is not None:
            return recent[0]
        try:  # the hottest lines: no context manager
            kind, size = self._odb.read_header(pygit2.Oid(oid))
        except gitfaults.OBJECT_ERRORS as error:
            raise gitfaults.object_fault(self.git_dir, oid, error) from error
        return Header(_KINDS[int(kind)], size)

    def read(self, oid: Oid) -> bytes:
        """Return the contents; the caller has looked at the header first."""
        recent = self._recent.get(oid)
        if recent is not None:
            return recent[1]
        try:
            kind, data = self._odb.read(pygit2.Oid(oid))
        except gitfaults.OBJECT_ERRORS as error:
            raise gitfaults.object_fault(self.git_dir, oid, error) from error
        self._recent.put(oid, _KINDS[int(kind)], data)
        return data

    def has(self, oid: Oid) -> bool:
        """Whether the object is in the repository; raise when that cannot be told."""
        with gitfaults.object_read(self.git_dir, oid):
            if _key(oid) in self._repository:
                return True
        why = gitfaults.why_missing(self.git_dir, oid)
        if not isinstance(why, MissingObject):
            raise why
        gitfaults.check_whole(self.git_dir)
        return False

    def read_many(self, oids: Iterable[Oid]) -> Iterator[bytes]:
        """Yield contents in the order asked for; a long list streams through a `git` child."""
        rest = iter(oids)
        first = list(islice(rest, MANY))
        if len(first) < MANY:
            yield from map(self.read, first)
        else:
            yield from _stream(self, chain(first, rest))

    def raw_commit(self, oid: Oid, *, size_max_bytes: int = COMMIT_SIZE_MAX_BYTES) -> bytes:
        """Return a commit's bytes, signature and all."""
        self._check_commit(oid, size_max_bytes)
        return self.read(oid)

    def empty_tree(self) -> Oid:
        """Return the id of the tree that holds nothing, and make sure it is there."""
        return self._write(ObjectType.TREE, b"")

    def write_blob(self, data: bytes) -> Oid:
        """Store a file's bytes."""
        return self._write(ObjectType.BLOB, data)

    def write_tree(self, changes: Mapping[str, bytes | None], base: Oid | None = None) -> Oid:
        """Store `base` with files changed (`None` deletes; folders left empty go away)."""
        nested: _Changes = {}
        for path, data in changes.items():
            *folders, name = path.split("/")
            level = nested
            for folder in folders:
                below = level.setdefault(folder, {})
                assert isinstance(below, dict)  # a path that is a file and a folder: our mistake
                level = below
            level[name] = data
        with gitfaults.written(self.git_dir):
            tree = self._write_level(nested, base)
        return tree or self.empty_tree()

    def write_commit(self, raw_content: bytes, armored: str | None = None) -> Oid:
        """Store a commit; an armoured signature becomes its `gpgsig` header, as git writes it."""
        headers, blank, message = raw_content.partition(b"\n\n")
        if armored:
            lines = armored.encode().rstrip(b"\n").split(b"\n")
            headers += b"\ngpgsig " + b"\n ".join(lines)
        return self._write(ObjectType.COMMIT, headers + blank + message)

    def commit_files(
        self,
        ref: str,
        changes: Mapping[str, bytes | None],
        *,
        message: str,
        author: Author,
        sign: Callable[[bytes], str] | None = None,
    ) -> Oid:
        """Commit files on top of a branch without a checkout, and move the branch to it."""
        parent = self.target(ref)
        tree = self.write_tree(changes, self.tree_of(parent) if parent else None)
        content = commit_content(tree, [parent] if parent else [], author, message)
        commit = self.write_commit(content, sign(content) if sign else None)
        self.move(ref, parent, commit)
        return commit

    # Commits and refs

    def resolve(self, ref: str) -> Oid | None:
        """Return the commit a branch, tag, id or expression like `HEAD~2` names, or `None`.

        A name that is there and whose commit cannot be read raises.
        """
        named = self._named(ref)
        if named is not None and self.header(named).kind == "commit":
            self._check_commit(named)
            return named
        try:
            found = self._repository.revparse_single(ref)
        except (KeyError, ValueError, pygit2.GitError, OSError) as error:
            self._check_nothing(ref, error)
            return None
        try:
            return Oid(found.peel(pygit2.Commit).id.raw)
        except (KeyError, ValueError, pygit2.GitError) as error:
            self._check_nothing(ref, error)
            return None  # it names a file or a folder

    def target(self, ref: str) -> Oid | None:
        """Return what a full ref name (`refs/heads/main`) points to, or `None`."""
        return gitrefs.target(self._repository, self.git_dir, ref)

    def head_ref(self) -> str:
        """Return the branch that HEAD names, `refs/heads/main`, even before its first commit."""
        with gitfaults.ref_read(self.git_dir, "HEAD"):
            reference = self._repository.lookup_reference("HEAD")
        return str(reference.target) if isinstance(reference.target, str) else "HEAD"

    def tree_of(self, commit: Oid) -> Oid:
        """Return a commit's tree."""
        return self._commit(commit).tree

    def entry(self, tree: Oid, path: str) -> Oid | None:
        """Return the id of what stands at a path, unjudged: only good for telling apart."""
        with gitfaults.object_read(self.git_dir, tree):
            found = self._repository[_key(tree)]
            try:
                return Oid((cast(pygit2.Tree, found) / path).id.raw)
            except (KeyError, TypeError):
                return None  # no such name, or a file where a folder would have to be

    def parents_of(self, commit: Oid) -> tuple[Oid, ...]:
        """Return a commit's parents."""
        return self._commit(commit).parents

    def is_ancestor(self, ancestor: Oid, descendant: Oid) -> bool:
        """Whether `descendant` is `ancestor` or grew out of it."""
        self._commit(ancestor)
        # Not by libgit2, which reads whole commits however large; first parents are asked first.
        waiting, seen = [descendant], {descendant}
        while waiting:
            commit = waiting.pop()
            if commit == ancestor:
                return True
            parents = [one for one in self.parents_of(commit) if one not in seen]
            seen.update(parents)
            waiting += reversed(parents)
        gitfaults.check_whole(self.git_dir)
        return False

    def first_parents(
        self,
        tip: Oid,
        until: Oid | None = None,
        *,
        size_max_bytes: int = COMMIT_SIZE_MAX_BYTES,
    ) -> Iterator[Oid]:
        """Yield the first-parent path from `tip` back, before `until` or to its beginning.

        No commit on it may be larger than `size_max_bytes`.
        """
        here: Oid | None = tip
        while here is not None and here != until:
            yield here
            parents = self._commit(here, size_max_bytes).parents
            if not parents:
                gitfaults.check_depth(self.git_dir, here)
            here = parents[0] if parents else None

    def references(self, prefix: str) -> dict[str, Oid]:
        """Return the refs whose full names start with a prefix, and what they point to."""
        with gitfaults.ref_read(self.git_dir, prefix):
            names = sorted(self._repository.references)
            gitfaults.check_refs(self.git_dir, set(names))
        found = {name: self.target(name) for name in names}
        return {name: oid for name, oid in found.items() if oid and name.startswith(prefix)}

    def move(self, ref: str, old: Oid | None, new: Oid) -> None:
        """Move a ref from `old` (`None`: it is not there yet) to `new`, or raise `RefMoved`.

        A lock that a process left behind by dying is taken away; see `gitrefs`.
        """
        gitrefs.move(self._repository, self.git_dir, ref, old, new)

    # Settings

    def config_get(self, name: str) -> str | None:
        """Return a git setting as this repository sees it."""
        config = self._repository.config
        return str(config[name]) if name in config else None

    def config_set(self, name: str, value: str) -> None:
        """Write a git setting of this repository alone."""
        self._repository.config[name] = value

    @property
    def _repository(self) -> pygit2.Repository:
        handle: pygit2.Repository | None = getattr(self._handles, "repository", None)
        if handle is None:
            try:
                handle = pygit2.Repository(str(self.path), RepositoryOpenFlag.NO_SEARCH)
            except (pygit2.GitError, OSError) as error:
                raise gitfaults.why_closed(self.path, error) from error
            self._handles.repository = handle
            self._handles.odb = handle.odb
        return handle

    @property
    def _odb(self) -> pygit2.Odb:
        try:
            odb: pygit2.Odb = self._handles.odb
        except AttributeError:  # a thread's first question
            _ = self._repository
            odb = self._handles.odb
        return odb

    def _write(self, kind: ObjectType, data: bytes) -> Oid:
        with gitfaults.written(self.git_dir):
            return Oid(self._odb.write(kind, data).raw)

    def _check_nothing(self, ref: str, error: Exception) -> None:
        """Raise unless nothing is what is there under a name."""
        fault = gitfaults.why_nothing(self.git_dir)
        if fault is not None:
            raise fault from error
        base = re.split(r"[~^@:]", ref)[0]
        for name in (base, f"refs/{base}", f"refs/tags/{base}", f"refs/heads/{base}"):
            commit = self.target(name) if pygit2.reference_is_valid_name(name) else None
            if commit is not None and not self.has(commit):
                raise MissingObject(commit, name) from error

    def _commit(self, oid: Oid, size_max_bytes: int = COMMIT_SIZE_MAX_BYTES) -> _Commit:
        known = self._commits.get(oid)
        if known is not None:
            if known.size_bytes > size_max_bytes:  # another path may hold larger ones
                raise CommitTooLarge(oid, known.size_bytes, size_max_bytes)
            return known
        try:
            size_bytes = self._check_commit(oid, size_max_bytes)
            with gitfaults.object_read(self.git_dir, oid):
                found = cast(pygit2.Commit, self._repository[_key(oid)])
                parents = tuple([Oid(parent.raw) for parent in found.parent_ids])
                read = _Commit(Oid(found.tree_id.raw), parents, size_bytes)
        except NotACommit:
            raise
        except MissingObject:
            gitfaults.check_whole(self.git_dir)
            raise
        if len(self._commits) >= COMMITS_MAX:
            self._commits.clear()
        if parents:  # where a clone was cut off a commit gets its parents later
            self._commits[oid] = read
        return read

    def _check_commit(self, oid: Oid, size_max_bytes: int = COMMIT_SIZE_MAX_BYTES) -> int:
        header = self.header(oid)
        if header.kind != "commit":
            raise NotACommit(oid, header.kind)
        if header.size_bytes > size_max_bytes:
            raise CommitTooLarge(oid, header.size_bytes, size_max_bytes)
        return header.size_bytes

    def _named(self, ref: str) -> Oid | None:
        """Return what a ref or a whole id names, unread; nothing for any other expression."""
        try:
            if _WHOLE_ID.fullmatch(ref):
                found: object = pygit2.Oid(hex=ref)
            else:
                found = self._repository.lookup_reference_dwim(ref).resolve().target
        except (KeyError, ValueError, pygit2.GitError, OSError):
            return None
        known = isinstance(found, pygit2.Oid) and found in self._odb
        return Oid(found.raw) if known and isinstance(found, pygit2.Oid) else None

    def _write_level(self, changes: _Changes, base: Oid | None) -> Oid | None:
        builder = (
            self._repository.TreeBuilder(_key(base)) if base else self._repository.TreeBuilder()
        )
        for name, change in changes.items():
            before = builder.get(name)
            below = Oid(before.id.raw) if isinstance(before, pygit2.Tree) else None
            put = self._write_level(change, below) if isinstance(change, dict) else change
            if put is not None and not isinstance(change, dict):
                builder.insert(name, _key(self.write_blob(put)), FileMode.BLOB)
            elif put is not None:
                builder.insert(name, _key(Oid(put)), FileMode.TREE)
            elif before is not None:
                builder.remove(name)
        return Oid(builder.write().raw) if len(builder) else None


def _key(oid: Oid) -> pygit2.Oid:
    return pygit2.Oid(raw=oid)


def _stream(repository: GitRepository, oids: Iterator[Oid]) -> Iterator[bytes]:
    """Yield contents from one `git cat-file --batch`, a bounded number of questions ahead."""
    git_dir = repository.git_dir
    command = [git_program(), "-c", f"safe.directory={git_dir}", f"--git-dir={git_dir}"]
    environment = child_environment(
        settings={"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
    )
    with subprocess.Popen(  # noqa: S603  a fixed program, no shell
        [*command, "cat-file", "--batch"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
        bufsize=1024 * 1024,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        deadline = threading.Timer(READ_MANY_SECONDS, child.kill)
        deadline.daemon = True
        deadline.start()
        try:
            asked: deque[Oid] = deque()
            while True:
                _ask(child.stdin, oids, asked)
                if not asked:
                    break
                oid = asked.popleft()
                data = _answer(child.stdout, oid)
                if data is None:
                    raise _silence(repository, oid, deadline)
                yield data
        finally:
            deadline.cancel()
            child.kill()
            with suppress(BrokenPipeError):  # questions that nobody reads any more
                child.stdin.close()


def _ask(stdin: IO[bytes], oids: Iterator[Oid], asked: "deque[Oid]") -> None:
    # All questions not yet answered fit into the pipe, so writing never waits for reading.
    if len(asked) > _AHEAD // 2:
        return
    more = list(islice(oids, _AHEAD - len(asked)))
    if more:
        with suppress(BrokenPipeError):  # the missing answer tells
            stdin.write(b"".join(oid.hex().encode() + b"\n" for oid in more))
            stdin.flush()
        asked.extend(more)


def _answer(stdout: IO[bytes], oid: Oid) -> bytes | None:
    """Return the contents of the next object; `None` when git could not give them."""
    words = stdout.readline().split()
    if len(words) == 3 and words[0] == oid.hex().encode():
        size = int(words[2])
        data = stdout.read(size + 1)
        if len(data) == size + 1:
            return data[:-1]
    return None


def _silence(repository: GitRepository, oid: Oid, deadline: threading.Timer) -> ControllerError:
    """Return why the child gave no contents: libgit2 tells more about an object than it does."""
    if not deadline.is_alive():
        return DeadlinePassed(f"reading objects took longer than {READ_MANY_SECONDS:g} s")
    try:
        repository.read(oid)
    except ControllerError as error:
        return error
    return gitfaults.ObjectDamaged(oid, "git stopped while it read it")
