"""Old parts among new ones, and parts in other places: a release is taken whole or not at all."""

from dataclasses import replace

import pytest

from controller.adapters.git import GitRepository
from controller.artifacts import layout, merkle, walk
from controller.artifacts.layout import BundleId
from controller.artifacts.release import LiveBundle
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import sha256
from tests.attacks.passes import attempt, stopped
from tests.support.world import (
    CARDS,
    NEW_RANGE,
    OTHER_RANGE,
    PARTICIPANTS,
    Shop,
)

PLACE = layout.release_dir(ENVIRONMENT)
COPY, ENVELOPE = f"{PLACE}/release.json", f"{PLACE}/release.dsse.json"
ANNEX = BundleId("card-bin", "annex-cards")
BANK = b"lagoon-bank,Lagoon Bank,Lagoon Bank N.V.,NL,issuer,,,active,,"


def version(number: int, bundle: BundleId = CARDS) -> str:
    """Return the folder of a version."""
    return layout.version_dir(bundle, number)


def clone(shop: Shop) -> None:
    """Leave only the objects that the branch reaches, as a host that serves a clone may."""
    shop.sync()
    shop.git("reflog", "expire", "--expire=now", "--all")
    shop.git("gc", "--quiet", "--prune=now")
    shop.repository = GitRepository.open(shop.folder)


# Files of one version, statement of another


@pytest.mark.stops("mix-and-match.old-files")
def test_a_version_whose_files_are_the_ones_before_is_refused(shop: Shop) -> None:
    before = shop.tip
    shop.edit(add=[NEW_RANGE])
    statement = shop.next_version()
    shop.force(before)
    shop.release(shop.next_release(shop.sign(statement)))
    clone(shop)

    assert attempt(shop) == stopped("pinned.files_not_found")


@pytest.mark.stops("mix-and-match.old-files")
def test_a_version_that_points_at_the_files_before_gets_the_ones_it_signed(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    old = shop.bundle(CARDS, 1).git_tree
    shop.release(shop.next_release(shop.sign(shop.next_version(git_tree=old))))

    shop.reconcile()

    assert "990600" in shop.ranges()


@pytest.mark.allows(
    "mix-and-match.old-files",
    "mix-and-match.old-bundle",
    "mix-and-match.half-merged",
    "mix-and-match.old-release",
    "mix-and-match.extra-file",
    "wrong-software.moved-bundle",
    "wrong-software.other-environment",
)
def test_a_release_of_one_piece_is_applied(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    clone(shop)

    shop.reconcile()

    assert (shop.serial, "990600" in shop.ranges()) == (2, True)


# A release with the statement of another version


@pytest.mark.stops("mix-and-match.old-bundle")
def test_a_release_beside_an_older_statement_under_the_new_number_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.commit(
        {
            f"{version(2)}/bundle.json": shop.read(f"{version(1)}/bundle.json"),
            f"{version(2)}/bundle.dsse.json": shop.read(f"{version(1)}/bundle.dsse.json"),
            f"{version(2)}/bundle.bob.dsse.json": shop.read(f"{version(1)}/bundle.bob.dsse.json"),
        }
    )

    assert attempt(shop) == stopped("signed.wrong_place")


@pytest.mark.stops("mix-and-match.old-bundle")
def test_a_release_beside_another_signed_statement_of_its_number_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.edit(add=[OTHER_RANGE])
    shop.sign(replace(shop.next_version(), version=2, previous=shop.bundle(CARDS, 2).previous))

    assert attempt(shop) == stopped("admit.bundle_differs")


@pytest.mark.stops("mix-and-match.old-release")
def test_the_plain_copy_of_another_release_is_refused(shop: Shop) -> None:
    old = shop.read(COPY)
    shop.publish(add=[NEW_RANGE])
    shop.commit({COPY: old})

    assert attempt(shop) == stopped("signed.copy_differs")


@pytest.mark.stops("mix-and-match.old-release")
def test_the_envelopes_of_two_releases_are_refused(shop: Shop) -> None:
    old = shop.read(ENVELOPE)
    shop.publish(add=[NEW_RANGE])
    shop.commit({f"{PLACE}/release.bob.dsse.json": old})

    assert attempt(shop) == stopped("trust.payloads_differ")


# A tree that was merged by half


@pytest.mark.stops("mix-and-match.half-merged")
def test_a_release_without_the_version_it_names_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.commit({f"{version(2)}/{name}": None for name in ("bundle.json", "bundle.dsse.json")})

    assert attempt(shop) == stopped("admit.bundle_missing")


@pytest.mark.stops("mix-and-match.half-merged")
def test_a_version_without_a_release_changes_nothing(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    shop.sign(shop.next_version())

    (outcome,) = shop.reconcile()

    assert outcome.revision is None
    assert (shop.serial, "990600" in shop.ranges()) == (1, False)


@pytest.mark.stops("mix-and-match.half-merged")
def test_a_release_that_is_gone_does_not_mean_that_nothing_is_live(shop: Shop) -> None:
    shop.commit({COPY: None, ENVELOPE: None})

    assert attempt(shop) == stopped("succession.no_release")


@pytest.mark.stops("mix-and-match.extra-file")
@pytest.mark.parametrize("name", ["ranges.csv", "bundle.json.orig", "bundle.yaml"])
def test_a_file_that_nobody_signed_beside_a_statement_is_refused(shop: Shop, name: str) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.commit({f"{version(2)}/{name}": b"?\n"})

    assert attempt(shop) == stopped("signed.strange_file")


# Another place


@pytest.mark.stops("wrong-software.moved-bundle")
@pytest.mark.parametrize(
    "name",
    [
        BundleId("in-imps-neft", "house-cards"),
        BundleId("card-bin", "other-cards"),
    ],
    ids=str,
)
def test_a_signed_version_in_the_folder_of_another_bundle_is_refused(
    shop: Shop, name: BundleId
) -> None:
    files = {
        f"{version(1, name)}/{one}": shop.read(f"{version(1)}/{one}")
        for one in ("bundle.json", "bundle.dsse.json", "bundle.bob.dsse.json")
    }
    shop.commit(files)
    digest = sha256(shop.read(f"{version(1)}/bundle.json"))
    shop.release(shop.next_release(LiveBundle(name, 1, digest)))

    assert attempt(shop) == stopped("signed.wrong_place")


@pytest.mark.stops("wrong-software.other-environment")
def test_a_release_of_staging_in_the_folder_of_production_is_refused(shop: Shop) -> None:
    shop.release(shop.next_release(environment="staging"))

    assert attempt(shop) == stopped("signed.wrong_place")


@pytest.mark.stops("wrong-software.other-environment")
def test_a_version_that_was_signed_for_staging_is_refused(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    shop.release(shop.next_release(shop.sign(shop.next_version(environments=("staging",)))))

    assert attempt(shop) == stopped("admit.not_for_environment")


# What a bundle needs of another


def annexed(shop: Shop) -> LiveBundle:
    """Sign a first version of another bundle, with one more bank; return how it is listed."""
    header = shop.read(PARTICIPANTS).partition(b"\n")[0]
    shop.commit({f"{layout.files_path(ANNEX)}/participants.csv": header + b"\n" + BANK + b"\n"})
    path = layout.files_path(ANNEX)
    entry = walk.find(shop.repository, shop.tree, path)
    assert entry is not None
    files = merkle.files_root(shop.repository, entry.oid, path, merkle.NoMemory())
    statement = replace(
        shop.bundle(CARDS, 1),
        bundle=ANNEX,
        files_root=files.root,
        git_tree=entry.oid,
        tables=files.tables,
        documents=files.documents,
    )
    return shop.sign(statement)


def lagoon_cards(shop: Shop) -> LiveBundle:
    """Sign a version of the cards with a range of that bank; return how it is listed."""
    shop.edit(add=[NEW_RANGE.replace("harbour-bank", "lagoon-bank")])
    return shop.sign(shop.next_version())


@pytest.mark.stops("dependency.unreleased-bundle")
def test_rows_that_need_a_bundle_outside_the_release_are_refused(shop: Shop) -> None:
    annexed(shop)
    shop.release(shop.next_release(lagoon_cards(shop)))

    found = attempt(shop)

    assert found.code == "directory.dangling_reference"
    assert found.changed == ()


@pytest.mark.allows("dependency.unreleased-bundle")
def test_rows_that_need_a_bundle_of_the_same_release_are_applied(shop: Shop) -> None:
    shop.release(shop.next_release(annexed(shop), lagoon_cards(shop)))

    shop.reconcile()

    assert "990600" in shop.ranges()
