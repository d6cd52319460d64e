"""A credential that systemd hands to one user is read; a list that lets others in is refused."""

import os
import struct
from pathlib import Path

import pytest

from controller.adapters.keyfiles import UnsafeKeyFile, read_secret

NOBODY_NAMED = 0xFFFFFFFF
OWNER, USER, GROUP_OBJECT, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20


def credential(path: Path, *more: tuple[int, int, int], group: int = 0, other: int = 0) -> Path:
    """Write a file as systemd does: the owner reads, and whoever an entry names."""
    path.write_bytes(b"secret")
    path.chmod(0o400)
    entries = [
        (OWNER, 4, NOBODY_NAMED),
        *more,
        (GROUP_OBJECT, group, NOBODY_NAMED),
        (MASK, 4, NOBODY_NAMED),
        (OTHER, other, NOBODY_NAMED),
    ]
    packed = b"".join(struct.pack("<HHI", *one) for one in sorted(entries, key=lambda one: one[0]))
    try:
        os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + packed)
    except OSError:
        pytest.skip("this file system has no access control lists")
    return path


def test_an_entry_for_ourselves_is_what_systemd_writes(tmp_path: Path) -> None:
    file = credential(tmp_path / "key", (USER, 4, os.geteuid()))

    assert file.stat().st_mode & 0o777 == 0o440
    assert read_secret(file) == b"secret"


@pytest.mark.parametrize(
    ("more", "group", "other"),
    [
        ([(USER, 4, 12345)], 0, 0),
        ([(USER, 4, os.geteuid()), (GROUP, 4, 12345)], 0, 0),
        ([(USER, 4, os.geteuid())], 4, 0),
        ([(USER, 4, os.geteuid())], 0, 4),
    ],
    ids=["another user", "a group", "the owner's group", "everybody"],
)
def test_an_entry_for_others_is_refused(
    tmp_path: Path, more: list[tuple[int, int, int]], group: int, other: int
) -> None:
    file = credential(tmp_path / "key", *more, group=group, other=other)

    with pytest.raises(UnsafeKeyFile):
        read_secret(file)


def test_a_file_without_a_list_is_judged_by_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"secret")
    file.chmod(0o440)

    with pytest.raises(UnsafeKeyFile):
        read_secret(file)
