"""A history of signed commits: walked, read and verified in process.

Held against `git log --format=%G?` over the newest of the same commits, which asks `ssh-keygen`
once or twice for each. In turns; rates are compared, because git takes minutes for all of them.
"""

import subprocess
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from benchmarks import trail
from benchmarks.measure import Cost, measured, median
from benchmarks.publish import CONTROLLER, key
from benchmarks.results import Part, at_least
from controller.adapters.git import GitRepository
from controller.adapters.gitcli import child_environment, git_program
from controller.audit.commit import reference
from controller.kernel.objects import Oid
from controller.trust.commit import verify_commit
from controller.trust.keys import PublicKey

COMMITS = 10_000
ASKED = 100
ROUNDS = 3

_NOW = datetime(2026, 11, 20, tzinfo=UTC)
_SOURCE = Oid(b"\1" * 20)


def measure(folder: Path) -> Part:
    """Write a history below a folder, and verify it both ways."""
    repository = GitRepository.init(folder / "history.git", bare=True)
    trail.write_pack(repository, list(islice(trail.links(_SOURCE), COMMITS)))
    signers = folder / "allowed_signers"
    signers.write_text(
        f"{CONTROLLER}@audit.countersign.invalid {key('audit').public.line}\n", encoding="utf-8"
    )
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_ours(repository.path))
        theirs.append(_git(repository.path, signers))
    rate, asked = COMMITS / median(ours).wall, ASKED / median(theirs).wall
    return Part(
        "history",
        f"{COMMITS:,} signed commits, {ASKED} of them for git; {ROUNDS} times",
        (
            (f"history of {COMMITS:,} signed commits: ours", median(ours)),
            (f"  git log --format=%G? of {ASKED}", median(theirs)),
        ),
        (at_least("history, times the rate of git log --format=%G?", rate / asked, 50),),
    )


def _ours(path: Path) -> Cost:
    keys = [PublicKey.of(key("audit").public, CONTROLLER)]
    with measured() as meter:
        repository = GitRepository.open(path)
        tip = repository.target(reference(CONTROLLER))
        assert tip is not None
        count = 0
        for commit in repository.first_parents(tip):
            verify_commit(repository.raw_commit(commit), keys, _NOW)
            count += 1
    assert count == COMMITS
    return meter.cost


def _git(path: Path, signers: Path) -> Cost:
    command = [
        *(git_program(), f"--git-dir={path}"),
        *("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={signers}"),
        *("log", "--format=%G?", "-n", str(ASKED), reference(CONTROLLER)),
    ]
    with measured() as meter:
        said = subprocess.run(command, check=True, capture_output=True, env=child_environment())
    assert said.stdout == b"G\n" * ASKED, said.stderr
    return meter.cost
