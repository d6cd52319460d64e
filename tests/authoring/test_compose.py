"""Which versions the next release lists: windows adjoin, and no instant has two."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from controller.artifacts.layout import BadName, BundleId
from controller.artifacts.release import LiveBundle
from controller.authoring.compose import NotLive, Promoted, next_live, parse_wanted
from controller.kernel.canonical import Digest
from controller.kernel.instants import Window

BINS, CHAINS = BundleId("card-bin", "binlist"), BundleId("caip", "chains")
JANUARY = datetime(2027, 1, 1, tzinfo=UTC)
FEBRUARY = JANUARY + timedelta(days=31)
ALWAYS = Window()


def live(version: int, window: Window | None = None, bundle: BundleId = BINS) -> LiveBundle:
    return LiveBundle(bundle, version, Digest(f"{version:064x}"), window)


def promoted(version: int, window: Window = ALWAYS, bundle: BundleId = BINS) -> Promoted:
    return Promoted(live(version, bundle=bundle), window)


def composed(
    before: Sequence[LiveBundle], *new: Promoted, signed: Window = ALWAYS
) -> dict[str, Window | None]:
    windows = {(one.bundle, one.version): signed for one in before}
    listed = next_live(before, windows, new, [])
    return {f"{one.bundle}@{one.version}": one.window for one in listed}


def test_an_open_version_replaces_the_one_before() -> None:
    assert composed([live(1)], promoted(2)) == {"card-bin/binlist@2": None}


def test_other_bundles_stay_as_they_are() -> None:
    before = [live(1), live(7, bundle=CHAINS)]

    assert composed(before, promoted(2)) == {"card-bin/binlist@2": None, "caip/chains@7": None}


def test_a_later_version_lets_the_present_one_run_until_it_starts() -> None:
    found = composed([live(1)], promoted(2, Window(JANUARY, None)))

    assert found == {"card-bin/binlist@1": Window(None, JANUARY), "card-bin/binlist@2": None}


def test_a_version_that_ends_lets_a_later_one_start_then() -> None:
    before = [live(1, Window(FEBRUARY, None))]

    found = composed(before, promoted(2, Window(JANUARY, FEBRUARY)))

    assert found == {"card-bin/binlist@1": Window(FEBRUARY, None), "card-bin/binlist@2": None}


def test_a_version_in_the_middle_keeps_what_came_before_it() -> None:
    found = composed([live(1)], promoted(2, Window(JANUARY, FEBRUARY)))

    assert found == {"card-bin/binlist@1": Window(None, JANUARY), "card-bin/binlist@2": None}


def test_a_signed_end_is_not_said_again() -> None:
    signed = Window(None, JANUARY)

    found = composed([live(1)], promoted(2, Window(JANUARY, None)), signed=signed)

    assert found == {"card-bin/binlist@1": None, "card-bin/binlist@2": None}


def test_the_same_version_again_loses_its_narrowing() -> None:
    found = composed([live(1, Window(None, JANUARY))], promoted(1))

    assert found == {"card-bin/binlist@1": None}


def test_several_versions_of_one_bundle_adjoin() -> None:
    found = composed([], promoted(1), promoted(2, Window(JANUARY, None)))

    assert found == {"card-bin/binlist@1": Window(None, JANUARY), "card-bin/binlist@2": None}


def test_dropping_one_version_leaves_the_other() -> None:
    before = [live(1, Window(None, JANUARY)), live(2)]
    windows = {(BINS, 1): ALWAYS, (BINS, 2): Window(JANUARY, None)}

    listed = next_live(before, windows, [], [parse_wanted("card-bin/binlist@2")])

    assert [one.version for one in listed] == [1]


def test_dropping_what_is_not_live_is_refused() -> None:
    with pytest.raises(NotLive):
        next_live([live(1)], {(BINS, 1): ALWAYS}, [], [parse_wanted("card-bin/binlist@2")])


@pytest.mark.parametrize("text", ["binlist", "card-bin/binlist@", "card-bin/binlist@0", "a/b@01"])
def test_what_is_no_bundle_version_is_refused(text: str) -> None:
    with pytest.raises(BadName):
        parse_wanted(text)


def test_a_bundle_version_is_read() -> None:
    assert str(parse_wanted("card-bin/binlist@12")) == "card-bin/binlist@12"
