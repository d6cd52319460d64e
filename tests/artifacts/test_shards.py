"""Where rows go: the paths of shards are signed, so they are frozen here by hand."""

import hashlib

import pytest

from controller.artifacts.shards import SHARD_TARGET_BYTES, shard

COLUMNS = ("id", "name")
RANGES = ("iin_start", "iin_end", "note")
# A row of this name takes one kilobyte, so that sizes can be counted.
NAME = "n" * (1024 - len("p0000,") - 1)


def rows(count: int) -> list[tuple[str, ...]]:
    return [(f"p{number:04}", NAME) for number in range(count)]


def places(count: int) -> dict[str, list[str]]:
    """Return the keys that each file holds."""
    files = shard("participants", COLUMNS, rows(count))
    return {path: keys_of(data) for path, data in files.items()}


def keys_of(data: bytes) -> list[str]:
    return [line.partition(",")[0] for line in data.decode().splitlines()[1:]]


def hashed(key: str, bits: int) -> int:
    """Return the first bits of a key's SHA-256 as a number."""
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) >> (256 - bits)


def test_a_table_is_one_file_up_to_twice_the_target() -> None:
    assert 2 * SHARD_TARGET_BYTES == 64 * 1024
    assert list(places(64)) == ["participants.csv"]
    assert len(places(65)) > 1


@pytest.mark.parametrize(("count", "bits"), [(65, 2), (256, 2), (257, 4), (1024, 4), (1025, 6)])
def test_a_bigger_table_goes_by_the_first_bits_of_its_keys(count: int, bits: int) -> None:
    expected: dict[str, list[str]] = {}
    for number in range(count):
        key = f"p{number:04}"
        path = f"participants/{hashed(key, bits):02x}.csv"
        expected.setdefault(path, []).append(key)

    assert places(count) == expected


def test_from_ten_bits_on_files_are_in_folders() -> None:
    wide = [(f"p{number}", "n" * 60_000) for number in range(300)]

    files = shard("participants", COLUMNS, wide)

    bits = 10
    assert set(files) == {
        f"participants/{hashed(key, bits) >> 8:02x}/{hashed(key, bits) & 0xFF:02x}.csv"
        for key, _ in wide
    }


def ranges(*starts: str, each: int = 33 * 1024) -> list[str]:
    """Return the paths of ranges that take `each` bytes."""
    made = [(start, start, "n" * (each - 2 * len(start) - 3)) for start in starts]
    return list(shard("ranges", RANGES, made))


def test_ranges_go_by_their_leading_digits() -> None:
    assert ranges("4") == ["ranges.csv"]
    assert ranges("4", "5") == ["ranges/4.csv", "ranges/5.csv"]
    assert ranges("40", "41") == ["ranges/40.csv", "ranges/41.csv"]
    assert ranges("400", "401") == ["ranges/40/400.csv", "ranges/40/401.csv"]
    assert ranges("4", "4001", "5") == ["ranges/40/4000.csv", "ranges/40/4001.csv", "ranges/5.csv"]


def test_a_prefix_is_split_only_when_it_holds_too_much() -> None:
    each = 32 * 1024

    assert ranges("40", "41", "5", each=each) == ["ranges/4.csv", "ranges/5.csv"]
    assert ranges("40", "41", "5", each=each + 1) == [
        "ranges/40.csv",
        "ranges/41.csv",
        "ranges/5.csv",
    ]


def test_ranges_are_split_by_eight_digits_at_most() -> None:
    assert ranges("400000001", "400000002") == ["ranges/40/40000000.csv"]
    assert ranges("40000001", "40000002") == ["ranges/40/40000001.csv", "ranges/40/40000002.csv"]


def test_what_is_no_card_number_still_has_a_place() -> None:
    assert ranges("4a", "5") == ["ranges/4.csv", "ranges/5.csv"]
    assert ranges("4a", "41") == ["ranges/41.csv", "ranges/4x.csv"]
