"""What an earlier release costs: nothing where somebody vouches for it, and little otherwise."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from controller.artifacts.layout import BundleId
from controller.artifacts.release import LiveBundle, ReleaseStatement
from controller.authoring.chain import check_chain
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import sha256
from controller.source.budget import RELEASES_BYTES, HistoryTooHeavy
from controller.trust.history import Equivocation, RollbackRefused
from tests.reconcile.test_decide import rotate
from tests.support.world import TWO, Shop

BUNDLES = 1800


def large(shop: Shop, note: int) -> ReleaseStatement:
    """Return the next release, of as many bundles as a very large repository has."""
    bundles = (BundleId("card-bin", f"cards-{number:04}") for number in range(BUNDLES))
    live = (LiveBundle(one, 1 + note, sha256(b"a version")) for one in bundles)
    return shop.next_release(*live)


def release_large(shop: Shop, count: int, *, by: Sequence[str] = TWO) -> None:
    for note in range(count):
        shop.release(large(shop, note), by=by)


def release_beside(shop: Shop, count: int, *, by: Sequence[str]) -> None:
    """Put releases of one number into the folder, and then what stood there before."""
    first = shop.released[-1]
    for note in range(count):
        shop.release(large(shop, note), by=by)
        shop.released[:] = [first]
    shop.revert_release(first)


def check(shop: Shop) -> None:
    check_chain(shop.repository, shop.signed_release(), shop.clock.now())


def test_any_number_of_large_releases_that_follow_one_another_is_looked_through(
    drawer: Shop,
) -> None:
    release_large(drawer, 12)
    size_bytes = len(drawer.released[-1].payload())
    release_large(drawer, RELEASES_BYTES // size_bytes)

    check(drawer)


def test_large_releases_that_were_taken_back_are_vouched_for_by_their_signers(
    drawer: Shop,
) -> None:
    first = drawer.released[0]
    release_large(drawer, 20)
    drawer.revert_release(first)

    check(drawer)


def test_large_releases_that_too_few_signed_are_too_much(drawer: Shop) -> None:
    release_beside(drawer, 12, by=("alice",))

    with pytest.raises(HistoryTooHeavy, match="neither signed nor followed") as refusal:
        check(drawer)

    assert refusal.value.size_bytes > RELEASES_BYTES


def test_a_few_large_releases_that_too_few_signed_are_passed_over(drawer: Shop) -> None:
    release_beside(drawer, 5, by=("alice",))

    check(drawer)


def test_a_release_that_comes_back_is_read_once(drawer: Shop) -> None:
    first = drawer.released[-1]
    made = [large(drawer, note) for note in range(2)]
    for number in range(60):
        drawer.release(made[number % 2], by=("alice",))
    drawer.released[:] = [first]
    drawer.revert_release(first)

    check(drawer)


def test_a_signer_who_adds_an_envelope_adds_little(drawer: Shop) -> None:
    for note in range(30):
        made = large(drawer, note)
        drawer.release(made, by=("alice",))
        path = "environments/production/release.bob.dsse.json"
        drawer.commit({path: drawer.sealed(made.payload(), ["bob"])})
        drawer.commit(
            {
                path: None,
                "environments/production/release.dsse.json": drawer.sealed(made.payload(), TWO),
            }
        )

    check(drawer)


def replaced(drawer: Shop, *, by: Sequence[str], then_by: Sequence[str] = TWO) -> None:
    """Merge a release, and then another one of the same number."""
    first = drawer.released[-1]
    drawer.release(drawer.next_release(), by=by)
    drawer.released[:] = [first]
    drawer.clock.advance(timedelta(minutes=1))
    drawer.release(drawer.next_release(), by=then_by)


def test_a_release_that_too_few_signed_takes_no_number(drawer: Shop) -> None:
    replaced(drawer, by=("alice",))

    check(drawer)


def test_a_release_that_was_signed_and_replaced_is_told(drawer: Shop) -> None:
    replaced(drawer, by=TWO)

    with pytest.raises(Equivocation):
        check(drawer)


def test_a_release_that_was_signed_under_an_earlier_root_keeps_its_number(drawer: Shop) -> None:
    bob = drawer.signer("bob").public.id
    first = drawer.released[-1]
    drawer.release(drawer.next_release(), by=("alice", "bob"))

    def without_bob(document: dict[str, Any]) -> None:
        document["roles"]["release"][ENVIRONMENT]["keys"].remove(bob)

    rotate(drawer, without_bob, by=("alice", "carol"))
    drawer.released[:] = [first]
    drawer.clock.advance(timedelta(minutes=1))
    drawer.release(drawer.next_release(), by=("alice", "carol"))

    with pytest.raises(Equivocation):
        check(drawer)


def test_going_forth_again_after_a_return_needs_a_signature_of_its_own(drawer: Shop) -> None:
    first = drawer.released[-1]
    drawer.release(drawer.next_release())
    drawer.revert_release(first)
    drawer.revert_release(drawer.released[-1], by=None)

    with pytest.raises(RollbackRefused):
        check(drawer)

    drawer.revert_release(first)
    drawer.revert_release(drawer.released[-1])
    check(drawer)


def test_taking_back_a_return_that_nobody_signed_needs_none(drawer: Shop) -> None:
    first = drawer.released[-1]
    drawer.release(drawer.next_release())
    drawer.revert_release(first, by=None)
    with pytest.raises(RollbackRefused):
        check(drawer)

    drawer.revert_release(drawer.released[-1], by=None)

    check(drawer)
