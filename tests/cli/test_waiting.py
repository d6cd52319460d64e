"""`--wait`: a command that makes a release stays until a controller has applied it."""

import subprocess
import sys

import pytest

from tests.support.commands import Desk
from tests.support.house import ROOT
from tests.support.world import CARDS, NEW_RANGE, RANGES

RECONCILE_AFTER_RELEASE_2 = """
until git log -1 --format=%s | grep -q '^Release 2 '; do sleep 0.05; done
exec "$0" -m controller reconcile --once --config "$1"
"""


def signed_change(desk: Desk) -> None:
    file = desk.folder / RANGES
    file.write_text(file.read_text("utf-8") + NEW_RANGE + "\n", "utf-8")
    for name in ("alice", "bob"):
        told = desk.run(
            "sign", str(CARDS), "-C", str(desk.folder), "--key", str(desk.home / "keys" / name)
        )
        assert told.exit_code == 0, told.err
    for arguments in (["add", "-A"], ["commit", "-q", "-m", "one more range"]):
        subprocess.run(["git", *arguments], cwd=desk.folder, check=True)


def promote_and_wait(desk: Desk, seconds: int) -> tuple[int, str]:
    keys = [word for name in ("alice", "bob") for word in ("--key", str(desk.home / "keys" / name))]
    told = desk.run(
        "promote",
        f"{CARDS}@2",
        *keys,
        "-C",
        str(desk.folder),
        "--wait",
        "--timeout",
        str(seconds),
    )
    return told.exit_code, told.err


@pytest.mark.parametrize("host", ["desk", "laptop"])
def test_promote_waits_until_a_controller_has_applied_it(
    host: str, request: pytest.FixtureRequest
) -> None:
    desk: Desk = request.getfixturevalue(host)
    signed_change(desk)
    with subprocess.Popen(
        ["sh", "-c", RECONCILE_AFTER_RELEASE_2, sys.executable, str(desk.config)],
        cwd=desk.folder,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    ) as controller:
        code, said = promote_and_wait(desk, seconds=60)
        assert controller.wait(60) == 0

    assert code == 0
    assert "applied: production is at revision 2, release 2" in said


def test_promote_gives_up_at_its_deadline_and_keeps_the_release(desk: Desk) -> None:
    signed_change(desk)

    code, said = promote_and_wait(desk, seconds=1)

    assert code == 124
    assert "not done after 1 s" in said
    log = subprocess.check_output(["git", "log", "-1", "--format=%s"], cwd=desk.folder, text=True)
    assert log.startswith("Release 2 of production")
