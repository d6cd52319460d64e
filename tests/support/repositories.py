"""Real repositories for tests."""

from datetime import UTC, datetime
from pathlib import Path

from controller.adapters.git import Author, GitRepository

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ALICE = Author("Alice", "alice@example.test", NOW)
MAIN = "refs/heads/main"


def bare(where: Path, *commits: dict[str, bytes | None]) -> GitRepository:
    """Return a bare repository whose branch `main` has these commits, the first first."""
    repository = GitRepository.init(where / "repository.git", bare=True)
    for number, changes in enumerate(commits, start=1):
        repository.commit_files(MAIN, changes, message=f"change {number}", author=ALICE)
    return repository
