"""What it costs to start: small commands on the tree that `init` makes, in processes of their own.

Held against `python -c pass` and `git --version`, in turns in the same run. Processor time counts
the command and its children, user and system. Modules are compiled beforehand, as installers do;
what `measure` compiles stays in a folder of its own. `python -m benchmarks.startup` prints.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Cost, measured, median
from controller.adapters.clock import SystemClock
from controller.adapters.gitcli import child_environment, git_program
from controller.app.signers import new_key
from controller.authoring.starting import start_demo

BAR_SECONDS = 0.5
"""At most so much processor time for `validate` on a small tree."""

RUNS = 11


@dataclass(frozen=True, slots=True)
class Startup:
    """Medians: `validate` on a small tree, two commands that do next to nothing, two baselines."""

    validate: Cost
    version: Cost
    help: Cost
    python: Cost
    git: Cost


def measure(folder: Path, runs: int = RUNS) -> Startup:
    """Make a small tree in an empty folder and run every command `runs` times, in turns."""
    shop = folder / "shop"
    start_demo(shop, folder / "keys", new_key, SystemClock().now())
    environment = child_environment() | {
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    ours = (sys.executable, "-m", "controller")
    commands: dict[str, Sequence[str]] = {
        "validate": (*ours, "validate", str(shop)),
        "version": (*ours, "version"),
        "help": (*ours, "--help"),
        "python": (sys.executable, "-c", "pass"),
        "git": (git_program(), "--version"),
    }
    for command in commands.values():
        _run(command, shop, environment)  # compiles
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            costs[name].append(_run(command, shop, environment))
    of = {name: median(some) for name, some in costs.items()}
    return Startup(of["validate"], of["version"], of["help"], of["python"], of["git"])


def rows(found: Startup) -> list[tuple[str, Cost]]:
    """Return what was measured, by name, ours first."""
    return [
        ("validate on a small tree", found.validate),
        ("  version", found.version),
        ("  --help", found.help),
        ("  python -c pass", found.python),
        ("  git --version", found.git),
    ]


def main() -> None:
    """Measure and print processor seconds, and whether the bar is met."""
    with tempfile.TemporaryDirectory(prefix="countersign-startup-") as name:
        found = measure(Path(name))
    for what, cost in rows(found):
        print(f"{what:26}  {cost.cpu:.3f} s CPU  {cost.wall:.3f} s wall")
    met = "met" if found.validate.cpu < BAR_SECONDS else "not met"
    times = found.validate.cpu / found.python.cpu
    print(f"validate < {BAR_SECONDS} s CPU: {met}; {times:.0f} x python -c pass")


def _run(command: Sequence[str], cwd: Path, environment: dict[str, str]) -> Cost:
    with measured() as meter:
        subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True)
    return meter.cost


if __name__ == "__main__":
    main()
