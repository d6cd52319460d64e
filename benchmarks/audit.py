"""The first audit commits and those after very many: journal, signed commit, push, packing.

Two worlds side by side, each with a database, a repository and a remote of its own: one in which
nothing has happened, and one whose trail is long and was packed now and then, with as many loose
commits as the background packing leaves lying at most. In turns, one record in each. The remote is
a bare repository on the same disk; a push is `git push` of the audit branch, because the controller
itself pushes nothing yet.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import trail
from benchmarks.measure import Cost, measured, median
from benchmarks.publish import CONTROLLER, key
from benchmarks.results import Part, Rows, at_most
from benchmarks.world import connection_to, fresh_database
from controller.adapters import gitpack
from controller.adapters.embedded import EmbeddedPostgres
from controller.adapters.git import GitRepository
from controller.adapters.gitcli import run_git
from controller.adapters.postgres import Connection, transaction
from controller.audit import journal
from controller.audit.commit import reference
from controller.audit.publish import publish
from controller.kernel.objects import Oid

DATABASES = ("bench_audit_first", "bench_audit_later")
ROUNDS = 9
PUSH_SECONDS = 600.0

_SOURCE = Oid(b"\1" * 20)


@dataclass(frozen=True, slots=True)
class _Step:
    """One record: its transaction, its signed commit, its push."""

    event: Cost
    commit: Cost
    push: Cost


@dataclass(frozen=True, slots=True)
class _Side:
    """A world that publishes an audit trail."""

    connection: Connection[Any]
    repository: GitRepository
    remote: Path

    def step(self) -> _Step:
        with measured() as event, transaction(self.connection):
            journal.append(
                self.connection,
                CONTROLLER,
                lambda link: trail.record(link.seq + 1, link.sha256, _SOURCE),
            )
        with measured() as commit:
            done = publish(self.connection, self.repository, key("audit"), CONTROLLER)
        assert len(done.commits) == 1
        with measured() as push:
            self.push()
        return _Step(event.cost, commit.cost, push.cost)

    def push(self) -> None:
        command = ["push", "--quiet", str(self.remote), reference(CONTROLLER)]
        run_git(command, self.repository.git_dir, timeout_seconds=PUSH_SECONDS)


def measure(folder: Path, server: EmbeddedPostgres, commits: int) -> Part:
    """Publish and push the first records, and those after so many commits."""
    shutil.rmtree(folder, ignore_errors=True)
    urls = [fresh_database(server.url, name, migrate=True) for name in DATABASES]
    with connection_to(urls[0]) as one, connection_to(urls[1]) as other:
        first, later = _side(folder / "first", one), _side(folder / "later", other)
        pushed = _lengthen(later, commits)
        firsts, laters = [], []
        for _ in range(ROUNDS):
            firsts.append(first.step())
            laters.append(later.step())
        packing, meanwhile = _packed_meanwhile(later)
    early, late = _wall(firsts), _wall(laters)
    return Part(
        "audit",
        f"{commits:,} commits before, {gitpack.LOOSE_MAX - ROUNDS:,} of them loose; {ROUNDS} each",
        (
            *_rows("the first", firsts),
            *_rows(f"after {commits:,}", laters),
            (f"  pushing the first {commits:,} at once", pushed),
            *_rows("while a packer is at it", meanwhile),
            (f"  packing {gitpack.LOOSE_MAX:,} loose commits, which nobody waits for", packing),
        ),
        (
            at_most(
                f"audit commit {commits + 1:,} and its push, times the first", late / early, 2, "x"
            ),
        ),
    )


def _side(folder: Path, connection: Connection[Any]) -> _Side:
    repository = GitRepository.init(folder / "repository.git", bare=True)
    remote = GitRepository.init(folder / "remote.git", bare=True)
    return _Side(connection, repository, remote.path)


def _lengthen(side: _Side, commits: int) -> Cost:
    """Give a world a trail of so many commits; return what pushing it took."""
    links = trail.links(_SOURCE)
    left = commits - (gitpack.LOOSE_MAX - ROUNDS)
    while portion := list(islice(links, min(left, gitpack.LOOSE_MAX))):
        trail.write_pack(side.repository, portion)
        trail.write_journal(side.connection, portion)
        left -= len(portion)
    loose = list(islice(links, gitpack.LOOSE_MAX - ROUNDS))
    trail.write_loose(side.repository, loose)
    trail.write_journal(side.connection, loose)
    side.connection.execute("ANALYZE controller.journal, controller.outbox")
    with measured() as meter:
        side.push()
    return meter.cost


def _packed_meanwhile(side: _Side) -> tuple[Cost, list[_Step]]:
    """Pack in a process of its own and go on; return what packing took, and each step meanwhile."""
    command = [sys.executable, "-m", gitpack.__name__, str(side.repository.git_dir)]
    steps = []
    start = time.perf_counter()
    with subprocess.Popen(command) as packer:
        while True:
            steps.append(side.step())
            ended, status, used = os.wait4(packer.pid, os.WNOHANG)
            if ended:
                break
        packer.returncode = os.waitstatus_to_exitcode(status)
    assert packer.returncode == 0
    return Cost(time.perf_counter() - start, used.ru_utime + used.ru_stime), steps


def _rows(name: str, steps: list[_Step]) -> Rows:
    return (
        (f"audit record, {name}: its transaction", median(step.event for step in steps)),
        (f"  its signed commit, {name}", median(step.commit for step in steps)),
        (f"  its push, {name}", median(step.push for step in steps)),
    )


def _wall(steps: list[_Step]) -> float:
    return statistics.median(step.commit.wall + step.push.wall for step in steps)
