"""The real OpenSSH and git programs, run quietly and away from the user's settings."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def need(*programs: str) -> None:
    """Skip where a program is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")


def run(
    *command: str | Path, data: bytes = b"", cwd: Path | None = None, agent: Path | None = None
) -> bytes:
    """Run a program; return its output or fail with its complaint."""
    environment = {
        "PATH": os.defpath + ":/usr/local/bin",
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        **({"SSH_AUTH_SOCK": str(agent)} if agent else {}),
    }
    words = [str(word) for word in command]
    done = subprocess.run(
        words, input=data, capture_output=True, check=False, timeout=30, env=environment, cwd=cwd
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


@contextmanager
def running_agent(folder: Path) -> Iterator[Path]:
    """Yield the socket of a fresh ssh-agent, which ends with the block."""
    need("ssh-agent", "ssh-add")
    path = folder / "agent"
    with subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield path
        finally:
            process.terminate()
            process.wait(10)
