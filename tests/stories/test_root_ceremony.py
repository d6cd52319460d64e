"""The ceremony's page, followed literally: every block on the machine that it names."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.authoring.rootfiles import read_root
from tests.support.commands import Desk

PAGE = Path(__file__).parents[2] / "docs" / "runbooks" / "root-ceremony.md"
BLOCKS = re.findall(
    r"^```sh (\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
WITHOUT_NETWORK = ("alice", "bob")
MACHINES = ("laptop", "alice", "bob", "dora", "erin", "host")
GIT = "[user]\n    name = {0}\n    email = {0}@example.test\n"


@dataclass(frozen=True)
class Hall:
    """The machines of a ceremony, each a folder and a home of its own, and the stick between."""

    home: Path
    database_url: str
    pin: str

    @property
    def stick(self) -> Path:
        return self.home / "stick"

    def machine(self, name: str) -> Path:
        return self.home / name

    def types(self, machine: str, block: str) -> str:
        """Type a block on a machine and return what it says; it must end well."""
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", f"set -euo pipefail\n{block}"],
            cwd=self.machine(machine),
            env=self.environment(machine),
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, f"on {machine}:\n{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def environment(self, machine: str) -> dict[str, str]:
        """Return what a shell on a machine knows: no other machine, but where to reach git."""
        binaries = Path(sys.executable).parent
        known = {
            "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.machine(machine)),
            "LC_ALL": "C.UTF-8",
            "STICK": str(self.stick),
            "PIN": self.pin,
        }
        proposal = self.stick / "root-4.json"
        if proposal.exists():
            known["NEW"] = read_root(proposal).digest
        if machine not in WITHOUT_NETWORK:
            known["ORIGIN"] = str(self.home / "forge" / "shop.git")
        if machine == "host":
            known["COUNTERSIGN_CONFIG"] = str(self.machine("host") / "countersign.toml")
            known["DATABASE_URL"] = self.database_url
        return known


def git(*words: str | Path) -> None:
    subprocess.run(["git", *map(str, words)], check=True, capture_output=True, timeout=60)


@pytest.fixture
def hall(first_host: Desk, tmp_path: Path, database_url: str) -> Hall:
    """Return machines as the page's table says, and production at its first release."""
    for name in (*MACHINES, "forge", "stick"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".gitconfig").write_text(GIT.format(name))
    forge, keys = tmp_path / "forge" / "shop.git", first_host.home / "keys"
    git("clone", "--quiet", "--bare", first_host.folder, forge)
    git("clone", "--quiet", forge, tmp_path / "laptop" / "shop")
    git("clone", "--quiet", "--bare", forge, tmp_path / "host" / "shop.git")
    for owner in WITHOUT_NETWORK:
        shutil.copy(keys / owner, tmp_path / owner)
    for name in ("1.root.json", "countersign-audit", "countersign.toml"):
        shutil.copy(keys / name, tmp_path / "host")
    settings = tmp_path / "host" / "countersign.toml"
    settings.write_text(re.sub(r'(?m)^path = ".*"$', 'path = "shop.git"', settings.read_text()))
    made = Hall(tmp_path, database_url, read_root(keys / "1.root.json").digest)
    made.types("host", "countersign reconcile --once")
    return made


def last(hall: Hall) -> dict[str, object]:
    """Return what `status` says on the host."""
    found: dict[str, object] = json.loads(hall.types("host", "countersign status -o json"))
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_ceremony_goes_as_its_page_says(hall: Hall) -> None:
    roots: list[object] = []
    said: dict[str, str] = {}

    for machine, block in BLOCKS:
        said[machine] = hall.types(machine, block)
        if machine == "host":
            roots.append(last(hall)["root"])

    history = json.loads(hall.types("host", "countersign history -o json"))["revisions"]
    status = last(hall)
    assert len(BLOCKS) == 21
    assert {machine for machine, _ in BLOCKS} == set(MACHINES)
    assert [root["version"] for root in roots if isinstance(root, dict)] == [2, 3, 4, 4]
    assert [one["kind"] for one in history] == ["repin", "baseline"]
    assert isinstance(status["condition"], dict)
    assert status["condition"]["type"] == "Ready"
    assert "links of audit/countersign hold" in said["host"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_machines_without_a_network_hold_nothing_but_what_was_carried(hall: Hall) -> None:
    for machine, block in BLOCKS[:6]:
        hall.types(machine, block)

    for owner in WITHOUT_NETWORK:
        names = {path.name for path in hall.machine(owner).iterdir()}
        assert names <= {
            ".gitconfig",
            owner,
            "1.root.json",
            "2.root.json",
            "root-2.json",
            "dora.pub",
        }
    assert {owner.name for owner in hall.stick.iterdir()} >= {"alice", "root-2.json"}
    # The private halves stayed where they were made.
    carried = [path for path in hall.stick.rglob("*") if path.is_file()]
    assert not [path for path in carried if b"PRIVATE KEY" in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_root_that_was_changed_on_the_stick_is_not_signed_for_another(hall: Hall) -> None:
    for machine, block in BLOCKS[:4]:
        hall.types(machine, block)
    proposal = hall.stick / "root-2.json"
    proposal.write_bytes(proposal.read_bytes().replace(b'"threshold": 2', b'"threshold": 1'))
    hall.types(*BLOCKS[4])

    with pytest.raises(AssertionError, match="holds another root"):
        hall.types(*BLOCKS[5])
