"""Private keys: what is written is read back, and damage is noticed, never guessed around."""

import base64
import hashlib

import pytest

from controller.trust.privatekey import (
    BadPrivateKey,
    EncryptedPrivateKey,
    parse_private_key,
    render_private_key,
)
from controller.trust.sshwire import string, uint32

SEED = bytes(range(32))
TEXT = render_private_key(SEED, "alice", 0x01020304)
BEGIN, *BODY, END = TEXT.decode().splitlines()
BLOB = base64.b64decode("".join(BODY))


def armored(blob: bytes) -> bytes:
    return f"{BEGIN}\n{base64.b64encode(blob).decode()}\n{END}\n".encode()


def test_a_written_key_is_read_back() -> None:
    assert parse_private_key(TEXT) == SEED
    assert parse_private_key(armored(BLOB)) == SEED
    assert parse_private_key(TEXT.replace(b"\n", b"\r\n")) == SEED


def test_a_key_is_written_in_its_one_frozen_form() -> None:
    written = render_private_key(SEED, "alice", 0x01020304)

    frozen = "6530ebc0e1e1c36e25df40b20811e631e2265fc4233332accc4e97faefb3cea2"
    assert hashlib.sha256(written).hexdigest() == frozen


def test_a_bare_seed_is_a_key() -> None:
    assert parse_private_key(SEED) == SEED


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"openssh-key-v1", b"openssh-key-v2"),
        (string(b"") + uint32(1), string(b"") + uint32(2)),
        (uint32(0x01020304) * 2, uint32(0x01020304) + uint32(5)),
        (string(SEED + b"")[4:], bytes(32)),
        (string(b"none") * 2, string(b"none") + string(b"nona")),
        (
            b"\x01\x02\x03\x04\x01\x02\x03\x04\x00\x00\x00\x0bssh-ed25519",
            b"\x01\x02\x03\x04" * 2 + string(b"ssh-ed25518"),
        ),
    ],
)
def test_a_damaged_key_is_refused(old: bytes, new: bytes) -> None:
    assert old in BLOB

    with pytest.raises(BadPrivateKey):
        parse_private_key(armored(BLOB.replace(old, new, 1)))


@pytest.mark.parametrize("text", [b"\xff" * 40, TEXT + b"\xff", b"", b"key"])
def test_what_is_no_text_of_a_key_is_refused(text: bytes) -> None:
    with pytest.raises(BadPrivateKey):
        parse_private_key(text)


@pytest.mark.parametrize("blob", [BLOB + b"x", BLOB[:-9], BLOB[:40], b""])
def test_a_key_cut_or_grown_is_refused(blob: bytes) -> None:
    with pytest.raises(BadPrivateKey):
        parse_private_key(armored(blob))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SEED[:-1],
        TEXT.replace(b"OPENSSH", b"RSA"),
        TEXT.replace(BODY[0].encode(), b"=b="),
        TEXT.replace(BODY[0].encode(), b"=" + BODY[0].encode()),
        TEXT.replace(BODY[0].encode(), BODY[0].encode() + b"="),
    ],
)
def test_what_is_no_key_file_is_refused(data: bytes) -> None:
    with pytest.raises(BadPrivateKey):
        parse_private_key(data)


def test_an_encrypted_key_is_left_to_the_agent() -> None:
    locked = BLOB.replace(string(b"none") * 2, string(b"aes256-ctr") + string(b"bcrypt"))

    with pytest.raises(EncryptedPrivateKey):
        parse_private_key(armored(locked))


@pytest.mark.parametrize("comment", ["a" * size for size in range(9)])
def test_the_secret_part_is_padded_to_whole_blocks_that_count_up(comment: str) -> None:
    written = render_private_key(SEED, comment, 7)

    section = base64.b64decode(b"".join(written.splitlines()[1:-1])).rpartition(uint32(7) * 2)[2]
    padding = section.rpartition(string(comment.encode()))[2]
    assert parse_private_key(written) == SEED
    assert len(section) % 8 == 0
    assert padding == bytes(range(1, len(padding) + 1))
    assert len(padding) < 8


def test_a_key_of_a_kind_that_is_no_text_is_refused() -> None:
    kind = uint32(0x01020304) * 2 + string(b"ssh-ed25519")
    other = uint32(0x01020304) * 2 + string(b"ssh-ed2551\xff")

    with pytest.raises(BadPrivateKey, match="type 'ssh-ed2551\ufffd'"):
        parse_private_key(armored(BLOB.replace(kind, other)))
