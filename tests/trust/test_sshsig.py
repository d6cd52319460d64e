"""SSHSIG: OpenSSH's own signatures verify, and every kind of damaged one is refused."""

import base64
import hashlib
from pathlib import Path

import pytest

from controller.kernel.errors import Untrusted
from controller.trust import sshsig
from controller.trust.keys import Kind, PublicKey, PublicLine, Scheme, parse_public_line
from controller.trust.sshsig import BadSshSignature
from controller.trust.sshwire import MalformedSsh, Reader, string, uint32
from tests.support.trust import ALICE, BOB

MESSAGE = b"what was signed\n"
KEY = ALICE.signer.public


def blob(  # noqa: PLR0913
    *,
    magic: bytes = b"SSHSIG",
    version: int = 1,
    key: bytes = KEY.blob,
    namespace: bytes = b"git",
    reserved: bytes = b"",
    algorithm: bytes = b"sha512",
    kind: bytes = b"ssh-ed25519",
    cut: int = 64,
    pad: bytes = b"",
    tail: bytes = b"",
    inner_tail: bytes = b"",
) -> bytes:
    """A signature that is honest about everything it says, also when it says something wrong."""
    digest = hashlib.new(algorithm.decode(), MESSAGE).digest()
    words = (namespace, reserved, algorithm, digest)
    signed = b"SSHSIG" + b"".join(string(word) for word in words)
    inner = string(kind) + string(ALICE.signer.sign(signed)[:cut] + pad) + inner_tail
    parts = (key, namespace, reserved, algorithm, inner)
    return magic + uint32(version) + b"".join(string(part) for part in parts) + tail


def test_the_honest_signature_is_accepted() -> None:
    sshsig.verify(blob(), MESSAGE, "git", KEY)
    sshsig.verify(blob(algorithm=b"sha256"), MESSAGE, "git", KEY)


@pytest.mark.parametrize(
    ("damaged", "namespace"),
    [
        (blob(magic=b"SSHSIH"), "git"),
        (blob(version=0), "git"),
        (blob(version=2), "git"),
        (blob(namespace=b""), ""),
        (blob(namespace=b""), "git"),
        (blob(namespace=b"file"), "git"),
        (blob(namespace=b"git\x00"), "git"),
        (blob(reserved=b"x"), "git"),
        (blob(algorithm=b"md5"), "git"),
        (blob(algorithm=b"sha1"), "git"),
        (blob(algorithm=b"sha384"), "git"),
        (blob(kind=b"sk-ssh-ed25519@openssh.com"), "git"),
        (blob(kind=b"rsa-sha2-512"), "git"),
        (blob(cut=63), "git"),
        (blob(pad=b"x"), "git"),
        (blob(tail=b"x"), "git"),
        (blob(inner_tail=b"x"), "git"),
        (blob(key=BOB.signer.public.blob), "git"),
        (blob(key=KEY.blob + b"x"), "git"),
        (blob()[:-1], "git"),
        (blob() + bytes(5000), "git"),
        (b"", "git"),
    ],
    ids=range(22),
)
def test_a_signature_that_says_anything_else_is_refused(damaged: bytes, namespace: str) -> None:
    with pytest.raises((BadSshSignature, MalformedSsh)):
        sshsig.verify(damaged, MESSAGE, namespace, KEY)


def test_other_bytes_are_refused() -> None:
    with pytest.raises(BadSshSignature):
        sshsig.verify(blob(), MESSAGE + b"x", "git", KEY)


@pytest.mark.parametrize("name", ["ed25519", "ed25519_sk"])
def test_openssh_signatures_verify(shared_dir: Path, name: str) -> None:
    data = shared_dir / "vectors/openssh-sshsig"
    key = parse_public_line((data / f"{name}.pub").read_text())

    sshsig.verify(
        (data / f"{name}.sig").read_text(), (data / "signed-data").read_bytes(), "unittest", key
    )


@pytest.mark.parametrize(
    "name", ["rsa", "ecdsa", "ecdsa_sk", "ecdsa_sk_webauthn", "mldsa44-ed25519"]
)
def test_openssh_signatures_of_other_kinds_are_refused(shared_dir: Path, name: str) -> None:
    data = shared_dir / "vectors/openssh-sshsig"
    key = parse_public_line((data / "ed25519.pub").read_text())

    with pytest.raises(BadSshSignature):
        sshsig.verify(
            (data / f"{name}.sig").read_text(), (data / "signed-data").read_bytes(), "unittest", key
        )


def security_key_signature(*, flags: bytes) -> tuple[PublicLine, bytes]:
    key = PublicLine(Kind.SK_ED25519, KEY.point, b"ssh:")
    message = sshsig.to_be_signed(MESSAGE, "git")
    signed = hashlib.sha256(b"ssh:").digest() + flags + bytes(4) + hashlib.sha256(message).digest()
    inner = string(key.kind.encode()) + string(ALICE.signer.sign(signed)) + flags + bytes(4)
    return key, sshsig.assemble(key.blob, inner, namespace="git")


def test_a_touched_security_key_counts() -> None:
    key, made = security_key_signature(flags=b"\x01")

    sshsig.verify(made, MESSAGE, "git", key)


def test_an_untouched_security_key_does_not() -> None:
    key, made = security_key_signature(flags=b"\x00")

    with pytest.raises(BadSshSignature):
        sshsig.verify(made, MESSAGE, "git", key)


def test_the_armor_is_read_back() -> None:
    text = sshsig.sign(MESSAGE, ALICE.signer, "git")

    assert sshsig.dearmor(text) == ALICE.signer.sshsig(MESSAGE, "git")
    assert max(len(line) for line in text.splitlines()) == 70


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "x" + text,
        lambda text: text + "x",
        lambda text: text.replace("BEGIN SSH", "BEGIN PGP"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("U1NI", "U1N!", 1),
        lambda text: text.replace("\n-----END", "=\n-----END"),
        lambda text: text + "\n" * 9000,
    ],
    ids=range(7),
)
def test_damaged_armor_is_refused(change: object) -> None:
    assert callable(change)

    with pytest.raises(BadSshSignature):
        sshsig.dearmor(change(sshsig.sign(MESSAGE, ALICE.signer, "git")))


@pytest.mark.parametrize(("namespace", "hash_name"), [("", "sha512"), ("git", "md5")])
def test_nothing_is_made_that_would_be_refused(namespace: str, hash_name: str) -> None:
    with pytest.raises(BadSshSignature):
        sshsig.to_be_signed(MESSAGE, namespace, hash_name)


def test_the_key_that_a_signature_names_can_be_asked_for() -> None:
    assert sshsig.key_blob(sshsig.sign(MESSAGE, ALICE.signer, "git")) == KEY.blob

    with pytest.raises(Untrusted):
        sshsig.key_blob(b"SSHSIG\x00\x00\x00\x02")


def test_an_envelope_key_of_scheme_sshsig_takes_only_its_own_namespace() -> None:
    key = PublicKey.of(KEY, "alice", Scheme.SSHSIG)

    assert key.accepts(MESSAGE, ALICE.signer.sshsig(MESSAGE, sshsig.DSSE_NAMESPACE))
    assert not key.accepts(MESSAGE, ALICE.signer.sshsig(MESSAGE, "git"))
    assert not key.accepts(MESSAGE, ALICE.signer.sign(MESSAGE))


def test_armor_with_spare_bits_is_refused() -> None:
    text = sshsig.armor(b"x" * 10)

    assert sshsig.dearmor(text) == b"x" * 10
    with pytest.raises(BadSshSignature):
        sshsig.dearmor(text.replace("A==", "B=="))


def test_the_largest_signature_is_accepted_and_the_next_refused() -> None:
    room = sshsig.SIZE_MAX_BYTES - len(blob(namespace=b""))
    longest, over = "n" * room, "n" * (room + 1)

    sshsig.verify(blob(namespace=longest.encode()), MESSAGE, longest, KEY)
    with pytest.raises(BadSshSignature) as refusal:
        sshsig.verify(blob(namespace=over.encode()), MESSAGE, over, KEY)

    assert refusal.value.reason == "4097 bytes is more than the 4096 we read"


def armor_of(characters: int) -> tuple[bytes, str]:
    """Return a signature and an armor of it that is as long as asked: lines may be of any width."""
    begin, *_, end = sshsig.armor(b"x").splitlines()
    room = characters - len(begin) - len(end) - 2
    quads = (room - room // 60) // 4
    body = base64.b64encode(b"x" * (3 * quads)).decode()
    count = room - len(body)
    width, wider = divmod(len(body), count)
    lines, at = [], 0
    for number in range(count):
        lines.append(body[at : at + width + (number < wider)])
        at += len(lines[-1])
    return b"x" * (3 * quads), "\n".join([begin, *lines, end, ""])


def test_the_longest_armor_is_read_and_the_next_refused() -> None:
    inside, longest = armor_of(2 * sshsig.SIZE_MAX_BYTES)
    _, over = armor_of(2 * sshsig.SIZE_MAX_BYTES + 1)

    assert len(longest) == 8192
    assert sshsig.dearmor(longest) == inside
    with pytest.raises(BadSshSignature) as refusal:
        sshsig.dearmor(over)
    assert refusal.value.reason == "8193 characters is too long"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"namespace": "n" * 65}, f"namespace '{'n' * 64}' is not 'git'"),
        ({"namespace": "é"}, "namespace 'é' is not 'git'"),
        ({"namespace": "git", "hash_name": "h" * 65}, f"hash '{'h' * 64}' is not sha256 or sha512"),
    ],
)
def test_a_refusal_shows_no_more_than_64_letters_of_what_was_said(
    said: dict[str, str], reason: str
) -> None:
    with pytest.raises(BadSshSignature) as refusal:
        sshsig.verify(sshsig.assemble(KEY.blob, b"", **said), MESSAGE, "git", KEY)

    assert refusal.value.reason == reason


@pytest.mark.parametrize("number", [0, 1, 1 << 31, (1 << 32) - 1])
def test_every_number_of_32_bits_is_written_and_read(number: int) -> None:
    written = uint32(number)

    assert written == number.to_bytes(4, "big")
    assert Reader(written, "a number").uint32() == number
