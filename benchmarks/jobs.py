"""The three jobs and what each is held against, measured beside it in the same run."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from cProfile import Profile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import floor
from benchmarks.measure import Cost, measured, median, server_cpu
from benchmarks.publish import Published, facts_path
from benchmarks.shell import Shell
from benchmarks.world import (
    REF,
    connection_to,
    fresh_database,
    oid,
    rewind,
    wal_bytes,
    world,
)
from controller.adapters.embedded import EmbeddedPostgres
from controller.adapters.git import GitRepository
from controller.adapters.postgres import with_database
from controller.reconcile.cycle import run_pass

OURS, SCRIPT, BARE = "bench_ours", "bench_script", "bench_bare"
WARM_UP = 2
PROFILED = 6  # so many of the last commits, whose times do not count

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cold:
    """A cold load: ours from a bare repository that is there, and what stands beside it."""

    ours: Cost
    peak_bytes: int
    rows: int
    mirror: Cost
    clone: Cost
    load: Cost
    bare: Cost


@dataclass(frozen=True, slots=True)
class Change:
    """Ten rows changed: ours and the floor for each commit, the script a few times."""

    ours: Cost
    worst: float
    floor: Cost
    wal_bytes: int
    wal_bytes_worst: int
    script_pull: Cost | None
    script_load: Cost | None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A pass over an unchanged world, and a `git pull` that finds nothing."""

    ours: Cost
    pull: Cost
    left_traces: bool


@dataclass(frozen=True, slots=True)
class Bench:
    """One published repository, one server, one folder to work in."""

    published: Published
    server: EmbeddedPostgres
    work: Path
    say: Say
    profile: Path | None = None

    @property
    def url(self) -> str:
        """The database that a controller loads and changes."""
        return self._url(OURS)

    def cold(self, runs: int) -> Cold:
        """Load everything into an empty database, as often as asked; keep the last of each."""
        costs: dict[str, list[Cost]] = {}
        peak = rows = 0
        for number in range(1, runs + 1):
            self.say(f"cold load {number} of {runs}: ours")
            cost, found = self._cold_ours()
            costs.setdefault("ours", []).append(cost)
            peak = max(peak, found["peak"])
            rows = found["rows"]
            self.say(f"cold load {number} of {runs}: the script, and bare COPY")
            for name, one in self._cold_others().items():
                costs.setdefault(name, []).append(one)
        of = {name: median(some) for name, some in costs.items()}
        return Cold(of["ours"], peak, rows, of["mirror"], of["clone"], of["load"], of["bare"])

    def unchanged(self, passes: int) -> Unchanged:
        """Run passes in a world in which nothing happens."""
        self.say(f"{passes} passes over an unchanged world")
        url = self.url
        ours, pulls = [], []
        with world(self.published, url) as made, connection_to(url) as watch:
            run_pass(made)
            traces = (wal_bytes(watch), made.repository.references("refs/"))
            for _ in range(passes):
                with measured() as meter:
                    assert run_pass(made).revision is None
                ours.append(meter.cost)
            # The server's own background work writes a few bytes of log when it likes to.
            left = wal_bytes(watch) - traces[0] > 8192 or (
                made.repository.references("refs/") != traces[1]
            )
        shell = self._shell()
        for _ in range(5):
            with measured() as meter:
                shell.pull()
            pulls.append(meter.cost)
        return Unchanged(median(ours), median(pulls), left)

    def change(self, *, script_runs: int) -> Change:
        """Go through the commits that change ten rows each; ours and the floor in turn."""
        commits = self.published.commits
        self.say(f"{len(commits)} times ten changed rows")
        url = self.url
        ours: list[Cost] = []
        floors: list[Cost] = []
        logs: list[int] = []
        profiler = Profile() if self.profile else None
        hand = GitRepository.open(self.published.path)
        tip = None
        hand_tip = hand.target(floor.REF)
        pid = self.server.pid
        with (
            world(self.published, url) as made,
            connection_to(url) as watch,
            connection_to(self._url(SCRIPT)) as script,
        ):
            watch.execute(b"CHECKPOINT")
            for number, ten in enumerate(commits):
                profiled = profiler is not None and number >= len(commits) - PROFILED
                repository = made.repository
                objects = floor.bytes_of(self.published.path, ten)
                tip = repository.target(REF)
                repository.move(REF, tip, oid(ten.commit))
                log = wal_bytes(watch)
                with (
                    profiler if profiler and profiled else nullcontext(),
                    measured(pid) as meter,
                ):
                    outcome = run_pass(made)
                logs.append(wal_bytes(watch) - log)
                assert outcome.revision is not None
                assert outcome.decision is not None
                assert len(outcome.published.commits) == 1
                if not profiled:
                    ours.append(meter.cost)
                with measured(pid) as meter:
                    hand_tip = floor.ten_rows(hand, script, ten, objects, hand_tip)
                floors.append(meter.cost)
        if profiler is not None and self.profile is not None:
            profiler.dump_stats(self.profile / "change.prof")
        pulls, loads = [], []
        shell = self._shell()
        rewound = GitRepository.open(self.published.path)
        for number in range(script_runs):
            self.say(f"ten changed rows by the script, {number + 1} of {script_runs}")
            rewound.move(REF, rewound.target(REF), oid(commits[number].commit))
            with measured(pid) as meter:
                shell.pull()
            pulls.append(meter.cost)
            with measured(pid) as meter:
                shell.load()
            loads.append(meter.cost)
        kept = ours[WARM_UP:] or ours
        return Change(
            median(kept),
            max(one.wall for one in kept),
            median(floors[WARM_UP:] or floors),
            sorted(logs)[len(logs) // 2],
            max(logs),
            median(pulls) if pulls else None,
            median(loads) if loads else None,
        )

    def _cold_ours(self) -> tuple[Cost, dict[str, int]]:
        rewind(self.published)
        url = fresh_database(self.server.url, OURS, migrate=True)
        command = [sys.executable, "-m", "benchmarks.cold", str(facts_path(self.published))]
        watched = server_cpu(self.server.pid)
        child = subprocess.run(command, check=True, input=url.encode(), stdout=subprocess.PIPE)
        watched = server_cpu(self.server.pid) - watched
        found = json.loads(child.stdout)
        return Cost(found["wall"], found["cpu"], watched), found["numbers"]

    def _cold_others(self) -> dict[str, Cost]:
        found = {}
        mirror = self.work / "mirror.git"
        shutil.rmtree(mirror, ignore_errors=True)
        with measured() as meter:
            subprocess.run(
                ["git", "clone", "--quiet", "--mirror", str(self.published.path), str(mirror)],
                check=True,
            )
        found["mirror"] = meter.cost
        shell = self._shell()
        shutil.rmtree(shell.clone, ignore_errors=True)
        with measured() as meter:
            shell.clone_it()
        found["clone"] = meter.cost
        fresh_database(self.server.url, SCRIPT, migrate=False)
        with measured(self.server.pid) as meter:
            shell.create()
            shell.load()
        found["load"] = meter.cost
        bare = Shell(
            shell.origin, shell.clone, fresh_database(self.server.url, BARE, migrate=False)
        )
        with measured(self.server.pid) as meter:
            bare.create(indexed=False)
            bare.load(freeze=True)
            bare.index()
        found["bare"] = meter.cost
        return found

    def _shell(self) -> Shell:
        return Shell(self.published.path, self.work / "clone", self._url(SCRIPT))

    def _url(self, database: str) -> str:
        return with_database(self.server.url, database)
