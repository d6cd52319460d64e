"""Two states compared: by what counts when, not by numbers of versions."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.authoring.compare import Comparison, Side, compare, drafts, released
from controller.authoring.staged import NEXT, NoSuchCommit, commit_named, work_tree
from controller.kernel.instants import Window
from controller.plan.shard import UnreadableRows
from controller.trust.core import ThresholdNotMet
from controller.trust.root import Pin
from tests.support import world
from tests.support.world import CARDS, NEW_RANGE, RANGES, Shop, with_lines

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of the shop that all others are copies of."""
    return world.start(tmp_path_factory.mktemp("compared"))


@pytest.fixture
def shop(first_day: Path, tmp_path: Path) -> Shop:
    """Return a shop without a database."""
    return Shop.copy(first_day, tmp_path)


def _drafts(shop: Shop, ref: str) -> Side:
    return drafts(commit_named(shop.folder, ref))


def _released(shop: Shop, ref: str) -> Side:
    pin = Pin(shop.pin.envelope, shop.pin.sha256)
    subject = commit_named(shop.folder, ref)
    return released(subject, shop.rails, pin, "production", shop.clock.now())


def _letters(found: Comparison) -> list[tuple[str, str]]:
    return [(str(one.bundle), one.letter) for one in found.bundles]


def test_a_state_does_not_differ_from_itself(shop: Shop) -> None:
    assert compare(_drafts(shop, "main"), _drafts(shop, "main")).is_same
    assert compare(_released(shop, "main"), _released(shop, "main")).is_same


def test_a_release_differs_from_its_own_drafts_only_by_windows(shop: Shop) -> None:
    assert compare(_drafts(shop, "main"), _released(shop, "main")).is_same


def test_a_version_that_holds_the_same_files_makes_no_difference(shop: Shop) -> None:
    shop.release(shop.next_release(shop.sign(shop.next_version())))

    assert compare(_released(shop, "main~2"), _released(shop, "main")).is_same


def test_a_window_is_a_difference_of_every_row_it_cuts(shop: Shop) -> None:
    later = shop.sign(shop.next_version(window=Window(NEW_YEAR, None)))
    shop.release(shop.next_release(later))

    found = compare(_released(shop, "main~2"), _released(shop, "main"))

    cut = [row for row in shop.read(RANGES).decode().splitlines()[1:] if "2027-01-01" not in row]
    assert _letters(found) == [("card-bin/house-cards", "M")]
    assert found.plan.counts["ranges"].modified == len(cut)


def test_bundles_come_and_go(shop: Shop) -> None:
    kept = tuple(one for one in shop.released[-1].bundles if one.bundle != CARDS)
    shop.release(replace(shop.next_release(), bundles=kept))

    there = compare(_released(shop, "main~1"), _released(shop, "main"))
    back = compare(_released(shop, "main"), _released(shop, "main~1"))

    assert _letters(there) == [("card-bin/house-cards", "D")]
    assert _letters(back) == [("card-bin/house-cards", "A")]
    assert there.plan.counts["ranges"].removed == back.plan.counts["ranges"].added


def test_a_release_that_too_few_signed_is_not_compared(shop: Shop) -> None:
    shop.release(shop.next_release(), by=["alice"])

    with pytest.raises(ThresholdNotMet):
        _released(shop, "main")
    assert _released(shop, "main~1").what == "release 1 of production"


def test_a_work_tree_is_compared_as_it_stands(shop: Shop) -> None:
    ranges = shop.folder / RANGES
    ranges.write_bytes(with_lines(ranges.read_bytes(), add=[NEW_RANGE]))

    found = compare(_drafts(shop, "main"), drafts(work_tree(shop.folder)))

    assert found.plan.counts["ranges"].added == 1
    assert (found.before.commit, found.after.commit) == (shop.tip, None)


def test_a_work_tree_stands_on_its_newest_commit(shop: Shop) -> None:
    subject = work_tree(shop.folder / "bundles")

    path = list(subject.history.first_parents(subject.commit))

    assert path == [NEXT, *shop.repository.first_parents(shop.tip)]
    assert subject.view.find(RANGES) == commit_named(shop.folder, "main").view.find(RANGES)


def test_a_name_that_leads_nowhere_is_refused(shop: Shop) -> None:
    with pytest.raises(NoSuchCommit):
        commit_named(shop.folder, "nowhere")


@pytest.mark.parametrize("line", [b"99060\xff,,16,,,,,,,,,,\n", b"99060x,,16,,,,,,,,,,\n"])
def test_a_draft_that_cannot_be_read_is_refused_by_its_path(shop: Shop, line: bytes) -> None:
    before = _drafts(shop, "main")
    shop.commit({RANGES: shop.read(RANGES) + line})

    with pytest.raises(UnreadableRows) as refusal:
        compare(before, _drafts(shop, "main"))

    assert refusal.value.path == RANGES
