"""The resolver's copy and its hot route, each against what it replaces, in one run.

The rates are of one server process and one client process on this machine; what they share of its
processors is the same for all ways, so the bars are ratios. Processor time for each request is
beside them: it says the same with less noise.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random  # noqa: TID251 - a seeded source
from threading import Event, Thread
from typing import Any, NamedTuple

from benchmarks import crowd
from benchmarks.measure import Cost, measured
from benchmarks.results import Bar, Part, Rows, at_least, at_most
from benchmarks.sizes import Size
from benchmarks.world import connection_to, fresh_database
from controller.adapters.clock import SystemClock
from controller.adapters.embedded import EmbeddedPostgres
from controller.adapters.postgres import Connection, connect, transaction
from controller.kernel.instants import Window
from controller.plan.rows import SourceFile, StoredRow, key_of
from controller.plan.shard import ShardChange
from controller.reconcile import snapshot_base
from controller.reconcile.keeper import KeeperLimits, Place, SnapshotKeeper
from controller.stores.directory import store
from controller.stores.directory.snapshot_records import moment_of

DATABASE = "bench_resolve"
SECONDS = 4.0
ROUNDS = 3
TARGETS = 200_000
FEW_TARGETS = 2_000
PATCHES = 40
TEN = 10
_MIB = 1024 * 1024


class Rate(NamedTuple):
    """What one way of answering did: the median of its rounds."""

    rate: float
    cost: Cost
    own_bytes: int
    all_bytes: int


def measure(work: Path, server: EmbeddedPostgres, size: Size) -> Part:
    """Fill a database, make a copy of it, change it, ask it."""
    url = fresh_database(server.url, DATABASE, migrate=True)
    folder = work / "copies"
    with connection_to(url) as connection:
        crowd.fill(connection, size, SystemClock().now())
        with measured(server.pid) as building:
            snapshot_base.build_in_child(url, None, crowd.ENVIRONMENT, folder)
        patches, before, beside = _patches(connection, url, folder)
    snapshot_base.forget(folder)
    snapshot_base.build_in_child(url, None, crowd.ENVIRONMENT, folder)
    rates = _rates(url, folder, size)
    made = next(folder.glob("*.base")).stat().st_size
    jobs: Rows = (
        ("copy of all rows, by a child process", building.cost),
        ("ten changed rows seen in the copy", patches),
        *((f"  {name}", rate.cost) for name, rate in rates.items()),
    )
    about = f"{size}; one file of {made / 1e6:,.0f} MB; " + ", ".join(
        f"{name} {rate.rate:,.0f} requests/s" for name, rate in rates.items()
    )
    return Part("resolve", about, jobs, _bars(rates, patches, before, beside))


def _bars(rates: dict[str, Rate], patches: Cost, before: float, beside: float) -> tuple[Bar, ...]:
    hot, known = rates["hot, any key"], rates["hot, known keys"]
    constant, bare = rates["constant by the application"], rates["constant"]
    return (
        at_most("memory of its own, beside the shared file", hot.own_bytes / _MIB, 300, " MiB"),
        at_most("ten rows in the copy (median)", patches.wall * 1e3, 10, " ms"),
        at_most("an answer beside a patch (worst)", beside * 1e3, 10, " ms"),
        at_most("  while nothing is patched (worst)", before * 1e3, 10, " ms"),
        at_least("resolve, times asking PostgreSQL", hot.rate / rates["PostgreSQL"].rate, 5),
        at_least("resolve, of the application's constant answer", hot.rate / constant.rate, 0.6),
        at_least("  by processor time", constant.cost.cpu / hot.cost.cpu, 0.6),
        at_least("resolve, of the connection's constant answer", hot.rate / bare.rate, 0.6),
        at_least("  by processor time", bare.cost.cpu / hot.cost.cpu, 0.6),
        at_least("  keys asked before", known.rate / bare.rate, 0.6),
    )


def _patches(connection: Connection[Any], url: str, folder: Path) -> tuple[Cost, float, float]:
    """Change ten rows again and again; return what following costs, and the slowest answers."""
    keeper = SnapshotKeeper(
        lambda: connect(url, application_name="countersign-bench", autocommit=True),
        Place(crowd.ENVIRONMENT, folder, lambda: None),
        {},
        SystemClock(),
        limits=KeeperLimits(small_rows=0),
    )
    keeper.adopt()
    costs = []
    with connection_to(url) as own:
        keeper.catch_up(own)
        with _reading(keeper) as worst:
            time.sleep(1.0)
            before = max(worst, default=0.0)
            worst.clear()
            for number in range(1, PATCHES + 1):
                _change_ten(connection, number)
                with measured() as meter:
                    keeper.catch_up(own)
                costs.append(meter.cost)
                assert keeper.state.revision == number + 1
            beside = max(worst)
    kept = costs[5:]  # statements are prepared by then
    return (
        Cost(
            statistics.median(one.wall for one in kept), statistics.median(one.cpu for one in kept)
        ),
        before,
        beside,
    )


@contextmanager
def _reading(keeper: SnapshotKeeper) -> Iterator[list[float]]:
    """Ask the copy without a pause in another thread; yield how long answers took."""
    times: list[float] = []
    done = Event()
    at = moment_of(SystemClock().now())

    def ask() -> None:
        number = 0
        while not done.is_set():
            number = number % 900 + 1
            snapshot = keeper.current
            assert snapshot is not None
            start = time.perf_counter()
            assert snapshot.find(crowd.SCHEME, crowd.value_of(number), at) is not None
            times.append(time.perf_counter() - start)
            time.sleep(0.0002)

    thread = Thread(target=ask)
    thread.start()
    try:
        yield times
    finally:
        done.set()
        thread.join()


def _change_ten(connection: Connection[Any], number: int) -> None:
    """Give ten participants another name, as a pass would."""
    old, new = [], []
    for one in range(TEN):
        which = (number - 1) * TEN + one + 1
        old.append(_participant(which, f"Participant {which}"))
        new.append(_participant(which, f"Renamed {number}"))
    change = ShardChange(old[0].source, "participants", tuple(old), tuple(new))
    with transaction(connection):
        store.apply(connection, [change], revision=number + 1, changed={"participants": TEN})
        connection.execute(b"UPDATE controller.applied SET revision = revision + 1")


def _participant(number: int, name: str) -> StoredRow:
    identifier = f"participant-{number}"
    cells = (identifier, name, "", "DE", "issuer", "EUR", "", "", "active", "", "")
    end = datetime(2190, 1, 1, tzinfo=UTC) if number % 100 == 0 else None
    source = SourceFile("sepa/crowd", "bundles/sepa/crowd/files/part-1.csv")
    key = key_of("participants", cells)
    return StoredRow("participants", key, Window(None, end), cells, source)


def _rates(url: str, folder: Path, size: Size) -> dict[str, Rate]:
    """Ask in each way, in turns, and return the medians."""
    random = Random(17)
    anyone = [_target(random, size) for _ in range(TARGETS)]
    known = anyone[:FEW_TARGETS]
    ways = {
        "constant": ("constant", anyone),
        "hot, any key": ("hot", anyone),
        "hot, known keys": ("hot", known),
        "constant by the application": ("asgi_constant", anyone),
        "memory by the application": ("application", anyone),
        "PostgreSQL": ("database", anyone),
    }
    found: dict[str, list[Rate]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (way, targets) in ways.items():
            found[name].append(_rate(way, url, folder, targets))
    return {name: _median(rates) for name, rates in found.items()}


def _target(random: Random, size: Size) -> str:
    """Return one path: four identifiers for one range."""
    if random.randrange(5) == 0:
        issuer = 400_000 + random.randrange(max(1, size.ranges // 10))
        return f"/v1/resolve/iin/{issuer}{random.randrange(100):02d}"
    number = random.randrange(1, size.identifiers + 1)
    return f"/v1/resolve/{crowd.SCHEME}/{crowd.value_of(number)}"


def _rate(way: str, url: str, folder: Path, targets: list[str]) -> Rate:
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.resolve_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        words = {"way": way, "url": url, "folder": str(folder)}
        server.stdin.write(json.dumps(words).encode() + b"\n")
        server.stdin.flush()
        port = server.stdout.readline().decode().strip()
        before = _cpu(server.pid)
        asked = subprocess.run(
            [sys.executable, "-m", "benchmarks.resolve_load", port, str(SECONDS)],
            input="\n".join(targets).encode(),
            stdout=subprocess.PIPE,
            check=True,
        )
        cpu = _cpu(server.pid) - before
        said = json.loads(asked.stdout)
        assert list(said["statuses"]) == ["200"], said["statuses"]
        rate = said["requests"] / said["seconds"]
        own, everything = _memory(server.pid)
        # The load warms up before it counts: its first answers are in the processor time.
        return Rate(rate, Cost(1 / rate, cpu / said["all_requests"]), own, everything)
    finally:
        server.stdin.close()
        server.wait(30)
        server.stdout.close()


def _median(rates: list[Rate]) -> Rate:
    return Rate(
        statistics.median(one.rate for one in rates),
        Cost(
            statistics.median(one.cost.wall for one in rates),
            statistics.median(one.cost.cpu for one in rates),
        ),
        max(one.own_bytes for one in rates),
        max(one.all_bytes for one in rates),
    )


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _memory(pid: int) -> tuple[int, int]:
    """Return the bytes that only this process holds, and those with the file's pages it mapped."""
    words = {
        line.split(":")[0]: int(line.split()[1]) * 1024
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    }
    return words["Anonymous"], words["Rss"]
