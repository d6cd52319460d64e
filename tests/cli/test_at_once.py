"""Many commands at once: on the embedded database none is cut off, and `reconcile` never loses."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.commands import Desk
from tests.support.house import ROOT
from tests.support.world import NEW_RANGE

OPEN_AND_ASK = """
import sys, time
from pathlib import Path
from controller.adapters.postgres import translated
from controller.app import settings, wiring

with wiring.database(settings.load(Path(sys.argv[1]))) as connection, translated():
    for _ in range(int(sys.argv[2])):
        connection.execute("SELECT count(*) FROM controller.revision")
        time.sleep(0.05)
"""


def started(arguments: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def failures(processes: Sequence[subprocess.Popen[str]]) -> list[str]:
    said = [process.communicate(timeout=100)[0] for process in processes]
    return [text for process, text in zip(processes, said, strict=True) if process.returncode != 0]


def test_of_many_short_commands_on_the_embedded_database_none_is_cut_off(laptop: Desk) -> None:
    processes = []
    for number in range(14):
        # Some stay longer than others, so that owners leave while others are connected.
        rounds = str((1, 12, 4)[number % 3])
        processes.append(started(["-c", OPEN_AND_ASK, str(laptop.config), rounds], laptop.folder))
        time.sleep((0, 0.2, 0.7)[number % 3])

    assert failures(processes) == []


def test_two_reconciles_at_once_on_a_fresh_embedded_database_both_succeed(laptop: Desk) -> None:
    command = ["-m", "controller", "reconcile", "--config", str(laptop.config)]

    assert failures([started(command, laptop.folder) for _ in range(2)]) == []


def test_reconciles_at_once_on_another_database_all_succeed(desk: Desk) -> None:
    desk.shop().publish(add=[NEW_RANGE])
    command = ["-m", "controller", "reconcile", "--config", str(desk.config)]

    assert failures([started(command, desk.folder) for _ in range(3)]) == []
    assert desk.run("status").exit_code == 0
