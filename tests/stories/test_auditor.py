"""An auditor with two clones and one file: what the runbook says, on a machine without our code."""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nacl
import pytest

from tests.support.house import ROOT, fenced
from tests.support.terminal import Terminal, terminal

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="git signs with it")

BLOCKS = [text for _, text in fenced((ROOT / "docs/runbooks/auditing.md").read_text(), "sh")]
CLONES, WHAT_SHOULD_BE, WHAT_WAS_DONE, WITH_CHECKPOINT, FOR_A_MACHINE = BLOCKS
TWO = "--key ../keys/alice --key ../keys/bob"

# No site folder, no variable, no folder of the caller: the standard library and what lib/ holds.
ALONE = """\
#!/bin/sh
exec {python} -I -S -c 'import runpy, sys
sys.path.append("{lib}")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")' "$@"
"""


@pytest.fixture
def desk(database_url: str) -> Iterator[Terminal]:
    """Return a shell in a shop that has applied two releases, beside the auditor's empty folder."""
    with terminal(DATABASE_URL=database_url) as shell:
        shell.types("countersign init shop --demo-keys keys")
        shell.types("export COUNTERSIGN_CONFIG=$PWD/keys/countersign.toml; cd shop")
        shell.types("countersign reconcile --once")
        shell.types(f"countersign promote --drop in-imps-neft/branches {TWO}")
        shell.types("countersign reconcile --once")
        auditor(shell)
        yield shell


def auditor(shell: Terminal) -> None:
    """Hand over what the runbook lists, and a Python that has PyNaCl and nothing of ours."""
    folder, site = shell.folder / "auditor", Path(nacl.__file__).parents[1]
    (folder / "lib").mkdir(parents=True)
    (folder / "bin").mkdir()
    for part in (site / "nacl", *site.glob("_cffi_backend*")):
        (folder / "lib" / part.name).symlink_to(part)
    python = folder / "bin" / "python3"
    python.write_text(ALONE.format(python=sys.executable, lib=folder / "lib"))
    python.chmod(0o755)
    shutil.copy(ROOT / "tools" / "countersign_verify.py", folder)
    shutil.copy(shell.folder / "keys" / "1.root.json", folder)
    settings = (shell.folder / "keys" / "countersign.toml").read_text()
    for name in ("root_sha256", "baseline"):
        found = re.search(rf'^{name} = "([0-9a-f]+)"$', settings, re.MULTILINE)
        assert found is not None
        shell.types(f"export {name.upper()}={found[1]}")
    shell.types("countersign audit checkpoint > ../auditor/kept.txt")
    shell.types(
        "export REPOSITORY=$PWD; cd ../auditor; export OURS=$PATH PATH=$PWD/bin:/usr/bin:/bin"
    )


def test_an_auditor_proves_a_shop_as_the_runbook_says(desk: Terminal) -> None:
    (desk.folder / "auditor" / "ours.py").write_text("import controller")

    desk.types("python3 ours.py", ends=[1])
    no_code_of_ours = desk.complained
    desk.types(CLONES)
    repository = desk.types(WHAT_SHOULD_BE)
    trail = desk.types(WHAT_WAS_DONE)
    witnessed = desk.types(WITH_CHECKPOINT)
    found = desk.reads(FOR_A_MACHINE)

    assert "No module named 'controller'" in no_code_of_ours
    assert "release 2 of production" in repository
    assert "in-imps-neft" not in repository
    assert "accepted: 2 links of countersign" in trail
    assert "begins with the 2 records of kept.txt" in witnessed
    assert (found["result"], found["release"]["serial"]) == ("accepted", 2)


def test_an_auditor_sees_a_trail_that_was_cut_and_a_release_that_one_person_signed(
    desk: Terminal,
) -> None:
    envelope = desk.folder / "shop/environments/production/release.dsse.json"
    document = json.loads(envelope.read_bytes())
    document["signatures"].pop()
    envelope.write_text(json.dumps(document))
    desk.types("cd $REPOSITORY && git commit --quiet --all -m 'One signature is enough'")
    desk.types("git update-ref refs/heads/audit/countersign audit/countersign~1; cd ../auditor")
    desk.types(CLONES)

    desk.types(WHAT_WAS_DONE)
    desk.types(WITH_CHECKPOINT, ends=[1])
    cut = desk.complained
    desk.types(WHAT_SHOULD_BE, ends=[1])
    nearly = desk.complained

    assert "knows of 2 records, the branch has 1 [audit.truncated]" in cut
    assert "needs 2 owners, 1 signed" in nearly
    assert "[trust.threshold_not_met]" in nearly
