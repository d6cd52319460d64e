"""The launcher keeps its promise to die with the owner, or does not start."""

import os
import subprocess
import sys
from pathlib import Path

from controller.adapters import launcher


def _launch(owner: int) -> subprocess.CompletedProcess[bytes]:
    identity = (str(os.geteuid()), str(os.getegid()))
    command = [sys.executable, "-I", "-S", str(Path(launcher.__file__)), str(owner), *identity]
    return subprocess.run([*command, "/bin/echo", "ran"], capture_output=True, check=False)


def test_a_program_whose_owner_is_already_gone_is_not_started() -> None:
    result = _launch(owner=1 if os.getpid() != 1 else 2)

    assert (result.returncode, result.stdout) == (3, b"")


def test_a_program_whose_owner_is_there_is_started() -> None:
    result = _launch(owner=os.getpid())

    assert (result.returncode, result.stdout) == (0, b"ran\n")
