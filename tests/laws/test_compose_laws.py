"""However versions are promoted, no instant has two versions of one bundle."""

from datetime import UTC, datetime, timedelta
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from controller.artifacts.layout import BundleId
from controller.artifacts.release import LiveBundle
from controller.authoring.compose import Promoted, next_live
from controller.kernel.canonical import Digest
from controller.kernel.instants import Window

BINS = BundleId("card-bin", "binlist")
DAYS = st.one_of(st.none(), st.integers(0, 9))


def _day(number: int | None) -> datetime | None:
    return None if number is None else datetime(2027, 1, 1, tzinfo=UTC) + timedelta(days=number)


WINDOWS = (
    st.tuples(DAYS, DAYS)
    .filter(lambda ends: ends[0] is None or ends[1] is None or ends[0] < ends[1])
    .map(lambda ends: Window(_day(ends[0]), _day(ends[1])))
)


@given(signed=st.lists(WINDOWS, min_size=1, max_size=6), order=st.randoms())
def test_promoting_in_any_order_leaves_no_instant_with_two_versions(
    signed: list[Window], order: object
) -> None:
    windows = {(BINS, version): window for version, window in enumerate(signed, start=1)}
    versions = list(windows)
    order.shuffle(versions)  # type: ignore[attr-defined]
    live: tuple[LiveBundle, ...] = ()

    for bundle, version in versions:
        new = Promoted(LiveBundle(bundle, version, Digest("0" * 64)), windows[bundle, version])
        live = next_live(live, windows, [new], [])

    effective = {one.version: one.effective(windows[BINS, one.version]) for one in live}
    assert effective[versions[-1][1]] == windows[versions[-1]]
    assert not any(left.overlaps(right) for left, right in combinations(effective.values(), 2))
