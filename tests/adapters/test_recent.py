"""What was read last is answered from memory, within bounds."""

from controller.adapters.recent import RecentObjects
from controller.kernel.objects import Header, Oid


def some_oid(number: int) -> Oid:
    return Oid(bytes([number]) * 20)


def test_an_object_is_given_back_with_its_header() -> None:
    kept = RecentObjects()
    kept.put(some_oid(1), "blob", b"1")

    assert kept.get(some_oid(1)) == (Header("blob", 1), b"1")
    assert kept.get(some_oid(2)) is None


def test_an_object_that_is_too_large_is_not_kept() -> None:
    kept = RecentObjects(object_bytes_max=2)
    kept.put(some_oid(1), "blob", b"123")
    kept.put(some_oid(2), "blob", b"12")

    assert kept.get(some_oid(1)) is None
    assert kept.get(some_oid(2)) is not None


def test_together_they_stay_below_a_limit() -> None:
    kept = RecentObjects(bytes_max=3)
    for number in range(10):
        kept.put(some_oid(number), "blob", b"12")

    assert [number for number in range(10) if kept.get(some_oid(number))] == [9]
