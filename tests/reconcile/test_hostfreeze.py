"""A file freezes a host in whatever state it is, and only one in order can end by itself."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.reconcile import hostfreeze
from controller.reconcile.hostfreeze import DOCUMENT, PLAIN
from controller.stores.control.holds import AlreadyHeld, HoldKind, NotHeld, Wanted

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def wanted(actor: str = "ann", **changes: datetime) -> Wanted:
    return Wanted(HoldKind.FREEZE, actor, "INC-17", **{"placed_at": NOON, **changes})


def test_a_host_without_a_file_is_not_frozen(tmp_path: Path) -> None:
    assert hostfreeze.read(tmp_path, NOON) is None
    assert hostfreeze.read(tmp_path / "not made yet", NOON) is None


def test_a_file_says_who_froze_the_host_and_until_when(tmp_path: Path) -> None:
    hostfreeze.place(tmp_path, wanted(expires_at=NOON + HOUR))

    found = hostfreeze.read(tmp_path, NOON)

    assert found is not None
    assert (found.actor, found.reason, found.placed_at) == ("ann", "INC-17", NOON)
    assert hostfreeze.read(tmp_path, NOON + HOUR - timedelta(microseconds=1)) == found
    assert hostfreeze.read(tmp_path, NOON + HOUR) is None
    assert (tmp_path / DOCUMENT).stat().st_mode & 0o777 == 0o644


def test_a_touched_file_freezes_without_an_end(tmp_path: Path) -> None:
    (tmp_path / PLAIN).touch()

    found = hostfreeze.read(tmp_path, NOON + 9_999 * HOUR)

    assert found is not None
    assert found.expires_at is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"{}" * 100_000,
        b'{"actor":"a","reason":"b","placed_at":"2026-11-20T12:00:00Z"}',
        b'{"actor":1,"reason":"b","placed_at":"2026-11-20T12:00:00Z","expires_at":null}',
        b'{"actor":"a","reason":"b","placed_at":5,"expires_at":null}',
        b'{"actor":"a","reason":"b","placed_at":"2026-11-20T12:00:00Z","expires_at":"yesterday"}',
        b'{"actor":"a","reason":"b","placed_at":"2026-11-20T12:00:00Z","expires_at":null,"x":1}',
    ],
    ids=lambda data: repr(data[:60]),
)
def test_a_damaged_file_freezes_and_says_so(data: bytes, tmp_path: Path) -> None:
    (tmp_path / DOCUMENT).write_bytes(data)
    (tmp_path / DOCUMENT).chmod(0o644)

    found = hostfreeze.read(tmp_path, NOON)

    assert found is not None
    assert "cannot be read" in found.reason


def test_whatever_has_the_name_freezes(tmp_path: Path) -> None:
    for name in (DOCUMENT, PLAIN):
        folder = tmp_path / name
        folder.mkdir()
        (folder / DOCUMENT).symlink_to("nowhere")
        assert hostfreeze.read(folder, NOON) is not None
        assert hostfreeze.read(tmp_path, NOON) is not None
        (folder / DOCUMENT).unlink()
        folder.rmdir()
    os.mkfifo(tmp_path / DOCUMENT)
    assert hostfreeze.read(tmp_path, NOON) is not None


def test_a_folder_that_cannot_be_looked_into_freezes(tmp_path: Path) -> None:
    (tmp_path / "state").touch()

    found = hostfreeze.read(tmp_path / "state", NOON)

    assert found is not None
    assert "cannot be looked into" in found.reason


def test_an_end_that_others_could_have_written_is_not_believed(tmp_path: Path) -> None:
    hostfreeze.place(tmp_path, wanted(expires_at=NOON + HOUR))
    (tmp_path / DOCUMENT).chmod(0o666)

    before, after = hostfreeze.read(tmp_path, NOON), hostfreeze.read(tmp_path, NOON + HOUR)

    assert before is not None
    assert "may be written by others" in before.reason
    assert after is not None
    assert after.expires_at is None
    (tmp_path / DOCUMENT).chmod(0o644)
    assert hostfreeze.read(tmp_path, NOON + HOUR) is None


def test_the_file_of_another_user_is_noted(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    hostfreeze.place(tmp_path, wanted())
    os.chown(tmp_path / DOCUMENT, 12_345, -1)

    found = hostfreeze.read(tmp_path, NOON)

    assert found is not None
    assert "owner 12345" in found.reason


def test_a_second_freeze_is_refused_with_who_froze_it(tmp_path: Path) -> None:
    hostfreeze.place(tmp_path, wanted())

    with pytest.raises(AlreadyHeld, match="host-freeze by ann: INC-17"):
        hostfreeze.place(tmp_path, wanted("bob"))

    hostfreeze.lift(tmp_path)
    (tmp_path / PLAIN).touch()
    with pytest.raises(AlreadyHeld):
        hostfreeze.place(tmp_path, wanted("bob"))


def test_one_that_is_over_gives_way(tmp_path: Path) -> None:
    hostfreeze.place(tmp_path, wanted(expires_at=NOON + HOUR))

    hostfreeze.place(tmp_path, wanted("bob", placed_at=NOON + HOUR))

    found = hostfreeze.read(tmp_path, NOON + HOUR)
    assert found is not None
    assert found.actor == "bob"


def test_of_two_operators_at_once_one_freezes(tmp_path: Path) -> None:
    def attempt(name: str) -> bool:
        try:
            hostfreeze.place(tmp_path, wanted(name))
        except AlreadyHeld:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, map(str, range(8))))

    assert won.count(True) == 1
    assert os.listdir(tmp_path) == [DOCUMENT]  # noqa: PTH208  no half file is left either


def test_lifting_takes_every_file_away(tmp_path: Path) -> None:
    hostfreeze.place(tmp_path, wanted())
    (tmp_path / PLAIN).touch()

    hostfreeze.lift(tmp_path)

    assert hostfreeze.read(tmp_path, NOON) is None
    with pytest.raises(NotHeld):
        hostfreeze.lift(tmp_path)


def test_what_a_crash_leaves_behind_before_the_rename_is_no_freeze(tmp_path: Path) -> None:
    (tmp_path / f".{DOCUMENT}.part").write_bytes(b'{"act')
    (tmp_path / ".abc.part").write_bytes(b'{"act')

    assert hostfreeze.read(tmp_path, NOON) is None
    hostfreeze.place(tmp_path, wanted())
    assert json.loads((tmp_path / DOCUMENT).read_bytes())["actor"] == "ann"
