"""Plain files."""

from datetime import UTC
from pathlib import Path

from controller.adapters.clock import SystemClock
from controller.adapters.files import read_folder, write_file


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
