"""Signed notes: everybody else's example, and what is refused of notes that nearly are."""

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from controller.trust.keys import BadPublicKey, Kind, PublicLine
from controller.trust.note import (
    SIGNATURES_MAX,
    SIZE_MAX_BYTES,
    MalformedNote,
    MalformedVerifierKey,
    NoteNotSigned,
    NoteSignature,
    VerifierKey,
    sign,
    split,
    verify,
)
from controller.trust.sign import CannotSign, SeedSigner

LOG = SeedSigner.of(b"log".ljust(32, b"."))
WITNESS = SeedSigner.of(b"witness".ljust(32, b"."))
LOG_KEY = VerifierKey("example.org/log", LOG.public)
WITNESS_KEY = VerifierKey("witness", WITNESS.public)
TEXT = "one\n\ntwo – three\n"
NOTE = sign(TEXT, "example.org/log", LOG)


@dataclass(frozen=True)
class OverSshOnly:
    """A signer as `ssh-keygen` is one: it makes no plain signature."""

    inner: SeedSigner
    raw: bool = False

    @property
    def public(self) -> PublicLine:
        return self.inner.public

    def sign(self, message: bytes) -> bytes:
        raise AssertionError(message)

    def sshsig(self, message: bytes, namespace: str) -> bytes:
        return self.inner.sshsig(message, namespace)


def line_of(name: str, signer: SeedSigner, text: str = TEXT) -> bytes:
    return sign(text, name, signer).rpartition(b"\n\n")[2]


def vectors(shared_dir: Path) -> Any:
    return json.loads((shared_dir / "vectors/signed-note/vectors.json").read_bytes())


def test_the_example_of_the_standard_verifies(shared_dir: Path) -> None:
    (case,) = vectors(shared_dir)["notes"]
    key = VerifierKey.parse(case["vkey"])

    verified = verify(case["note"].encode(), [key])

    assert verified.text == "This is an example message.\n"
    assert verified.signers == (key,)
    assert key.vkey == case["vkey"]


@pytest.mark.parametrize("name", ["known1", "known2", "unknown"])
def test_other_peoples_keys_have_the_ids_that_they_say(shared_dir: Path, name: str) -> None:
    keys = vectors(shared_dir)["keys"]
    _, _, key_name, key_id, encoded = keys[f"{name}_sk"].split("+", 4)
    signer = SeedSigner.of(base64.b64decode(encoded)[1:])

    key = VerifierKey(key_name, signer.public)

    assert key.id.hex() == key_id
    assert key.vkey == keys.get(f"{name}_vk", key.vkey)
    assert verify(sign(TEXT, key_name, signer), [VerifierKey.parse(key.vkey)]).text == TEXT


def test_the_id_is_of_name_type_and_key() -> None:
    named = b"example.org/log\n\x01" + LOG.public.point

    assert LOG_KEY.id == hashlib.sha256(named).digest()[:4]


def test_a_text_keeps_its_empty_lines() -> None:
    assert verify(NOTE, [LOG_KEY]).text == TEXT


def test_signatures_of_strangers_are_not_looked_at() -> None:
    stranger = b"\xe2\x80\x94 stranger " + base64.b64encode(b"0123456789") + b"\n"

    assert verify(NOTE + stranger, [LOG_KEY]).signers == (LOG_KEY,)


def test_a_note_of_strangers_alone_is_refused() -> None:
    with pytest.raises(NoteNotSigned) as refusal:
        verify(NOTE, [WITNESS_KEY])

    assert refusal.value.names == ("example.org/log",)
    assert str(refusal.value) == "no known key signed the note, only 'example.org/log'"


def test_a_refusal_shows_five_names_of_80_letters_at_most_and_keeps_them_all() -> None:
    names = ("n" * 81, *"abcde")

    refusal = NoteNotSigned(names)

    assert str(refusal).endswith(f"only '{'n' * 80}', 'a', 'b', 'c', 'd'")
    assert refusal.names == names


def test_a_key_under_another_name_is_a_stranger() -> None:
    with pytest.raises(NoteNotSigned):
        verify(NOTE, [VerifierKey("example.org/other", LOG.public)])


def test_one_bad_signature_of_a_known_key_spoils_the_note() -> None:
    bad = line_of("witness", WITNESS, "something else\n")

    with pytest.raises(NoteSignature) as refusal:
        verify(NOTE + bad, [LOG_KEY, WITNESS_KEY])

    assert refusal.value.name == "witness"


def test_two_good_signatures_are_two_signers() -> None:
    both = NOTE + line_of("witness", WITNESS)

    assert verify(both, [LOG_KEY, WITNESS_KEY]).signers == (LOG_KEY, WITNESS_KEY)


def test_a_signature_that_stands_twice_is_one_signer() -> None:
    twice = NOTE + line_of("example.org/log", LOG)

    assert verify(twice, [LOG_KEY]).signers == (LOG_KEY,)


def test_as_many_signatures_as_we_read_are_read() -> None:
    line = line_of("witness", WITNESS)

    assert SIGNATURES_MAX >= 16
    assert verify(NOTE + line * (SIGNATURES_MAX - 1), [LOG_KEY]).text == TEXT
    with pytest.raises(MalformedNote, match="signatures is more"):
        verify(NOTE + line * SIGNATURES_MAX, [LOG_KEY])


LINE = NOTE.rpartition(b"\n\n")[2].decode()
SIGNATURE = LINE.split(" ")[2].removesuffix("\n")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        TEXT.encode(),
        NOTE.removesuffix(b"\n"),
        NOTE + b"\n",
        NOTE + b"more\n",
        NOTE.replace(b"\n", b"\r\n"),
        NOTE.replace(b"one", b"o\x00e"),
        NOTE.replace(b"one", b"o\te"),
        NOTE.replace(b"one", b"o\x7fe"),
        NOTE.replace(b"one", "o\u009be".encode()),
        NOTE.replace(b"one", b"o\xffe"),
        NOTE.replace("—".encode(), b"-"),
        f"{TEXT}\n— example.org/log  {SIGNATURE}\n".encode(),
        f"{TEXT}\nexample.org/log {SIGNATURE}\n".encode(),
        f"{TEXT}\n— {SIGNATURE}\n".encode(),
        f"{TEXT}\n— example+log {SIGNATURE}\n".encode(),
        f"{TEXT}\n— example\u00a0log {SIGNATURE}\n".encode(),
        f"{TEXT}\n— example.org/log {SIGNATURE.rstrip('=')}\n".encode(),
        f"{TEXT}\n— example.org/log {SIGNATURE} \n".encode(),
        f"{TEXT}\n— example.org/log {SIGNATURE.replace('+', '-').replace('/', '_')}!\n".encode(),
        f"{TEXT}\n— example.org/log AAAAAA==\n".encode(),
        pytest.param(b"x" * SIZE_MAX_BYTES + NOTE, id="too-long"),
    ],
)
def test_what_is_not_exactly_a_note_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedNote):
        split(data)


def test_the_longest_note_is_split() -> None:
    below = f"\n{LINE}".encode()
    above = b"x" * (SIZE_MAX_BYTES - len(below) - 1) + b"\n"

    assert split(above + below)[0].encode() == above
    with pytest.raises(MalformedNote):
        split(b"x" + above + below)


def test_what_is_exactly_a_note_is_split() -> None:
    text, lines = split(f"{TEXT}\n{LINE}".encode())

    assert text == TEXT
    assert [(line.name, line.id, len(line.signature)) for line in lines] == [
        ("example.org/log", LOG_KEY.id, 64)
    ]


@pytest.mark.parametrize("text", ["", "no newline", "a\r\n", "a\u0000\n", "\ud800\n"])
def test_a_text_that_nobody_could_read_back_is_not_signed(text: str) -> None:
    with pytest.raises(MalformedNote):
        sign(text, "example.org/log", LOG)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb"])
def test_a_name_that_does_not_fit_into_a_line_is_refused(name: str) -> None:
    with pytest.raises(MalformedVerifierKey):
        VerifierKey(name, LOG.public)


def test_a_key_that_needs_a_touch_cannot_sign_notes() -> None:
    touched = PublicLine(Kind.SK_ED25519, LOG.public.point, b"ssh:")

    with pytest.raises(MalformedVerifierKey):
        VerifierKey("example.org/log", touched)


def vkey(name: str, data: bytes, key_id: str | None = None) -> str:
    digest = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4].hex()
    return f"{name}+{key_id or digest}+{base64.b64encode(data).decode()}"


def test_a_verifier_key_survives_its_text() -> None:
    assert VerifierKey.parse(vkey("log", b"\x01" + LOG.public.point)).public == LOG.public


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log",
        vkey("log", b"\x01" + LOG.public.point, "00000000"),
        vkey("log", b"\x02" + LOG.public.point),
        vkey("lo g", b"\x01" + LOG.public.point),
        vkey("log", b"\x01" + LOG.public.point) + "\n",
        vkey("log", b"\x01" + LOG.public.point) + "=",
        "+" + vkey("log", b"\x01" + LOG.public.point),
    ],
)
def test_a_verifier_key_that_is_not_exactly_one_is_refused(text: str) -> None:
    with pytest.raises(MalformedVerifierKey):
        VerifierKey.parse(text)


@pytest.mark.parametrize("point", [b"\x00" * 32, b"\x01" + b"\x00" * 31, b"short"])
def test_a_verifier_key_with_a_bad_point_is_refused(point: bytes) -> None:
    with pytest.raises(BadPublicKey):
        VerifierKey.parse(vkey("log", b"\x01" + point))


def test_a_signer_of_ssh_signatures_alone_cannot_sign_notes() -> None:
    with pytest.raises(CannotSign):
        sign(TEXT, "example.org/log", OverSshOnly(LOG))
