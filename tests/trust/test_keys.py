"""Public keys: other people's vectors, unsafe points, and lines that are not what they say."""

import base64
import json
from pathlib import Path

import pytest

from controller.kernel.errors import Untrusted
from controller.trust.keys import (
    LINE_CHARACTERS_MAX,
    BadPublicKey,
    Kind,
    PublicLine,
    UnsupportedKey,
    parse_public_blob,
    parse_public_line,
    public_of_seed,
)
from controller.trust.sshwire import MalformedSsh, string
from tests.support.trust import ALICE

SMALL_ORDER = [
    "01" + "00" * 31,
    "00" * 32,
    "00" * 31 + "80",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]
NOT_A_POINT = [
    "ff" * 32,
    "02" + "00" * 31,
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def line_of(point: bytes, kind: str = "ssh-ed25519") -> str:
    blob = string(kind.encode()) + string(point)
    return f"{kind} {base64.b64encode(blob).decode()}"


def test_every_wycheproof_verdict_is_ours(shared_dir: Path) -> None:
    path = shared_dir / "vectors/wycheproof-ed25519/ed25519_test.json"
    groups = json.loads(path.read_bytes())["testGroups"]

    told = [
        (
            PublicLine(Kind.ED25519, bytes.fromhex(group["publicKey"]["pk"])).accepts_raw(
                bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
            ),
            test["result"] == "valid",
        )
        for group in groups
        for test in group["tests"]
    ]

    assert len(told) == 151
    assert all(ours is theirs for ours, theirs in told)


def test_every_wycheproof_key_is_a_good_key(shared_dir: Path) -> None:
    path = shared_dir / "vectors/wycheproof-ed25519/ed25519_test.json"
    for group in json.loads(path.read_bytes())["testGroups"]:
        assert parse_public_line(line_of(bytes.fromhex(group["publicKey"]["pk"])))


@pytest.mark.stops("installation.small-order-key")
@pytest.mark.parametrize("point", SMALL_ORDER + NOT_A_POINT)
def test_a_point_that_would_accept_forgeries_is_refused(point: str) -> None:
    with pytest.raises(BadPublicKey):
        parse_public_line(line_of(bytes.fromhex(point)))


@pytest.mark.allows("installation.small-order-key")
def test_a_point_of_full_order_is_read_and_named_by_its_fingerprint() -> None:
    public = parse_public_line(ALICE.signer.public.line + " alice@example\n")

    assert public == ALICE.signer.public
    assert public.id.startswith("SHA256:")
    assert len(public.id) == 50


@pytest.mark.parametrize("name", ["rsa", "ecdsa", "ecdsa_sk", "mldsa44-ed25519"])
def test_other_kinds_of_key_are_unsupported(shared_dir: Path, name: str) -> None:
    with pytest.raises(UnsupportedKey):
        parse_public_line((shared_dir / f"vectors/openssh-sshsig/{name}.pub").read_text())


@pytest.mark.parametrize("name", ["ed25519", "ed25519_sk"])
def test_both_kinds_of_ed25519_are_read(shared_dir: Path, name: str) -> None:
    text = (shared_dir / f"vectors/openssh-sshsig/{name}.pub").read_text()

    assert text.startswith(parse_public_line(text).line)


def test_a_line_whose_name_is_not_its_keys_is_refused() -> None:
    encoded = ALICE.signer.public.line.split()[1]

    with pytest.raises(Untrusted):
        parse_public_line(f"sk-ssh-ed25519@openssh.com {encoded}")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 !!!!",
        'from="10.0.0.1" ' + ALICE.signer.public.line,
        ALICE.signer.public.line + "\n" + ALICE.signer.public.line,
        " " + ALICE.signer.public.line,
        ALICE.signer.public.line + " " + "x" * 1024,
    ],
)
def test_what_is_not_one_public_key_line_is_refused(line: str) -> None:
    with pytest.raises(BadPublicKey):
        parse_public_line(line)


@pytest.mark.parametrize("size", [31, 33])
def test_a_key_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(BadPublicKey):
        parse_public_line(line_of(b"x" * size))


def test_bytes_after_a_key_are_refused() -> None:
    with pytest.raises(MalformedSsh):
        parse_public_blob(ALICE.signer.public.blob + b"x")


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(BadPublicKey):
        public_of_seed(b"x" * 31)


def test_a_security_key_never_signs_plainly() -> None:
    key = PublicLine(Kind.SK_ED25519, ALICE.signer.public.point, b"ssh:")

    assert not key.accepts_raw(b"m", ALICE.signer.sign(b"m"))
    assert ALICE.signer.public.accepts_raw(b"m", ALICE.signer.sign(b"m"))


@pytest.mark.parametrize("encoded", ["A", "AAAA=", "AAAAC3NzaC1lZDI1NTE5AAAAIA"])
def test_a_key_that_is_cut_is_refused(encoded: str) -> None:
    with pytest.raises(Untrusted):
        parse_public_line(f"ssh-ed25519 {encoded}")


def test_a_roots_key_shows_its_line() -> None:
    assert ALICE.key.line == ALICE.signer.public.line


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("ssh-rsa AAAA alice@example", "ssh-rsa"),
        ("ssh-rsa " + "A" * 2000 + " alice at home", "ssh-rsa"),
        ("x" * 1025, "x" * 1025),
    ],
)
def test_a_kind_that_is_not_supported_is_named(line: str, kind: str) -> None:
    with pytest.raises(UnsupportedKey) as refusal:
        parse_public_line(line)

    assert refusal.value.kind == kind


def test_a_kind_that_is_no_text_is_named_as_well_as_it_can_be() -> None:
    with pytest.raises(UnsupportedKey) as refusal:
        parse_public_blob(string(b"ssh-\xff"))

    assert refusal.value.kind == "ssh-\ufffd"


def test_the_longest_line_is_read_and_the_next_refused() -> None:
    line = ALICE.signer.public.line + " "

    assert parse_public_line(line.ljust(LINE_CHARACTERS_MAX, "x")) == ALICE.signer.public
    with pytest.raises(BadPublicKey):
        parse_public_line(line.ljust(LINE_CHARACTERS_MAX + 1, "x"))
    with pytest.raises(BadPublicKey):
        parse_public_line("x" * LINE_CHARACTERS_MAX)


def test_a_key_in_other_letters_than_its_own_is_refused() -> None:
    token = PublicLine(Kind.SK_ED25519, ALICE.signer.public.point, b"ssh:")
    *head, last, padding = list(token.line)
    spare = "".join((*head, chr(ord(last) + 1), padding))

    assert (padding, parse_public_line(token.line)) == ("=", token)
    assert base64.b64decode(spare.split(" ")[1]) == token.blob
    with pytest.raises(BadPublicKey):
        parse_public_line(spare)


def test_the_public_key_of_a_seed_is_the_one_that_its_line_says() -> None:
    public = public_of_seed(b"x" * 32)

    assert parse_public_line(public.line) == public
    assert public.application == b""
