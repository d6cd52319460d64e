"""Which rules judge a release: the shipped ones, or an override that the release itself pins."""

import json
from collections.abc import Mapping

import pytest

from controller.adapters.shipped import shipped
from controller.artifacts import merkle, walk
from controller.artifacts.levels import BadTree
from controller.kernel.canonical import Digest
from controller.policy.rail import RailMisnamed
from controller.reconcile.inspect import ReleaseUnclean
from controller.reconcile.rails import RailNotPinned, Rails, UnknownRail
from controller.stores.control.model import RevisionKind
from tests.support.world import CARDS, NEW_RANGE, NOON, RANGES, Shop, shipped_rails

PINK_RANGE = NEW_RANGE.replace("NL,EUR", "NL,JPY")


def override(**changes: str) -> dict[str, bytes | None]:
    """Return the files of a card rail that stands in the repository, with texts replaced."""
    files: dict[str, bytes | None] = {}
    for path, data in shipped("policies").items():
        if path.startswith("card-bin/"):
            text = data.decode()
            if path == "card-bin/rail.json":
                for old, new in changes.items():
                    text = text.replace(old, new)
            files[f"policies/{path}"] = text.encode()
    return files


def stricter() -> dict[str, bytes]:
    """Return the shipped policies with a card rail that knows no Swiss francs."""
    files = dict(shipped("policies"))
    schema = json.loads(files["card-bin/schema/ranges.schema.json"])
    schema["properties"]["currency"] = {"type": "string", "pattern": "^(EUR|GBP)?$"}
    files["card-bin/schema/ranges.schema.json"] = json.dumps(schema).encode()
    return files


def retitled() -> dict[str, bytes]:
    """Return the shipped policies with a card rail that only says something else of itself."""
    files = dict(shipped("policies"))
    rail = json.loads(files["card-bin/rail.json"])
    rail["title"] = "Card ranges, worded anew"
    files["card-bin/rail.json"] = json.dumps(rail).encode()
    return files


def pins(shop: Shop) -> Mapping[str, Digest]:
    """Return what a release must pin of the committed override."""
    entry = walk.find(shop.repository, shop.tree, "policies/card-bin")
    assert entry is not None
    files = merkle.files_root(shop.repository, entry.oid, "policies/card-bin", merkle.NoMemory())
    return {"card-bin": files.root}


def test_without_an_override_the_shipped_rails_are_in_force(drawer: Shop) -> None:
    rails = drawer.rails.at(drawer.repository, drawer.tree)

    assert rails.overridden == {}
    assert set(rails.names) >= {"caip", "card-bin", "in-imps-neft", "swift-iso20022"}
    assert rails.rail("card-bin").name == "card-bin"


def test_a_rail_that_nobody_wrote_is_unknown(drawer: Shop) -> None:
    with pytest.raises(UnknownRail) as refusal:
        drawer.rails.at(drawer.repository, drawer.tree).rail("sepa-moon")

    assert refusal.value.rail == "sepa-moon"


def test_a_shared_folder_is_no_rail(drawer: Shop) -> None:
    with pytest.raises(UnknownRail):
        drawer.rails.at(drawer.repository, drawer.tree).rail("_common")


def test_a_shared_folder_is_never_overridden(drawer: Shop) -> None:
    drawer.commit({"policies/_common/rules.json": b"[]"})

    with pytest.raises(BadTree):
        drawer.rails.at(drawer.repository, drawer.tree)


def test_an_override_that_calls_itself_something_else_is_refused(drawer: Shop) -> None:
    files = override()
    head = files["policies/card-bin/rail.json"]
    assert head is not None
    drawer.commit({**files, "policies/card-bin/rail.json": head.replace(b"card-bin", b"card-bim")})

    with pytest.raises(RailMisnamed) as refusal:
        drawer.rails.at(drawer.repository, drawer.tree).rail("card-bin")

    assert refusal.value.path == "policies/card-bin/rail.json"


def test_the_rails_of_a_tree_are_read_once(drawer: Shop) -> None:
    first = drawer.rails.at(drawer.repository, drawer.tree)
    drawer.commit({"README.md": b"New.\n"})

    assert drawer.rails.at(drawer.repository, drawer.tree) is first


def test_an_override_replaces_the_shipped_rail(drawer: Shop) -> None:
    before = drawer.rails.at(drawer.repository, drawer.tree)
    drawer.commit(override(Card="Our"))

    after = drawer.rails.at(drawer.repository, drawer.tree)

    assert set(after.overridden) == {"card-bin"}
    assert after.rail("card-bin").digest != before.rail("card-bin").digest
    assert after.rail("caip").digest == before.rail("caip").digest


def test_an_override_that_the_release_does_not_pin_is_refused(shop: Shop) -> None:
    shop.commit(override(Card="Our"))
    shop.publish(add=[NEW_RANGE])

    with pytest.raises(RailNotPinned) as refusal:
        shop.reconcile()

    assert (refusal.value.rail, refusal.value.pinned) == ("card-bin", None)
    assert refusal.value.found == pins(shop)["card-bin"]
    assert shop.serial == 1


def test_an_override_that_the_release_pins_is_in_force(shop: Shop) -> None:
    shop.commit(override(Card="Our"))
    shop.publish(add=[NEW_RANGE], policies=pins(shop))

    shop.reconcile()

    assert shop.serial == 2


@pytest.mark.stops("pull-request.policies", "incident.11-policy-rollback")
def test_an_override_that_was_merged_after_the_release_is_refused(shop: Shop) -> None:
    shop.commit(override(Card="Our"))
    shop.publish(add=[NEW_RANGE], policies=pins(shop))
    shop.commit(override(Card="Their"))

    with pytest.raises(RailNotPinned) as refusal:
        shop.reconcile()

    assert refusal.value.pinned != refusal.value.found
    assert shop.serial == 1


def test_a_pin_without_an_override_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE], policies={"card-bin": Digest("a" * 64)})

    with pytest.raises(RailNotPinned) as refusal:
        shop.reconcile()

    assert (refusal.value.found, refusal.value.pinned) == (None, "a" * 64)


def test_an_override_of_a_rail_that_judges_nothing_here_needs_no_pin(shop: Shop) -> None:
    files = {
        path.replace("card-bin", "card-bin-2"): data
        and data.replace(b'"rail": "card-bin"', b'"rail": "card-bin-2"')
        for path, data in override().items()
    }
    shop.commit(files)
    shop.publish(add=[NEW_RANGE])

    shop.reconcile()

    assert shop.serial == 2


def test_other_shipped_rails_judge_what_is_live_again(shop: Shop) -> None:
    shop.rails = Rails(retitled())

    (outcome,) = shop.reconcile()

    assert outcome.revision is not None
    assert outcome.revision.kind is RevisionKind.REPOLICY
    assert (outcome.revision.revision, outcome.revision.serial) == (2, 1)
    assert outcome.revision.counts == {}
    assert len(outcome.published.commits) == 1
    assert shop.reconcile()[0].revision is None


def test_the_same_rails_judge_nothing_again(shop: Shop) -> None:
    shop.rails = Rails(shipped("policies"))

    (outcome,) = shop.reconcile()

    assert outcome.revision is None
    assert shop.rails is not shipped_rails()


@pytest.mark.stops("incident.5-stale-verdict")
def test_stricter_rails_that_live_rows_break_are_refused_and_production_stays(
    shop: Shop,
) -> None:
    shop.rails = Rails(stricter())

    with pytest.raises(ReleaseUnclean) as refusal:
        shop.reconcile()

    first = refusal.value.report.findings[0]
    assert (first.file, first.column) == (RANGES, "currency")
    assert (shop.revision, shop.clock.now()) == (1, NOON)


def test_stricter_rails_judge_the_unchanged_lines_of_a_changed_file_again(shop: Shop) -> None:
    shop.rails = Rails(stricter())
    shop.publish(add=[NEW_RANGE])

    with pytest.raises(ReleaseUnclean) as refusal:
        shop.reconcile()

    assert {one.line for one in refusal.value.report.findings} == {9, 10}
    assert shop.serial == 1


@pytest.mark.allows("incident.5-stale-verdict")
def test_what_stricter_rails_refused_is_applied_once_it_is_mended(shop: Shop) -> None:
    shop.rails = Rails(stricter())
    francs = [line for line in shop.read(RANGES).decode().splitlines() if ",CHF," in line]
    shop.publish(drop=francs, add=[line.replace(",CHF,", ",EUR,") for line in francs])

    (outcome,) = shop.reconcile()

    assert outcome.revision is not None
    assert outcome.revision.kind is RevisionKind.FORWARD
    assert shop.bundle(CARDS, 2).version == 2
