"""`countersign demo`: the whole story in a temporary folder, told while it really happens.

Nothing is staged: every line that starts with `$` is run as a child process, exactly as a person
would type it, and its own output is shown.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.output import emit
from controller.kernel.errors import Corrupt

STEP_TIMEOUT_SECONDS = 120.0
LINES_MAX = 14
_RANGES = "bundles/card-bin/house-cards/files/ranges.csv"
_ALICE, _BOB = "--key ../keys/alice", "--key ../keys/bob"


class StoryBroken(Corrupt):
    """A step of the demonstration did not end the way it must."""

    code = "demo.broken"

    def __init__(self, command: str, *, status: int, expected: Sequence[int]) -> None:
        wanted = " or ".join(str(one) for one in expected)
        super().__init__(
            f"`{command}` ended with {status}, expected {wanted}",
            hint="run the demo with --keep and look at what is in its folder",
        )
        self.command, self.status = command, status


@dataclass(frozen=True, slots=True)
class _Stage:
    """A folder with a repository in it, and how commands are run there."""

    folder: Path
    environment: dict[str, str]

    @property
    def shop(self) -> Path:
        return self.folder / "shop"

    def run(self, command: str, *, ends: Sequence[int] = (0,), shown: int = LINES_MAX) -> str:
        """Show a command, run it, show what it says, and insist on how it ends."""
        emit(f"  $ {command}")
        words = shlex.split(command)
        program = [sys.executable, "-m", "controller"] if words[0] == "countersign" else words[:1]
        done = subprocess.run(  # noqa: S603 - our own commands, no shell
            [*program, *words[1:]],
            cwd=self.shop if self.shop.is_dir() else self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=STEP_TIMEOUT_SECONDS,
            text=True,
            check=False,
        )
        lines = done.stdout.rstrip("\n").splitlines()
        for line in lines[:shown]:
            emit(f"    {line}")
        if len(lines) > shown:
            emit(f"    … {len(lines) - shown} more lines")
        if done.returncode not in ends:
            raise StoryBroken(command, status=done.returncode, expected=ends)
        if done.returncode:
            emit(f"    (exit {done.returncode})")
        return done.stdout


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the folder there, to look around in it.")
    ] = False,
) -> None:
    """Tell the whole story in a temporary folder: draft, sign, release, apply, revert, prove."""
    from controller.adapters.embedded import remove
    from controller.app.settings import CONFIG_VARIABLE, ambient

    folder = Path(tempfile.mkdtemp(prefix="countersign-demo-"))
    # The embedded database may run as another account, which has to reach its own folder in here.
    folder.chmod(0o711)
    config = folder / "keys" / "countersign.toml"
    stage = _Stage(folder, {**ambient(), CONFIG_VARIABLE: str(config), "NO_COLOR": "1"})
    try:
        _tell(stage)
    finally:
        if keep:
            emit(f"\nEverything is still in {folder}; start there with:")
            emit(f"  cd {folder}/shop && export {CONFIG_VARIABLE}={config}")
        else:
            if (folder / "keys" / "state").is_dir():
                remove(folder / "keys" / "state")
            shutil.rmtree(folder, ignore_errors=True)


def _tell(stage: _Stage) -> None:
    _begin(stage)
    _change(stage)
    _refuse(stage)
    _go_back(stage)
    _prove(stage)
    emit(
        "\nWhat to try next\n"
        "  countersign demo --keep       look around in this very repository\n"
        "  countersign init shop --demo-keys keys\n"
        "                                start one of your own; then docs/runbooks/first-day.md\n"
        "  countersign --help            every command, each with an example"
    )


def _begin(stage: _Stage) -> None:
    emit("1. A repository says what production should be, and people sign what they change.")
    stage.run("countersign init shop --demo-keys keys")
    stage.run("countersign validate")
    emit("\n   Production starts at the release that was signed with the repository.")
    stage.run("countersign reconcile --once")
    stage.run("countersign resolve iin 99010600")


def _change(stage: _Stage) -> None:
    emit("\n2. A change: one more card range. It is an ordinary edit of a CSV file.")
    _edit(
        stage,
        "990106,,16,true,house,Harbour Gift,debit,true,NL,EUR,harbour-bank,,\n",
        "990106,,16,true,house,Harbour Gift,debit,true,NL,EUR,harbour-bank,,\n"
        "990107,,16,true,house,Harbour Travel,credit,false,NL,EUR,harbour-bank,,\n",
    )
    stage.run("git diff --stat")
    emit("\n   Two owners sign the exact files, with the SSH keys they already have.")
    stage.run(f"countersign sign card-bin/house-cards {_ALICE}")
    stage.run(f"countersign sign card-bin/house-cards {_BOB}")
    stage.run("git add -A")
    stage.run('git commit -q -m "Harbour Travel cards"')
    emit("\n   Two of the release's owners put that version into production's next release.")
    stage.run(f"countersign promote card-bin/house-cards@2 {_ALICE} {_BOB}")
    emit("\n   What would happen? Exactly this, and nothing has happened yet.")
    stage.run("countersign plan", ends=[1])
    emit("\n   One transaction, one history row, one signed audit commit.")
    stage.run("countersign reconcile --once")
    stage.run("countersign resolve iin 99010700")
    stage.run("countersign trace iin 99010700")


def _refuse(stage: _Stage) -> None:
    emit("\n3. What a bad change gets. A range that crosses another one:")
    good = (stage.shop / _RANGES).read_text(encoding="utf-8")
    _edit(
        stage,
        "990310,,16,",
        "990308,990312,16,true,house,Crossing,debit,false,DE,EUR,orchard-pay,,\n990310,,16,",
    )
    stage.run("countersign validate", ends=[1])
    stage.run(f"countersign sign card-bin/house-cards {_ALICE}", ends=[1], shown=3)
    (stage.shop / _RANGES).write_text(good, encoding="utf-8")
    emit("\n   A version that only one of two owners has signed:")
    _edit(stage, "Harbour Travel", "Harbour Voyage")
    stage.run(f"countersign sign card-bin/house-cards {_ALICE}")
    stage.run("git add -A")
    stage.run('git commit -q -m "A version that waits for a second owner"')
    stage.run(f"countersign promote card-bin/house-cards@3 {_ALICE} {_BOB}", ends=[3])


def _go_back(stage: _Stage) -> None:
    emit("\n4. Rollback is `git revert`; git signs the commit with a rollback key.")
    stage.run("git revert --no-edit HEAD~1", shown=2)
    stage.run("countersign reconcile --once")
    stage.run("countersign resolve iin 99010700", ends=[1])
    emit("\n   A rewritten branch that leads to the very same files is refused:")
    stage.run("git branch --quiet kept")
    stage.run("git reset --quiet --hard HEAD~3")
    stage.run("countersign reconcile --once", ends=[3])
    stage.run("git reset --quiet --hard kept")


def _prove(stage: _Stage) -> None:
    emit("\n5. And all of it can be proven afterwards, from git alone and against the database.")
    stage.run("countersign history")
    stage.run("countersign audit verify")
    stage.run("countersign audit verify --git-only")
    stage.run("git log --oneline audit/countersign")
    if shutil.which("ssh-keygen", path=os.pathsep.join(os.get_exec_path())) is not None:
        stage.run("git verify-commit audit/countersign")


def _edit(stage: _Stage, old: str, new: str) -> None:
    file = stage.shop / _RANGES
    text = file.read_text(encoding="utf-8")
    assert old in text, "the reference bundle holds what the story changes"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    for line in new.splitlines():
        if line not in old and line not in text:
            emit(f"  + {line}")
