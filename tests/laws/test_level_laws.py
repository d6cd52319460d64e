"""A level is judged alike whatever was judged before it at its place."""

from hypothesis import given
from hypothesis import strategies as st

from controller.artifacts.levels import BadTree, Entry, judge, level
from controller.kernel.objects import Oid

NAMES = ["a", "a-b", "a.csv", "b", "b0", "c", "d.json", "versions", "z"]
MODES = [b"100644", b"100644", b"40000", b"40000", b"100755", b"120000"]


@st.composite
def raws(draw: st.DrawFn) -> bytes:
    """Trees as git would write them, nearly always; a few lines changed, or a few bytes."""
    names = draw(st.lists(st.sampled_from(NAMES), max_size=8, unique=True))
    entries = [
        (draw(st.sampled_from(MODES)), name.encode(), bytes([draw(st.integers(0, 2))]) * 20)
        for name in names
    ]
    if draw(st.integers(0, 9)) < 9:
        entries.sort(key=lambda one: one[1] + b"/" if one[0] == b"40000" else one[1])
    if entries and draw(st.integers(0, 9)) == 0:
        entries.append(draw(st.sampled_from(entries)))
    raw = b"".join(mode + b" " + name + b"\0" + oid for mode, name, oid in entries)
    if raw and draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(raw) - 1))
        raw = raw[:at] + bytes([draw(st.integers(0, 255))]) + raw[at + draw(st.integers(0, 1)) :]
    return raw


def told(raw: bytes, path: str) -> object:
    try:
        return judge(raw, path)
    except BadTree as bad:
        return str(bad)


def told_after_others(raw: bytes, path: str) -> object:
    try:
        found = level(raw, path)
    except BadTree as bad:
        return str(bad)
    assert found.set == set(found.entries)
    assert len(raw) == found.starts[-1]
    for entry in found.entries:
        assert found.named(entry.name, is_tree=entry.is_tree) == entry
    return found.entries


@given(st.lists(raws(), min_size=1, max_size=6))
def test_a_level_is_judged_alike_whatever_stood_there_before(several: list[bytes]) -> None:
    for raw in several:
        assert told_after_others(raw, "files/ranges") == told(raw, "files/ranges")


def wide(numbers: range, oid: int) -> bytes:
    names = (b"%04d.csv" % number for number in numbers)
    return b"".join(b"100644 " + name + b"\0" + bytes([oid]) * 20 for name in names)


def test_an_entry_that_came_is_found_among_those_that_stayed() -> None:
    before = wide(range(50), 1) + wide(range(60, 900), 1)
    after = wide(range(50), 1) + wide(range(52, 53), 2) + wide(range(60, 900), 1)

    assert len(level(before, "wide").entries) == 890
    assert level(after, "wide").named("0052.csv", is_tree=False) == Entry(
        "0052.csv", False, Oid(b"\2" * 20)
    )
    assert level(before, "wide").named("0052.csv", is_tree=False) is None
