"""Promote: the next release, signed, and committed with nothing else."""

from dataclasses import replace

import pytest

from controller.adapters.shipped import shipped
from controller.artifacts import release as releases
from controller.artifacts.layout import BundleId
from controller.artifacts.release import LiveBundle
from controller.authoring.compose import NotLive, parse_wanted
from controller.authoring.promote import (
    FilesNotCommitted,
    NoSigner,
    NothingToRelease,
    NotWaiting,
    ReleaseOutdated,
    Request,
    add_signature,
    check_release,
    propose,
    sign_release,
    tag_release,
)
from controller.authoring.releases import current, highest
from controller.authoring.together import ReleaseNotClean
from controller.authoring.trusted import KeyNotInRole
from controller.authoring.versions import NoVersion, StatementDiffers, verified_version
from controller.kernel.canonical import sha256
from controller.kernel.errors import Refused
from controller.kernel.instants import Window
from controller.reconcile.admit import BundleMissing, NotForEnvironment, WindowsOverlap
from controller.trust.core import ThresholdNotMet
from tests.support.authoring import CARDS, GIT, LATER, NOW, PRODUCTION, Shop

RELEASE = "environments/production/release.json"


def live(shop: Shop) -> dict[str, Window | None]:
    release = releases.parse(shop.read(RELEASE))
    return {f"{one.bundle}@{one.version}": one.window for one in release.bundles}


def test_the_next_release_follows_the_one_before_and_changes_one_bundle(shop: Shop) -> None:
    before = shop.read(RELEASE)
    shop.second_version()

    released = shop.promote(f"{CARDS}@2")

    assert released.release.serial == 2
    assert released.release.previous is not None
    assert released.release.previous.sha256 == sha256(before)
    assert released.release.rollback_of is None
    assert set(live(shop)) == {
        "caip/chains@1",
        "card-bin/house-cards@2",
        "in-imps-neft/branches@1",
        "swift-iso20022/correspondents@1",
    }


def test_exactly_the_files_of_the_release_are_committed(shop: Shop) -> None:
    shop.second_version()
    shop.write("bundles/caip/chains/files/endpoints.csv", b"edited\n")
    shop.write("notes.txt", b"mine\n")

    released = shop.promote(f"{CARDS}@2")

    assert released.message == "Release 2 of production: card-bin/house-cards@2"
    committed = shop.git("show", "--name-only", "--format=", "HEAD").split()
    assert committed == ["environments/production/release.dsse.json", RELEASE]
    assert shop.status().split() == [
        "M",
        "bundles/caip/chains/files/endpoints.csv",
        "??",
        "notes.txt",
    ]


def test_without_a_version_the_latest_one_is_released(shop: Shop) -> None:
    shop.second_version()

    shop.promote(str(CARDS))

    assert f"{CARDS}@2" in live(shop)


def test_one_owner_is_too_few_and_nothing_is_written(shop: Shop) -> None:
    shop.second_version()

    with pytest.raises(ThresholdNotMet) as refusal:
        shop.promote(f"{CARDS}@2", by=["alice"])

    assert (refusal.value.have, refusal.value.need) == (1, 2)
    assert shop.status() == ""


def test_a_key_of_another_role_may_not_release(shop: Shop) -> None:
    shop.second_version()

    with pytest.raises(KeyNotInRole):
        shop.promote(f"{CARDS}@2", by=["alice", "rollback"])


def test_nobody_is_no_signer(shop: Shop) -> None:
    shop.second_version()

    with pytest.raises(NoSigner):
        shop.promote(f"{CARDS}@2", by=[])


def test_a_version_that_one_owner_signed_is_not_released(shop: Shop) -> None:
    shop.add_range()
    shop.sign("alice")
    shop.commit()

    with pytest.raises(ThresholdNotMet):
        shop.promote(f"{CARDS}@2")


def test_a_version_that_is_not_committed_is_not_released(shop: Shop) -> None:
    shop.add_range()
    shop.sign("alice", "bob")

    with pytest.raises(BundleMissing):
        shop.promote(f"{CARDS}@2")


def test_files_that_were_edited_between_signing_and_committing_are_missed(shop: Shop) -> None:
    shop.add_range()
    shop.sign("alice", "bob")
    shop.add_range("990601,,16,true,house,Tide Prime,credit,false,GB,GBP,tidewater-bank,,\n")
    shop.commit()

    with pytest.raises(Refused) as refusal:
        shop.promote(f"{CARDS}@2")

    assert refusal.value.code == "pinned.files_not_found"


def test_files_that_only_the_object_database_holds_are_missed(shop: Shop) -> None:
    shop.add_range()
    shop.sign("alice", "bob")
    shop.git("add", "--all")
    shop.git("write-tree")
    shop.add_range("990601,,16,true,house,Tide Prime,credit,false,GB,GBP,tidewater-bank,,\n")
    shop.commit()

    with pytest.raises(FilesNotCommitted):
        shop.promote(f"{CARDS}@2")


def test_later_edits_of_the_files_do_not_touch_a_signed_version(shop: Shop) -> None:
    shop.second_version()
    shop.add_range("990601,,16,true,house,Tide Prime,credit,false,GB,GBP,tidewater-bank,,\n")
    shop.commit("working on version 3")

    assert shop.promote(f"{CARDS}@2").release.serial == 2


def test_a_bundle_without_versions_is_refused(shop: Shop) -> None:
    with pytest.raises(NoVersion):
        shop.promote("card-bin/nothing")


def test_a_version_for_another_environment_is_refused(shop: Shop) -> None:
    path = f"bundles/{CARDS}/draft.json"
    shop.write(path, shop.read(path).replace(b'"production"', b'"staging"'))
    shop.sign("alice", "bob")
    shop.commit()

    with pytest.raises(NotForEnvironment):
        shop.promote(f"{CARDS}@2")


def test_a_release_that_says_nothing_new_is_refused(shop: Shop) -> None:
    with pytest.raises(NothingToRelease):
        shop.promote(f"{CARDS}@1")


def test_a_bundle_can_leave_the_release(shop: Shop) -> None:
    released = shop.promote(drop=["caip/chains"])

    assert "caip/chains@1" not in live(shop)
    assert released.message == "Release 2 of production: without caip/chains"


def test_a_bundle_that_is_not_live_cannot_leave(shop: Shop) -> None:
    with pytest.raises(NotLive):
        shop.promote(drop=["card-bin/other"])


def test_a_scheduled_version_stands_beside_the_present_one(shop: Shop) -> None:
    shop.add_range()
    shop.sign("alice", "bob", effective_from=LATER)
    shop.commit()

    shop.promote(f"{CARDS}@2")

    assert live(shop)[f"{CARDS}@1"] == Window(None, LATER)
    assert live(shop)[f"{CARDS}@2"] is None


def test_after_a_revert_the_next_serial_follows_the_highest(shop: Shop) -> None:
    shop.second_version()
    second = shop.promote(f"{CARDS}@2").release
    shop.git("revert", "--no-edit", "HEAD")

    third = shop.promote(f"{CARDS}@2").release

    assert third.serial == 3
    assert third.previous is not None
    assert third.previous.sha256 == sha256(second.payload())
    assert third.rollback_of == third.previous


def test_an_older_version_comes_back_in_a_new_release(shop: Shop) -> None:
    shop.second_version()
    shop.promote(f"{CARDS}@2")

    released = shop.promote(f"{CARDS}@1")

    assert released.release.serial == 3
    assert f"{CARDS}@2" not in live(shop)


def second_bundle(shop: Shop, start: str) -> None:
    """Sign and commit another bundle of card ranges, which holds one range."""
    other = BundleId("card-bin", "visitors")
    for name in ("draft.json", "files/participants.csv", "files/ranges.csv"):
        data = shop.read(f"bundles/{CARDS}/{name}").replace(b"house-cards", b"visitors")
        lines = data.replace(b"tidewater-bank", b"visiting-bank").splitlines(keepends=True)
        keep = [line for line in lines if b"visiting" in line][:1]
        shop.write(f"bundles/{other}/{name}", data if "draft" in name else lines[0] + keep[0])
    path = f"bundles/{other}/files/ranges.csv"
    header, row = shop.read(path).splitlines(keepends=True)
    rest = row.partition(b",")[2].partition(b",")[2]
    shop.write(path, header + start.encode() + b",," + rest)
    shop.sign("alice", "bob", bundle=other)
    shop.commit("visitors")


def test_one_range_in_two_bundles_holds_the_release_up(shop: Shop) -> None:
    second_bundle(shop, "990105")

    with pytest.raises(ReleaseNotClean) as refusal:
        shop.promote("card-bin/visitors@1")

    assert list(refusal.value.report.counts()) == ["card-bin/RNG003"]


def test_ranges_apart_from_each_other_are_released(shop: Shop) -> None:
    second_bundle(shop, "990900")

    assert shop.promote("card-bin/visitors@1").release.serial == 2


def test_a_partial_release_waits_for_the_others(shop: Shop) -> None:
    shop.second_version()
    before = shop.head
    request = Request(PRODUCTION, (parse_wanted(f"{CARDS}@2"),))
    proposal = propose(shop.workspace, shop.root, request, NOW)

    waiting = sign_release(
        shop.workspace, shop.root, proposal, shop.signers("alice"), now=NOW, partial=True, git=GIT
    )
    done = add_signature(shop.workspace, shop.root, PRODUCTION, shop.signer("carol"), now=NOW)

    assert (waiting.commit, waiting.missing) == (None, 1)
    assert done.owners == {"alice", "carol"}
    assert done.missing == 0
    assert shop.head == before
    shop.commit("Release 2")
    found = current(shop.workspace, PRODUCTION)
    assert found is not None
    assert found.statement.serial == 2


def test_a_waiting_release_that_was_overtaken_is_not_signed(shop: Shop) -> None:
    shop.second_version()
    request = Request(PRODUCTION, (parse_wanted(f"{CARDS}@2"),))
    proposal = propose(shop.workspace, shop.root, request, NOW)
    shop.promote(drop=["caip/chains"])
    shop.write(RELEASE, proposal.payload)

    with pytest.raises(ReleaseOutdated):
        add_signature(shop.workspace, shop.root, PRODUCTION, shop.signer("carol"), now=NOW)


def test_where_no_release_waits_there_is_nothing_to_sign(shop: Shop) -> None:
    with pytest.raises(NotWaiting):
        add_signature(shop.workspace, shop.root, "staging", shop.signer("carol"), now=NOW)


def test_a_release_in_force_can_gain_a_signature(shop: Shop) -> None:
    done = add_signature(shop.workspace, shop.root, PRODUCTION, shop.signer("carol"), now=NOW)

    assert done.owners == {"alice", "bob", "carol"}
    assert done.written == ("environments/production/release.carol.dsse.json",)


def test_envelopes_of_the_release_before_do_not_stay(shop: Shop) -> None:
    add_signature(shop.workspace, shop.root, PRODUCTION, shop.signer("carol"), now=NOW)
    shop.commit("third signature")
    shop.second_version()

    shop.promote(f"{CARDS}@2")

    names = [entry.name for entry in shop.workspace.committed().children("environments/production")]
    assert names == ["release.dsse.json", "release.json"]


def test_a_release_that_nobody_would_believe_today_is_said(shop: Shop) -> None:
    shop.second_version()
    signed = shop.read(RELEASE)
    shop.write(RELEASE, signed.replace(b'"serial": 1', b'"serial":  1'))
    shop.commit("tampered")

    released = shop.promote(f"{CARDS}@2")

    assert "look at every line" in released.notes[0]
    assert released.release.previous is not None
    assert released.release.previous.sha256 == sha256(signed)


def test_a_tag_names_environment_and_serial(shop: Shop) -> None:
    shop.second_version()
    released = shop.promote(f"{CARDS}@2")

    name = tag_release(shop.workspace, released, git=GIT)

    assert name == "production-2"
    assert shop.workspace.repository.resolve(name) == released.commit


def test_an_overridden_rail_is_pinned(shop: Shop) -> None:
    for path, data in shipped("policies").items():
        if path.startswith("card-bin/") and "/cases/" not in path:
            shop.write(f"policies/{path}", data)
    shop.commit("our own rail")

    released = shop.promote(drop=["caip/chains"])

    assert set(released.release.policies) == {"card-bin"}


def test_the_highest_release_is_found_behind_a_revert(shop: Shop) -> None:
    shop.second_version()
    shop.promote(f"{CARDS}@2")
    shop.git("revert", "--no-edit", "HEAD")

    found, present = highest(shop.workspace, PRODUCTION), current(shop.workspace, PRODUCTION)

    assert found is not None
    assert present is not None
    assert (found.statement.serial, present.statement.serial) == (2, 1)


def test_another_bundle_can_be_named() -> None:
    assert parse_wanted("caip/chains@3").bundle == BundleId("caip", "chains")


def test_a_version_that_was_signed_again_is_not_the_one_the_release_lists(shop: Shop) -> None:
    release = releases.parse(shop.read(RELEASE))
    other = replace(release.bundles[0], payload_sha256=sha256(b"other"))
    forged = replace(release, bundles=(other, *release.bundles[1:]))

    assert len(check_release(shop.workspace, release, shop.root, NOW)) == 4
    with pytest.raises(StatementDiffers):
        check_release(shop.workspace, forged, shop.root, NOW)


def test_two_versions_at_one_time_are_refused(shop: Shop) -> None:
    shop.second_version()
    shop.promote(f"{CARDS}@2")
    release = releases.parse(shop.read(RELEASE))
    first = verified_version(shop.workspace.committed(), CARDS, 1, shop.root, NOW)
    both = replace(release, bundles=(LiveBundle(CARDS, 1, first.digest), *release.bundles))

    with pytest.raises(WindowsOverlap):
        check_release(shop.workspace, both, shop.root, NOW)


def test_a_release_that_changed_under_the_signers_hands_is_not_signed(shop: Shop) -> None:
    signed = shop.read(RELEASE)
    shop.write(RELEASE, signed.replace(b"production", b"productiom"))

    with pytest.raises(Refused):
        add_signature(shop.workspace, shop.root, PRODUCTION, shop.signer("carol"), now=NOW)
