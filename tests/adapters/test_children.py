"""Children that can be killed: late ones, talkative ones, and those that will not end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.adapters import children
from controller.adapters.children import Bounds, Ended, Late, TooMuch
from tests.support.house import ROOT

ENVIRONMENT = {"PATH": os.defpath}


def sh(script: str, where: Path, *, seconds: float = 20, **more: object) -> Ended:
    return children.run(
        ["/bin/sh", "-c", script],
        cwd=where,
        env=ENVIRONMENT,
        seconds=seconds,
        **more,  # type: ignore[arg-type]
    )


def is_there(pid: int) -> bool:
    """Whether a process lives; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def soon(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.02)
    return False


def test_input_goes_in_and_both_outputs_come_back(tmp_path: Path) -> None:
    said = sh("cat; echo bad >&2; exit 3", tmp_path, stdin=b"x" * 300_000)

    assert (said.status, len(said.stdout), said.stderr) == (3, 300_000, b"bad\n")


def test_input_that_nobody_reads_is_dropped(tmp_path: Path) -> None:
    assert sh("exec <&-; echo done", tmp_path, stdin=b"x" * 300_000).stdout == b"done\n"


def test_a_late_child_is_killed_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(Late):
        sh("sleep 60 & echo $! > pid; wait", tmp_path, seconds=0.5)

    pid = int((tmp_path / "pid").read_text())
    assert soon(lambda: not is_there(pid))


def test_a_child_that_will_not_end_is_killed(tmp_path: Path) -> None:
    started = time.monotonic()

    with pytest.raises(Late):
        sh("trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done", tmp_path, seconds=0.3)

    assert time.monotonic() - started < 10
    assert not is_there(int((tmp_path / "pid").read_text()))


def test_a_child_that_is_asked_to_end_may_clear_up(tmp_path: Path) -> None:
    with pytest.raises(Late):
        sh("trap 'echo > cleared; exit' TERM; while :; do sleep 0.1; done", tmp_path, seconds=0.5)

    assert (tmp_path / "cleared").exists()


def test_what_outlives_an_obedient_child_is_killed(tmp_path: Path) -> None:
    stubborn = "(trap '' TERM; exec sleep 60 >/dev/null 2>&1) & echo $! > pid; wait"

    with pytest.raises(Late):
        sh(stubborn, tmp_path, seconds=0.5)

    pid = int((tmp_path / "pid").read_text())
    assert soon(lambda: not is_there(pid))


def test_a_child_that_says_too_much_is_killed(tmp_path: Path) -> None:
    with pytest.raises(TooMuch):
        sh("yes", tmp_path, bounds=Bounds(output_bytes=100_000))

    assert len(sh("head -c 100000 /dev/zero", tmp_path, bounds=Bounds(100_000)).stdout) == 100_000


def test_a_file_grows_no_larger_than_allowed(tmp_path: Path) -> None:
    write = "head -c 2000000 /dev/zero > file"

    few = sh(write, tmp_path, bounds=Bounds(file_bytes=1_000_000))
    assert few.status != 0
    assert b"File too large" in few.stderr
    assert (tmp_path / "file").stat().st_size <= 1_000_000

    assert sh(write, tmp_path, bounds=Bounds(file_bytes=2_000_000 + 512)).status == 0


def test_memory_grows_no_larger_than_allowed(tmp_path: Path) -> None:
    take = f"exec {sys.executable} -I -c 'len(bytearray(200_000_000))'"

    assert sh(take, tmp_path, bounds=Bounds(memory_bytes=100_000_000)).status != 0
    assert sh(take, tmp_path, bounds=Bounds(memory_bytes=900_000_000)).status == 0


def test_a_descriptor_is_inherited_when_it_is_named(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    say = f"exec {sys.executable} -I -c 'import os; os.write({writing}, b\"hello\")'"
    try:
        assert sh(say, tmp_path, keep=(writing,)).status == 0
        assert os.read(reading, 100) == b"hello"
        assert sh(say, tmp_path).status != 0
    finally:
        os.close(reading)
        os.close(writing)


def test_a_shutdown_waits_for_no_child(tmp_path: Path) -> None:
    script = (
        "import signal, sys; from pathlib import Path; from controller.adapters import children\n"
        "def end(*_): raise SystemExit(7)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "children.run(['/bin/sh', '-c', 'echo $$ > pid; exec sleep 60'], "
        "cwd=Path(sys.argv[1]), env={'PATH': '/usr/bin:/bin'}, seconds=60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT) as ours:
        file = tmp_path / "pid"
        assert soon(lambda: file.exists() and file.read_text().endswith("\n"))
        time.sleep(0.3)  # until it waits
        ours.send_signal(signal.SIGTERM)

        assert ours.wait(10) == 7

    assert not is_there(int(file.read_text()))
