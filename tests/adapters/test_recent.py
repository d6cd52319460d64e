"""What was read last is answered from memory, within bounds."""

import pytest

from controller.adapters import recent
from controller.adapters.recent import RecentObjects
from controller.kernel.objects import Oid


def some_oid(number: int) -> Oid:
    return Oid(bytes([number]) * 20)


def test_an_object_is_given_back_with_its_kind() -> None:
    kept = RecentObjects()
    kept.put(some_oid(1), "blob", b"1")

    assert kept.get(some_oid(1)) == ("blob", b"1")
    assert kept.get(some_oid(2)) is None


def test_an_object_that_is_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "OBJECT_BYTES_MAX", 2)
    kept = RecentObjects()
    kept.put(some_oid(1), "blob", b"123")
    kept.put(some_oid(2), "blob", b"12")

    assert kept.get(some_oid(1)) is None
    assert kept.get(some_oid(2)) is not None


def test_together_they_stay_below_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "BYTES_MAX", 3)
    kept = RecentObjects()
    for number in range(10):
        kept.put(some_oid(number), "blob", b"12")

    assert [number for number in range(10) if kept.get(some_oid(number))] == [9]
