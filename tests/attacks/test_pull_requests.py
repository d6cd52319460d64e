"""What a pull request can bring, and what a merge that CI calls green can: nothing but files."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.gitcli import child_environment
from controller.adapters.shipped import shipped
from controller.artifacts import merkle, walk
from controller.audit.branch import published
from controller.audit.commit import content
from controller.audit.prove import Proof
from controller.audit.trail import BrokenTrail, RowMissing, TrailTruncated
from controller.authoring.starting import AUDIT
from controller.kernel.canonical import Digest, sha256
from controller.reconcile.proof import prove_database, prove_git
from controller.stores.control.model import RevisionKind
from controller.trust.sign import sign_commit
from tests.attacks.passes import APPLIED, attempt, stopped
from tests.support.world import NEW_RANGE, OTHER_RANGE, Shop

BAD_RANGE = NEW_RANGE.replace("false", "perhaps")


def lenient() -> dict[str, bytes | None]:
    """Return a card rail that lets every currency pass, as files of a repository."""
    files: dict[str, bytes | None] = {
        f"policies/{path}": data
        for path, data in shipped("policies").items()
        if path.startswith("card-bin/")
    }
    name = "policies/card-bin/rail.json"
    files[name] = (files[name] or b"").replace(b"Card", b"Any card")
    return files


def pinned(shop: Shop) -> dict[str, Digest]:
    """Return the pin of the committed rail."""
    entry = walk.find(shop.repository, shop.tree, "policies/card-bin")
    assert entry is not None
    path = "policies/card-bin"
    return {"card-bin": merkle.files_root(shop.repository, entry.oid, path, merkle.NoMemory()).root}


# Rules


@pytest.mark.stops("pull-request.policies", "incident.11-policy-rollback")
def test_rules_that_a_pull_request_brought_judge_nothing(shop: Shop) -> None:
    shop.commit(lenient())
    shop.publish(add=[NEW_RANGE])

    assert attempt(shop) == stopped("rails.not_pinned")


@pytest.mark.stops("pull-request.policies", "incident.11-policy-rollback")
def test_rules_that_were_set_back_after_the_release_judge_nothing(shop: Shop) -> None:
    shop.commit(lenient())
    old = shop.read("policies/card-bin/rail.json")
    shop.publish(add=[NEW_RANGE], policies=pinned(shop))
    shop.reconcile()
    shop.commit({"policies/card-bin/rail.json": old.replace(b"Any card", b"Card")})

    assert attempt(shop) == stopped("rails.not_pinned")


@pytest.mark.allows("pull-request.policies", "incident.11-policy-rollback")
def test_rules_that_the_release_pins_judge_it(shop: Shop) -> None:
    shop.commit(lenient())
    shop.publish(add=[NEW_RANGE], policies=pinned(shop))

    assert attempt(shop).code == APPLIED


# Roots


def longer(made: dict[str, Any]) -> None:
    """Let the root expire later."""
    made["expires"] = "2090-01-01T00:00:00Z"


@pytest.mark.stops("pull-request.root")
def test_a_root_that_one_of_two_signed_is_not_followed(shop: Shop) -> None:
    path, envelope = shop.next_root(longer, by=["alice"])
    shop.commit({path: envelope})

    assert attempt(shop) == stopped("trust.threshold_not_met")


@pytest.mark.stops("pull-request.root", "incident.11-root-rollback")
@pytest.mark.parametrize("instead", [None, b"rubbish"], ids=["gone", "rubbish"])
def test_a_root_that_is_taken_away_or_replaced_is_missed(shop: Shop, instead: bytes | None) -> None:
    path, envelope = shop.next_root(longer)
    shop.commit({path: envelope})
    shop.reconcile()
    shop.commit({path: instead})

    assert attempt(shop) == stopped("roots.removed")
    assert shop.held_root_version() == 2


@pytest.mark.stops("incident.11-root-rollback")
def test_a_database_that_holds_a_root_does_not_go_back_to_the_pinned_one(shop: Shop) -> None:
    before = shop.tip
    carol = shop.signer("carol").public.id
    revoked = {carol: {"at": "2026-11-01T00:00:00Z", "reason": "stolen"}}
    path, envelope = shop.next_root(lambda made: made.update(revoked=revoked))
    shop.commit({path: envelope})
    shop.reconcile()
    shop.force(before)
    shop.edit(add=[NEW_RANGE])
    live = shop.sign(shop.next_version(), by=["bob", "carol"])
    shop.release(shop.next_release(live), by=["bob", "carol"])

    found = attempt(shop)

    assert found.code in {"trust.threshold_not_met", "trust.history_rewritten"}
    assert (found.reason, found.changed, shop.held_root_version()) == (found.code, (), 2)


@pytest.mark.allows("incident.11-root-rollback")
def test_a_root_that_stays_where_it_was_is_followed_again(shop: Shop) -> None:
    path, envelope = shop.next_root(longer)
    shop.commit({path: envelope})
    shop.reconcile()
    shop.publish(add=[NEW_RANGE])

    shop.reconcile()

    assert (shop.serial, shop.held_root_version()) == (2, 2)


# Code


TRAPS = ("sitecustomize.py", "conftest.py", "controller/__init__.py", "typer.py", "json.py")


def validated(shop: Shop) -> subprocess.CompletedProcess[str]:
    """Run `countersign validate` in the work tree, as CI does."""
    command = Path(sys.executable).with_name("countersign")
    return subprocess.run(
        [command, "validate", "."],
        cwd=shop.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=child_environment(settings={}),
    )


@pytest.mark.stops("pull-request.code")
def test_programs_in_a_pull_request_are_not_run(shop: Shop) -> None:
    trap = f"open({str(shop.folder.parent / 'sprung')!r}, 'w')\n".encode()
    shop.commit(dict.fromkeys(TRAPS, trap))
    hook = b"#!/bin/sh\ntouch ../sprung\n"
    shop.commit({".githooks/post-checkout": hook, ".gitattributes": b"*.csv filter=trap\n"})
    shop.sync()

    said = validated(shop)
    attempt(shop)

    assert said.returncode == 0
    assert not (shop.folder.parent / "sprung").exists()
    subprocess.run([sys.executable, "-c", "import typer"], cwd=shop.folder, check=True)
    assert (shop.folder.parent / "sprung").exists(), "the traps were none"


@pytest.mark.stops("pull-request.code")
def test_a_workflow_that_a_pull_request_changed_changes_no_verdict(shop: Shop) -> None:
    shop.commit({".github/workflows/validate.yml": b"on: push\njobs: {}\n"})
    shop.publish(add=[BAD_RANGE])
    shop.sync()

    assert validated(shop).returncode == 1
    assert attempt(shop) == stopped("inspect.unclean")


@pytest.mark.allows("pull-request.code", "ci.green-but-invalid")
def test_a_good_pull_request_passes_both(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.sync()

    assert validated(shop).returncode == 0
    assert attempt(shop).code == APPLIED


# A CI that lies


@pytest.mark.stops("ci.green-but-invalid")
def test_a_head_that_ci_calls_green_is_judged_again(shop: Shop) -> None:
    shop.publish(add=[BAD_RANGE])
    shop.sync()
    shop.git("commit", "--quiet", "--allow-empty", "-m", "Merge\n\nChecks: passed\nReviewed-by: a")
    shop.git("notes", "--ref=ci", "add", "-m", "green")
    shop.git("tag", "ci-passed")
    shop.git("update-ref", "refs/ci/validated", "HEAD")

    assert attempt(shop) == stopped("inspect.unclean")


# A stolen deploy key and a stolen audit key: both can move the audit branch


def pushed(shop: Shop, *, by: str | None) -> None:
    """Put a commit on top of the audit branch."""
    audit = f"refs/heads/audit/{shop.controller}"
    (tip,) = shop.audit_commits()
    raw = shop.repository.raw_commit(tip)
    head, blank, message = raw.partition(b"\n\n")
    lines = [line for line in head.split(b"\n") if not line.startswith((b"gpgsig", b" "))]
    parent = b"parent " + tip.hex().encode()
    unsigned = b"\n".join([lines[0], parent, *lines[1:]]) + blank + message
    armored = sign_commit(unsigned, shop.signer(by)) if by else None
    shop.repository.move(audit, tip, shop.repository.write_commit(unsigned, armored))


@pytest.mark.stops("deploy-key.audit-branch", "audit-key.forged")
@pytest.mark.parametrize("by", [None, AUDIT], ids=["deploy key", "audit key"])
def test_a_link_that_the_journal_does_not_know_is_found_in_git_alone(
    shop: Shop, by: str | None
) -> None:
    pushed(shop, by=by)

    with pytest.raises(BrokenTrail) as refusal:
        proven(shop)

    assert refusal.value.seq == 2


def proven(shop: Shop) -> Proof:
    """Prove the trail from git alone."""
    now = shop.clock.now()
    return prove_git(shop.repository, shop.pin, branch="main", controller=shop.controller, now=now)[
        1
    ]


def forged(shop: Shop) -> None:
    """Continue the trail with the audit key as the controller would, with a record of our own."""
    (tip,) = shop.audit_commits()
    (last,) = published(shop.repository, shop.controller)
    shop.publish(add=[NEW_RANGE])
    some = next(iter(last.record.signers.values()))
    live = [f"{one.bundle}@{one.version}" for one in shop.released[-1].bundles]
    record = replace(
        last.record,
        signers=dict.fromkeys([*live, "release"], some),
        seq=2,
        prev=last.record.sha256,
        revision=2,
        commit=shop.tip,
        parent_commit=last.record.commit,
        serial=2,
        kind=RevisionKind.FORWARD,
        release_sha256=sha256(shop.released[-1].payload()),
    )
    unsigned = content(record, tip)
    made = shop.repository.write_commit(unsigned, sign_commit(unsigned, shop.signer(AUDIT)))
    shop.repository.move(f"refs/heads/audit/{shop.controller}", tip, made)


@pytest.mark.stops("audit-key.forged")
def test_a_well_made_fork_of_the_trail_is_told_by_the_database_and_not_continued(
    shop: Shop,
) -> None:
    forged(shop)

    assert len(proven(shop).links) == 2
    with pytest.raises(RowMissing) as refusal:
        prove_database(shop.world().connection, shop.repository, proven(shop))
    assert refusal.value.seq == 2
    assert attempt(shop).code == "audit.forked"


@pytest.mark.allows("audit-key.forged", "deploy-key.audit-branch")
def test_the_trail_that_the_controller_wrote_is_proven_and_continued(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()

    proof = proven(shop)

    assert len(proof.links) == 2
    assert prove_database(shop.world().connection, shop.repository, proof).rows == 2


@pytest.mark.stops("deploy-key.audit-branch")
def test_an_audit_branch_that_was_set_back_gets_back_the_same_commits(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    before = shop.audit_commits()
    shop.repository.move(f"refs/heads/audit/{shop.controller}", before[1], before[0])

    with pytest.raises(TrailTruncated):
        prove_database(shop.world().connection, shop.repository, proven(shop))
    shop.publish(add=[OTHER_RANGE])
    shop.reconcile()

    assert shop.audit_commits()[:2] == before
