"""After a pass, whoever has very many loose objects has them packed, and waits for nothing."""

import subprocess
import time

from controller.adapters import gitpack
from tests.support.commands import Desk

PATIENCE_SECONDS = 60.0


def packs(desk: Desk) -> int:
    return len(list((desk.folder / ".git" / "objects" / "pack").glob("*.idx")))


def test_a_pass_begins_to_pack_what_lies_loose_and_goes_on(desk: Desk) -> None:
    for number in range(gitpack.LOOSE_MAX + 200):
        (desk.home / str(number)).write_text(f"{number}\n")
    names = "".join(f"{desk.home / str(n)}\n" for n in range(gitpack.LOOSE_MAX + 200))
    command = ["git", "hash-object", "-w", "--stdin-paths"]
    subprocess.run(command, cwd=desk.folder, input=names.encode(), capture_output=True, check=True)
    before = packs(desk)

    assert desk.run("reconcile", "--once").exit_code == 0

    deadline = time.monotonic() + PATIENCE_SECONDS
    while packs(desk) == before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert packs(desk) == before + 1
    assert desk.run("audit", "verify").exit_code == 0


def test_a_pass_packs_nothing_where_little_lies_loose(desk: Desk) -> None:
    before = packs(desk)

    assert desk.run("reconcile", "--once").exit_code == 0

    assert packs(desk) == before
