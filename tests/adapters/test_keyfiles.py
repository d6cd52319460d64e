"""Key files: nobody else may read them, and none is ever written over."""

import os
from pathlib import Path

import pytest

from controller.adapters.keyfiles import (
    SECRET_MAX_BYTES,
    KeyFileExists,
    UnsafeKeyFile,
    read_public,
    read_secret,
    write_new,
    write_pair,
)


def secret(path: Path, mode: int = 0o600, data: bytes = b"secret") -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_a_private_file_is_read(tmp_path: Path) -> None:
    assert read_secret(secret(tmp_path / "key")) == b"secret"
    assert read_secret(secret(tmp_path / "strict", 0o400)) == b"secret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o610])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = secret(tmp_path / "key", mode)

    with pytest.raises(UnsafeKeyFile) as refusal:
        read_secret(path)

    assert refusal.value.hint == f"chmod 600 {path}"
    assert read_public(path) == "secret"


def test_links_folders_pipes_and_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(secret(tmp_path / "key"))
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)

    for name in ("link", "pipe", "folder", "nothing"):
        with pytest.raises(UnsafeKeyFile):
            read_secret(tmp_path / name)


def test_a_file_too_large_for_a_key_is_refused(tmp_path: Path) -> None:
    assert read_secret(secret(tmp_path / "fits", data=b"x" * SECRET_MAX_BYTES))

    with pytest.raises(UnsafeKeyFile):
        read_secret(secret(tmp_path / "key", data=b"x" * (SECRET_MAX_BYTES + 1)))


def test_a_pair_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "key"

    write_pair(path, secret=b"secret", public="public\n")

    assert read_secret(path) == b"secret"
    assert read_public(tmp_path / "key.pub") == "public\n"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyFileExists):
        write_pair(path, secret=b"other", public="other\n")
    assert read_secret(path) == b"secret"


@pytest.mark.parametrize("name", ["key", "key.pub"])
def test_half_a_pair_is_never_completed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(KeyFileExists):
        write_pair(tmp_path / "key", secret=b"secret", public="public\n")

    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_public_key_that_a_death_left_alone_is_named_for_removal(tmp_path: Path) -> None:
    left = tmp_path / "my key.pub"
    left.write_text("public\n")

    with pytest.raises(KeyFileExists) as refusal:
        write_pair(tmp_path / "my key", secret=b"secret", public="public\n")

    assert refusal.value.hint.endswith(f"rm '{left}'")
    left.unlink()
    write_pair(tmp_path / "my key", secret=b"secret", public="public\n")


def test_a_new_file_replaces_nothing(tmp_path: Path) -> None:
    write_new(tmp_path / "file", b"x", mode=0o600)

    with pytest.raises(KeyFileExists):
        write_new(tmp_path / "file", b"y", mode=0o600)
    with pytest.raises(UnsafeKeyFile):
        write_new(tmp_path / "missing" / "file", b"y", mode=0o600)


def test_a_pair_that_cannot_be_finished_leaves_no_secret(tmp_path: Path) -> None:
    longest = "k" * 252  # with ".pub" one more than a file name may have

    with pytest.raises(UnsafeKeyFile):
        write_pair(tmp_path / longest, secret=b"secret", public="public\n")

    assert list(tmp_path.iterdir()) == []
