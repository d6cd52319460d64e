"""Plain files."""

from datetime import UTC
from pathlib import Path

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.files import read_folder, write_exclusive, write_file


def test_a_folder_is_read_whole_and_in_order_without_links(tmp_path: Path) -> None:
    write_file(tmp_path / "b" / "c.json", b"2")
    write_file(tmp_path / "a.json", b"1")
    (tmp_path / "link").symlink_to(tmp_path / "a.json")

    assert list(read_folder(tmp_path).items()) == [("a.json", b"1"), ("b/c.json", b"2")]


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"old")
    write_file(tmp_path / "a", b"new", mode=0o600)

    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_the_clock_speaks_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_a_new_file_is_whole_and_never_over_another(tmp_path: Path) -> None:
    place = tmp_path / "key"

    write_exclusive(place, b"first", mode=0o600)
    with pytest.raises(FileExistsError):
        write_exclusive(place, b"second", mode=0o600)

    assert place.read_bytes() == b"first"
    assert place.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_a_half_written_file_lies_where_it_was_told_to(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "taken").mkdir()

    with pytest.raises(IsADirectoryError):
        write_file(tmp_path / "place" / "taken", b"x", scratch=tmp_path / "scratch")
    write_file(tmp_path / "place" / "free", b"x", scratch=tmp_path / "scratch")

    assert list((tmp_path / "scratch").iterdir()) == []
    assert (tmp_path / "place" / "free").read_bytes() == b"x"
