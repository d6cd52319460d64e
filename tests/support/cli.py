"""Commands run as people run them: in a process of their own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.adapters.gitcli import child_environment
from tests.support.house import ROOT


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    out: str
    said: str

    @property
    def data(self) -> dict[str, Any]:
        document = json.loads(self.out)
        assert document.pop("version") == 1
        assert isinstance(document, dict)
        return document


def countersign(*arguments: str | Path, folder: Path, **settings: str) -> Ran:
    """Run `countersign ARGUMENTS` in a folder; `settings` are added to its environment."""
    done = subprocess.run(
        [sys.executable, "-m", "controller", *map(str, arguments)],
        cwd=folder,
        env={**child_environment(), "PYTHONPATH": str(ROOT), **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return Ran(done.returncode, done.stdout, done.stderr)
