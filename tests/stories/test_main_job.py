"""The main job as people type it: from an empty folder to production, back, and proven."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.terminal import Terminal, terminal

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="git signs with it")

INVENTED = """\
iin_start,iin_end,number_length,number_luhn,scheme,brand,type,prepaid,country,bank_name,bank_logo,\
bank_url,bank_phone,bank_city
457173,,,,visa,Fjord Classic,debit,,DK,FJORD SPAREKASSE,,www.fjord.example,+45 12 34 56 78,Aarhus
45717360,,16,y,visa,Fjord Electron,debit,n,DK,FJORD SPAREKASSE,,www.fjord.example,,Aarhus
457174,457179,,,visa,,credit,,NO,Nordlys Bank,,,,
"""
TWO = "--key ../keys/alice --key ../keys/bob"


@pytest.fixture
def shell() -> Iterator[Terminal]:
    """Return a shell whose controller starts a database of its own."""
    with terminal() as found:
        yield found


@pytest.fixture
def desk(database_url: str) -> Iterator[Terminal]:
    """Return a shell in a new shop, whose database is there already."""
    with terminal(DATABASE_URL=database_url) as found:
        found.types("countersign init shop --demo-keys keys")
        found.types("export COUNTERSIGN_CONFIG=$PWD/keys/countersign.toml; cd shop")
        yield found


def release_binlist(shell: Terminal) -> None:
    """Type the lines that lead from `../ranges.csv` to a release of it."""
    line = "countersign import --rail card-bin --name binlist --map binlist ranges.csv"
    shell.types(f"cp ../ranges.csv . && {line} && rm ranges.csv")
    shell.types("countersign sign card-bin/binlist --key ../keys/alice")
    shell.types("countersign sign card-bin/binlist --key ../keys/bob")
    shell.types('git add -A && git commit -m "binlist 1"')
    shell.types(f"countersign promote card-bin/binlist@1 {TWO}")


@pytest.mark.slow
def test_the_main_job_goes_as_it_is_written(shell: Terminal) -> None:
    (shell.folder / "ranges.csv").write_text(INVENTED)
    shell.types("countersign init shop --demo-keys keys")
    shell.types("export COUNTERSIGN_CONFIG=$PWD/keys/countersign.toml; cd shop")
    shell.types("countersign validate")
    release_binlist(shell)

    status = shell.reads(
        "countersign plan; countersign reconcile --once; countersign status -o json"
    )
    found = shell.reads("countersign resolve iin 45717360 -o json")
    traced = shell.types("countersign trace iin 45717360")
    shell.types("git revert --no-edit HEAD && countersign reconcile --once")
    history = shell.reads("countersign history -o json")["revisions"]
    proof = shell.types("countersign audit verify; countersign audit verify --git-only")

    assert status["applied"]["serial"] == 2
    assert (found["matched"]["brand"], found["participant"]["id"]) == (
        "Fjord Electron",
        "fjord-sparekasse",
    )
    assert "alice" in traced
    assert "bob" in traced
    assert [one["kind"] for one in history] == ["rollback", "forward", "baseline"]
    assert [one["serial"] for one in history] == [1, 2, 1]
    assert all(one["audit_commit"] for one in history)
    assert proof.count("git: 3 links of audit/countersign hold") == 2
    assert "database: 3 journal records agree with the branch" in proof
    shell.types("countersign resolve iin 45717360", ends=[1])
    for one in history:
        shell.types(f"git verify-commit {one['audit_commit']}")


def test_the_real_list_of_card_ranges_goes_to_production_and_back(
    desk: Terminal, shared_dir: Path
) -> None:
    shutil.copy(shared_dir / "data" / "binlist" / "ranges.csv", desk.folder)
    release_binlist(desk)

    desk.types("countersign reconcile --once")
    status = desk.reads("countersign status -o json")
    found = desk.reads("countersign resolve iin 45717360 -o json")
    desk.types("git revert --no-edit HEAD && countersign reconcile --once")
    desk.types("countersign audit verify")

    assert status["rows"]["ranges"] > 5_000
    assert (found["matched"]["scheme"], found["matched"]["country"]) == ("visa", "DK")
    desk.types("countersign resolve iin 45717360", ends=[1])


def add_range(line: str = "") -> str:
    """Return the shell line that adds a card range at the end."""
    line = line or "990600,,16,true,house,Lagoon Debit,debit,false,NL,EUR,harbour-bank,,"
    file = "bundles/card-bin/house-cards/files/ranges.csv"
    return f"echo '{line}' >> {file}"


def test_a_changed_file_goes_through_every_command_and_says_so(desk: Terminal) -> None:
    desk.types("countersign reconcile --once")
    desk.types(add_range())
    desk.types("countersign validate")
    desk.types("countersign sign card-bin/house-cards --key ../keys/alice")
    desk.types("countersign sign card-bin/house-cards --key ../keys/bob")
    desk.types("git add -A && git commit -m 'Lagoon'")
    desk.types(f"countersign promote card-bin/house-cards@2 {TWO}")

    plan = desk.types("countersign plan", ends=[1])
    applied = desk.types("countersign reconcile --once")
    again = desk.types("countersign plan && countersign reconcile --once")

    assert "990600" in plan
    assert "ranges: 1 added, 0 modified, 0 removed" in applied
    assert "No changes" in again
    assert "Nothing to apply" in again


def test_exit_codes_say_who_has_to_act(desk: Terminal) -> None:
    desk.types("countersign reconcile --once")
    bad = "990600,,16,true,house,Lagoon Debit,debit,perhaps,NL,EUR,harbour-bank,,"
    desk.types(add_range(bad))

    desk.types("countersign validate", ends=[1])
    desk.types("countersign sign card-bin/house-cards --key ../keys/alice", ends=[1])
    desk.types("git checkout --quiet . && git commit --quiet --allow-empty -m Empty")
    desk.types("countersign sign card-bin/house-cards --key ../keys/rollback", ends=[3])
    desk.types("countersign promote card-bin/house-cards@9 --key ../keys/alice", ends=[2, 3])
    desk.types(f"countersign promote --drop card-bin/house-cards {TWO}")
    held = desk.types("countersign plan", ends=[4])
    desk.types("countersign reconcile --once", ends=[4])
    desk.types("countersign nonsense", ends=[2])

    assert "ranges" in held


@pytest.mark.allows("incident.2-mass-removal")
def test_a_held_plan_goes_on_when_two_owners_acknowledge_it(desk: Terminal) -> None:
    desk.types("countersign reconcile --once")
    desk.types(f"countersign promote --drop card-bin/house-cards {TWO}")
    plan = desk.reads("countersign plan -o json", ends=[4])["digest"]

    desk.types(f"countersign ack {plan} --reason 'Closed down' {TWO}")
    desk.types("git add -A && git commit -m 'Acknowledge' || true")
    desk.types("countersign reconcile --once")

    assert desk.reads("countersign status -o json")["rows"]["ranges"] == 0


@pytest.mark.stops("rollback.force-push")
def test_a_branch_rewritten_to_the_very_same_files_is_refused(desk: Terminal) -> None:
    desk.types("countersign reconcile --once")
    desk.types("git branch before")
    desk.types(f"countersign promote --drop in-imps-neft/branches {TWO}")
    desk.types("countersign reconcile --once")
    desk.types("git branch after && git reset --quiet --hard before")

    desk.types("countersign reconcile --once", ends=[3])
    stalled = desk.reads("countersign status -o json", ends=[0, 1])
    desk.types("git reset --quiet --hard after && git revert --no-edit HEAD")
    desk.types("countersign reconcile --once")

    assert stalled["applied"]["serial"] == 2
    assert "trust.history_rewritten" in str(stalled)
    assert desk.reads("countersign status -o json")["applied"]["serial"] == 1


@pytest.mark.allows("rollback.force-push", "rollback.unsigned-revert")
def test_the_command_that_rolls_back_is_a_signed_revert(desk: Terminal) -> None:
    desk.types("countersign reconcile --once")
    desk.types(f"countersign promote --drop in-imps-neft/branches {TWO}")
    desk.types("countersign reconcile --once")

    desk.types("countersign rollback --to 1 --key ../keys/rollback")
    desk.types("git verify-commit HEAD")
    desk.types("countersign reconcile --once")

    history = desk.reads("countersign history -o json")["revisions"]
    assert [(one["kind"], one["serial"]) for one in history] == [
        ("rollback", 1),
        ("forward", 2),
        ("baseline", 1),
    ]
    desk.types("countersign audit verify")


@pytest.mark.stops("rollback.unsigned-revert")
def test_a_revert_that_nobody_signed_is_refused_until_somebody_signs_for_it(
    desk: Terminal,
) -> None:
    desk.types("countersign reconcile --once")
    desk.types(f"countersign promote --drop in-imps-neft/branches {TWO}")
    desk.types("countersign reconcile --once")
    desk.types("git -c commit.gpgsign=false revert --no-edit HEAD")

    desk.types("countersign reconcile --once", ends=[3])
    refused = desk.complained
    desk.types("git reset --quiet --hard HEAD~1 && git revert --no-edit HEAD")
    desk.types("countersign reconcile --once")

    assert "no rollback key signed it" in refused
    assert desk.reads("countersign status -o json")["applied"]["serial"] == 1


@pytest.mark.slow
def test_the_demo_tells_the_story_to_its_end(shell: Terminal) -> None:
    story = shell.types("time -p countersign demo")

    assert "What to try next" in story
    spent = dict(line.split() for line in shell.complained.splitlines()[-3:])
    # What it works, not how long it waits for others: that is the machine's affair.
    assert float(spent["user"]) + float(spent["sys"]) < 30
