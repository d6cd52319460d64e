"""What has gone wrong elsewhere: failed reads, stale checkouts, stale verdicts, mass removals."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from controller.adapters.git import GitRepository
from controller.adapters.shipped import shipped
from controller.artifacts import layout, walk
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.objects import Objects, Oid
from controller.plan.guards import Limits
from controller.policy.rail import CHECKS_VERSION, rail_digest
from controller.reconcile.apply import apply
from controller.reconcile.rails import Rails, RailSet, rail_files
from controller.reconcile.status import Sync, read_status
from controller.stores.control.model import RevisionKind, StaleWriter
from tests.attacks.passes import APPLIED, attempt, stopped
from tests.support.world import (
    BRANCHES,
    CARDS,
    NEW_RANGE,
    OLD_RANGE,
    OTHER_RANGE,
    RANGES,
    Shop,
)

# 1: what cannot be read is not empty


def lost(shop: Shop, path: str) -> Path:
    """Lose the object behind a path of the newest commit; return where it was."""
    entry = walk.find(shop.repository, shop.tree, path)
    assert entry is not None
    return lost_object(shop, entry.oid)


def lost_object(shop: Shop, oid: Oid) -> Path:
    """Lose an object, wherever it is kept."""
    objects = shop.repository.git_dir / "objects"
    name = oid.hex()
    file = objects / name[:2] / name[2:]
    assert file.exists()
    file.unlink()
    shop.repository = GitRepository.open(shop.folder)  # forgets what it has read
    return file


PLACES = {
    "the environments": "environments",
    "the release's folder": layout.release_dir(ENVIRONMENT),
    "the release's envelope": f"{layout.release_dir(ENVIRONMENT)}/release.dsse.json",
    "the version's statement": f"{layout.version_dir(CARDS, 2)}/bundle.json",
    "the table": RANGES,
}


@pytest.mark.stops("incident.1-failed-read")
@pytest.mark.parametrize("path", PLACES.values(), ids=PLACES.keys())
def test_an_object_that_is_missing_is_an_error_and_nothing_is_removed(
    shop: Shop, path: str
) -> None:
    shop.publish(add=[NEW_RANGE])
    lost(shop, path)

    found = attempt(shop)

    assert found.code != APPLIED
    assert (found.reason, found.changed) == (found.code, ())


@pytest.mark.stops("incident.1-failed-read")
def test_a_commit_that_is_missing_is_an_error_and_nothing_is_removed(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    lost_object(shop, shop.tip)

    found = attempt(shop)

    assert found.code != APPLIED
    assert (found.reason, found.changed) == (found.code, ())


@pytest.mark.stops("incident.1-failed-read")
@pytest.mark.parametrize("data", [b"", b"not zlib"], ids=["empty", "torn"])
def test_an_object_that_is_torn_is_an_error_and_nothing_is_removed(shop: Shop, data: bytes) -> None:
    shop.publish(add=[NEW_RANGE])
    lost(shop, RANGES).write_bytes(data)

    found = attempt(shop)

    assert found.code != APPLIED
    assert (found.reason, found.changed) == (found.code, ())


@pytest.mark.stops("incident.1-failed-read")
def test_a_branch_that_cannot_be_read_is_unknown_and_not_out_of_sync(shop: Shop) -> None:
    shop.branch = "gone"

    found = read_status(shop.world(), shop.clock.now())

    assert (found.sync, found.observed) == (Sync.UNKNOWN, None)
    assert found.condition.reason == "source.no_branch"
    assert attempt(shop).changed == ()


@pytest.mark.allows("incident.1-failed-read")
def test_a_pass_goes_on_when_the_object_is_back(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    held = shop.read(RANGES)
    lost(shop, RANGES)
    assert attempt(shop).code != APPLIED
    shop.repository.write_blob(held)

    assert attempt(shop).code == APPLIED
    assert "990600" in shop.ranges()


# 2: much goes only when people say so


@pytest.mark.stops("incident.2-mass-removal")
def test_a_release_that_takes_most_rows_away_waits_and_status_says_so(shop: Shop) -> None:
    header, *lines = shop.read(RANGES).decode().splitlines()
    assert header
    shop.publish(drop=lines[: len(lines) * 9 // 10])
    shop.limits = Limits(small_rows=0)

    assert attempt(shop) == stopped("plan.guard_tripped")


@pytest.mark.stops("incident.2-mass-removal")
def test_a_release_that_takes_everything_away_waits(shop: Shop) -> None:
    shop.release(shop.next_release(bundles=()))

    assert attempt(shop) == stopped("plan.guard_tripped")


@pytest.mark.allows("incident.2-mass-removal")
def test_a_release_that_takes_little_away_is_applied(shop: Shop) -> None:
    shop.limits = Limits(removed_share=Fraction(1, 11), small_rows=0)
    shop.publish(drop=[OLD_RANGE])

    assert attempt(shop).code == APPLIED


# 3: what was planned is what is applied


@pytest.mark.stops("incident.3-other-tree")
def test_a_branch_that_moves_between_plan_and_apply_changes_nothing_of_the_plan(shop: Shop) -> None:
    planned = shop.publish(add=[NEW_RANGE])
    decision = shop.decide()
    shop.publish(add=[OTHER_RANGE])

    revision = apply(shop.world(), decision)

    assert revision is not None
    assert (revision.commit, revision.serial) == (planned, 2)
    assert {"990600", "990601"} & shop.ranges() == {"990600"}


@pytest.mark.stops("incident.3-other-tree")
def test_a_plan_that_another_pass_overtook_is_not_applied(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    decision = shop.decide()
    shop.publish(add=[OTHER_RANGE])
    shop.reconcile()
    before = shop.footprint()

    with pytest.raises(StaleWriter):
        apply(shop.world(), decision)

    assert shop.footprint() == before


@pytest.mark.allows("incident.3-other-tree")
def test_the_next_pass_goes_on_to_where_the_branch_went(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    decision = shop.decide()
    shop.publish(add=[OTHER_RANGE])
    apply(shop.world(), decision)

    shop.reconcile()

    assert (shop.serial, {"990600", "990601"} <= shop.ranges()) == (3, True)


# 4: no checkout, so none is stale


@pytest.mark.stops("incident.4-stale-checkout")
def test_a_work_tree_of_another_commit_is_not_what_is_applied(shop: Shop) -> None:
    shop.sync()
    shop.publish(add=[NEW_RANGE])
    (shop.folder / RANGES).write_text("a stale checkout\n")
    shop.git("add", "--all")

    assert attempt(shop).code == APPLIED
    assert "990600" in shop.ranges()


# 5: a verdict is remembered with the rules that gave it


def without_francs() -> Rails:
    """Return the shipped rails with a card rail that knows no Swiss francs."""
    files = dict(shipped("policies"))
    name = "card-bin/schema/ranges.schema.json"
    schema = json.loads(files[name])
    schema["properties"]["currency"] = {"type": "string", "pattern": "^(EUR|GBP)?$"}
    return Rails({**files, name: json.dumps(schema).encode()})


@pytest.mark.stops("incident.5-stale-verdict")
def test_rows_that_were_clean_are_judged_again_when_a_rule_is_tightened(shop: Shop) -> None:
    shop.rails = without_francs()

    assert attempt(shop) == stopped("inspect.unclean")


@pytest.mark.stops("incident.5-stale-verdict")
def test_an_unchanged_file_of_a_changed_bundle_is_judged_by_the_new_rules(shop: Shop) -> None:
    shop.rails = without_francs()
    shop.publish(add=[NEW_RANGE])

    assert attempt(shop) == stopped("inspect.unclean")


class OlderProgram(Rails):
    """The same rails, read by older checks that let Swiss francs pass all the same."""

    def at(self, objects: Objects, tree: Oid) -> RailSet:
        """Return laxer rails that stand for the stricter files."""
        laxer = super().at(objects, tree)
        stricter = without_francs().at(objects, tree)
        for name in laxer.names:
            files = rail_files(stricter.files, name)
            older = rail_digest(files, checks=CHECKS_VERSION - 1)
            laxer._read[name] = replace(laxer.rail(name), digest=older)
        return laxer


def upgraded(shop: Shop) -> None:
    """Apply with the older program, then run this one."""
    shop.rails = OlderProgram(shipped("policies"))
    shop.reconcile()
    shop.rails = without_francs()


@pytest.mark.stops("incident.5-new-code")
def test_rows_that_older_checks_let_pass_are_judged_again(shop: Shop) -> None:
    upgraded(shop)

    assert attempt(shop) == stopped("inspect.unclean")


@pytest.mark.allows("incident.5-new-code")
def test_rows_that_meet_the_newer_checks_are_served_on(shop: Shop) -> None:
    shop.publish(drop=[line for line in shop.read(RANGES).decode().splitlines() if ",CHF," in line])
    upgraded(shop)

    (outcome,) = shop.reconcile()

    assert outcome.revision is not None
    assert outcome.revision.kind is RevisionKind.REPOLICY


@pytest.mark.allows("incident.5-stale-verdict")
def test_rows_that_meet_the_tightened_rule_are_applied_under_it(shop: Shop) -> None:
    francs = [line for line in shop.read(RANGES).decode().splitlines() if ",CHF," in line]
    assert francs
    shop.rails = without_francs()
    shop.publish(drop=francs)

    (outcome,) = shop.reconcile()

    assert outcome.revision is not None
    assert outcome.revision.kind is RevisionKind.FORWARD


# 9: one bad bundle


@pytest.mark.stops("incident.9-poison-bundle")
def test_one_bad_bundle_is_named_and_nothing_of_the_release_is_applied(shop: Shop) -> None:
    branches = shop.next_version(BRANCHES)
    shop.edit(add=[NEW_RANGE.replace("false", "perhaps")])
    live = shop.sign(shop.next_version())
    shop.release(shop.next_release(live, shop.sign(branches)))

    found = attempt(shop)

    assert found == stopped("inspect.unclean")
    assert RANGES in read_status(shop.world(), shop.clock.now()).condition.message


@pytest.mark.allows("incident.9-poison-bundle")
def test_the_same_release_without_the_bad_bundle_is_applied(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE.replace("false", "perhaps")])
    shop.release(shop.next_release(shop.sign(shop.next_version(BRANCHES))))

    assert attempt(shop).code == APPLIED
    assert shop.serial == 2
