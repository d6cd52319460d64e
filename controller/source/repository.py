"""The configured repository: where it is, which branch is followed, and where that stands now."""

from dataclasses import dataclass
from pathlib import Path

from controller.adapters.git import GitRepository
from controller.kernel.errors import Refused
from controller.kernel.objects import Oid, Revision


class NoBranch(Refused):
    """The followed branch is not in the repository: nothing is declared, which is not empty."""

    code = "source.no_branch"

    def __init__(self, branch: str, where: Path) -> None:
        super().__init__(
            f"no branch {branch!r} in {where}",
            hint="push the branch, or set the branch that is followed",
        )
        self.branch = branch


@dataclass(frozen=True, slots=True)
class Source:
    """One branch of one local repository."""

    repository: GitRepository
    branch: str

    @property
    def ref(self) -> str:
        """The branch's full name."""
        return f"refs/heads/{self.branch}"

    def head(self) -> Revision:
        """Return the newest revision; raise `NoBranch` rather than see nothing."""
        commit = self.repository.target(self.ref)
        if commit is None:
            raise NoBranch(self.branch, self.repository.path)
        return Revision(self.branch, commit)

    def tree(self, revision: Revision) -> Oid:
        """Return a revision's tree."""
        return self.repository.tree_of(revision.commit)


def open_source(path: Path, branch: str) -> Source:
    """Open a bare repository, or the one a folder lies in, and follow one branch of it."""
    return Source(GitRepository.discover(path), branch)
