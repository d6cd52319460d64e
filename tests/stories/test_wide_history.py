"""A branch that is too much to look through begins anew, as its page says; every host goes on."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.postgres import Connection, connect, with_database
from controller.kernel.objects import Oid
from controller.reconcile.cycle import converge
from tests.hostile.host import FILE, Host
from tests.reconcile.test_earlier import release_beside
from tests.support.commands import Said
from tests.support.house import ROOT
from tests.support.owners import Owners
from tests.support.trees import raw_tree
from tests.support.world import NEW_RANGE, OTHER_RANGE, open_connection

PAGE = ROOT / "docs" / "runbooks" / "wide-history.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
THIRD_RANGE = NEW_RANGE.replace("990600", "990602")


def widen(owners: Owners, number: int) -> None:
    """Commit generated files beside the roots, other ones each time, and let a pass accept them."""
    assert owners.shop.connection is not None
    host = Host(owners.desk, owners.shop, owners.shop.connection)
    tree = owners.shop.repository.tree_of(owners.shop.tip)
    roots = owners.shop.repository.entry(tree, "trust/root")
    assert roots is not None
    blob = host.put("blob", b"x")
    for commit in range(40):
        names = [b"%08d" % one for one in range(7000)] + [b"a%d-%d" % (number, commit)]
        generated = raw_tree([*((FILE, one, blob) for one in names), (b"40000", b"root", roots)])
        owners.shop.force(host.graft(owners.shop.tip, "trust", host.put("tree", generated)))
    owners.reconcile()


def burden(owners: Owners, _: int) -> None:
    """Merge large releases that too few signed, and take them back before a pass looks."""
    release_beside(owners.shop, 6, by=("alice",))
    owners.reconcile()


def publish(owners: Owners, line: str) -> list[Oid]:
    """Release a range and let a pass apply it; return the commits of that."""
    before = owners.shop.tip
    owners.shop.publish(add=[line])
    owners.reconcile()
    path = owners.git("rev-list", "--reverse", f"{before.hex()}..{owners.shop.tip.hex()}")
    return [Oid(bytes.fromhex(one)) for one in path.split()]


def laptop(owners: Owners, home: Path) -> Path:
    """Clone the repository to where somebody mends it."""
    owners.git("config", "receive.denyCurrentBranch", "ignore")
    owners.git("clone", "--quiet", str(owners.desk.folder), str(home))
    for name, value in (("user.name", "Dora"), ("user.email", "dora@example.test")):
        subprocess.run(["git", "config", name, value], cwd=home, check=True, timeout=60)
    return home


def types(block: str, folder: Path, owners: Owners, **known: str) -> str:
    """Type a block of the page and return what it says; it must end well."""
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", f"set -euo pipefail\n{block}"],
        cwd=folder,
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder.parent),
            "LC_ALL": "C.UTF-8",
            "COUNTERSIGN_CONFIG": str(owners.desk.config),
            **known,
        },
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def new_host(server_url: str, template_database: str) -> Iterator[Connection[Any]]:
    """Return the empty database of a host that starts now."""
    name = "wide_history_new_host"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
        with open_connection(with_database(server_url, name)) as connection:
            yield connection
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


def validate(owners: Owners, *, ends: int) -> Said:
    """Let a pull request's check look at the newest commit."""
    tip = owners.shop.tip.hex()
    return owners.host("validate", str(owners.desk.folder), "--ref", tip, ends=ends)


def verifier(owners: Owners, command: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run the file that stands alone on the repository."""
    pin = owners.desk.home / "keys" / "1.root.json"
    file = ROOT / "tools" / "countersign_verify.py"
    return subprocess.run(
        [sys.executable, file, command, owners.desk.folder, "--root", pin, *words],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


POISONS = {"history.too_wide": widen, "history.too_heavy": burden}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("code", "poison"), POISONS.items(), ids=POISONS.keys())
def test_a_branch_that_is_too_much_begins_anew_and_every_host_goes_on(
    code: str,
    poison: Callable[[Owners, int], None],
    owners: Owners,
    tmp_path: Path,
    new_host: Connection[Any],
) -> None:
    sane, good = owners.shop.tip, []
    for number, line in enumerate((NEW_RANGE, OTHER_RANGE)):
        poison(owners, number)
        good += publish(owners, line)
    refused = validate(owners, ends=1)
    alone = verifier(owners, "repository")
    assert code in refused.out
    assert "docs/runbooks/wide-history.md" in refused.out
    assert (alone.returncode, code in alone.stderr) == (1, True), alone.stderr

    folder = laptop(owners, tmp_path / "laptop")
    known = {"SANE": sane.hex(), "GOOD": " ".join(one.hex() for one in good)}
    for block in BLOCKS:
        types(block, folder, owners, **known)

    begun = owners.shop.tip
    assert validate(owners, ends=0).exit_code == 0
    assert owners.reconcile() == 3
    assert len(publish(owners, THIRD_RANGE)) == 3
    assert owners.shop.serial == 4
    *_, last = converge(owners.shop.world(new_host, baseline=begun, signer=None))
    assert last.revision is not None
    assert (last.revision.serial, last.revision.commit) == (4, owners.shop.tip)
    for words in (("repository",), ("repository", "--baseline", begun.hex())):
        assert verifier(owners, *words).returncode == 0
    trail = verifier(owners, "audit", "--controller", "countersign")
    assert trail.returncode == 0, trail.stderr


@pytest.mark.slow
def test_a_branch_that_held_what_is_no_root_begins_anew(owners: Owners, tmp_path: Path) -> None:
    sane = owners.shop.tip
    owners.shop.commit({"trust/root/2.root.json": b"not a root"})
    assert owners.refused() == "trust.malformed_envelope"
    owners.shop.commit({"trust/root/2.root.json": None})
    removed = owners.shop.tip
    owners.shop.publish(add=[NEW_RANGE])
    assert owners.refused() == "roots.removed"

    folder = laptop(owners, tmp_path / "laptop")
    good = owners.git("rev-list", "--reverse", f"{removed.hex()}..{owners.shop.tip.hex()}")
    for block in BLOCKS:
        types(block, folder, owners, SANE=sane.hex(), GOOD=" ".join(good.split()))

    assert owners.reconcile() == 2
    assert validate(owners, ends=0).exit_code == 0
    assert verifier(owners, "repository").returncode == 0
