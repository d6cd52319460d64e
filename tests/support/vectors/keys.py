"""Vectors of keys, of SSH signatures and of envelopes."""

import hashlib
import json
from dataclasses import replace
from typing import Any

from controller.kernel.canonical import readable, sha256
from controller.trust import sshsig
from controller.trust.envelope import IN_TOTO, ROOT
from controller.trust.keys import Kind, PublicLine, Scheme, sign_with_seed
from controller.trust.sshwire import string, uint32
from tests.support.trust import sealed
from tests.support.vectors.people import ALICE, BOB, CAROL, PEOPLE, b64, seed

APPLICATION = b"ssh:countersign"


def security_key() -> PublicLine:
    return PublicLine(Kind.SK_ED25519, CAROL.signer.public.point, APPLICATION)


def touched(message: bytes, namespace: str, *, flags: int = 1) -> bytes:
    """An SSHSIG as a security key with carol's seed makes it."""
    application, counter = hashlib.sha256(APPLICATION).digest(), uint32(7)
    covered = hashlib.sha256(sshsig.to_be_signed(message, namespace)).digest()
    signature = sign_with_seed(seed("carol"), application + bytes([flags]) + counter + covered)
    inner = string(Kind.SK_ED25519.encode()) + string(signature) + bytes([flags]) + counter
    return sshsig.assemble(security_key().blob, inner, namespace=namespace)


def keys() -> dict[str, Any]:
    line = ALICE.signer.public.line
    kind, encoded = line.split(" ")

    def of_point(point: bytes, name: str = "ssh-ed25519") -> str:
        return f"{name} {b64(string(name.encode()) + string(point))}"

    order_2 = (2**255 - 20).to_bytes(32, "little")
    return {
        "good": [
            {
                "name": name,
                "seed": seed(name).hex(),
                "line": one.signer.public.line,
                "wire": one.signer.public.blob.hex(),
                "id": one.signer.public.id,
            }
            for name, one in PEOPLE.items()
        ]
        + [
            {
                "name": "carol's seed as a security key",
                "seed": seed("carol").hex(),
                "line": security_key().line,
                "wire": security_key().blob.hex(),
                "id": security_key().id,
            }
        ],
        "bad": [
            {"line": of_point(bytes([1] + [0] * 31)), "reason": "the neutral point: order 1"},
            {"line": of_point(order_2), "reason": "a point of order 2"},
            {"line": of_point(bytes(32)), "reason": "a point of order 4"},
            {"line": of_point(b"\xff" * 32), "reason": "not a canonical encoding"},
            {"line": of_point(bytes([2] + [0] * 31)), "reason": "not on the curve"},
            {"line": of_point(b"\1" * 31), "reason": "31 bytes"},
            {"line": of_point(b"\1" * 33, "ssh-rsa"), "reason": "another type of key"},
            {"line": f"sk-{kind}@openssh.com {encoded}", "reason": "line and key disagree"},
            {"line": f"{kind}  {encoded}", "reason": "two spaces"},
            {"line": f"no-pty {line}", "reason": "options before the type"},
            {"line": f"{line}\nmore", "reason": "two lines"},
            {"line": f"{kind} {encoded[:-1]}", "reason": "base64 that is cut"},
        ],
    }


def ssh_signatures() -> dict[str, Any]:
    message = "signed bytes, é\n".encode()
    good = sshsig.sign(message, ALICE.signer, "git")
    blob = sshsig.dearmor(good)
    inner = sign_with_seed(seed("alice"), sshsig.to_be_signed(message, "git", "sha256"))
    blob_256 = sshsig.assemble(
        ALICE.signer.public.blob,
        string(b"ssh-ed25519") + string(inner),
        namespace="git",
        hash_name="sha256",
    )

    def case(name: str, armored: str, key: PublicLine = ALICE.signer.public) -> dict[str, Any]:
        return {"name": name, "armored": armored, "key": key.line}

    return {
        "message": b64(message),
        "namespace": "git",
        "good": [
            case("SHA-512, as OpenSSH writes it", good),
            case("SHA-256", sshsig.armor(blob_256)),
            case(
                "a security key that was touched",
                sshsig.armor(touched(message, "git")),
                security_key(),
            ),
        ],
        "bad": [
            case("another key is asked", good, BOB.signer.public),
            case("another namespace", sshsig.sign(message, ALICE.signer, "file")),
            case("another message", sshsig.sign(message + b"!", ALICE.signer, "git")),
            case(
                "nobody touched the key",
                sshsig.armor(touched(message, "git", flags=0)),
                security_key(),
            ),
            case("version 2", sshsig.armor(blob.replace(b"\0\0\0\1", b"\0\0\0\2", 1))),
            case("a reserved field", sshsig.armor(blob.replace(b"git\0\0\0\0", b"git\0\0\0\1x"))),
            case("another hash", sshsig.armor(blob.replace(b"sha512", b"sha384"))),
            case("a byte behind the end", sshsig.armor(blob + b"\0")),
            case("cut", sshsig.armor(blob[:-1])),
            case("another magic", sshsig.armor(b"SSHSIX" + blob[6:])),
            case("text before the armor", "x\n" + good),
            case("lines that end with CR LF", good.replace("\n", "\r\n")),
        ],
    }


def envelopes() -> dict[str, Any]:
    payload = readable({"a": "é"})
    both = sealed(payload, by=[ALICE, BOB])
    wire = json.loads(both.to_bytes())
    one = wire["signatures"][0]
    flipped = bytes([both.signatures[0].sig[0] ^ 1]) + both.signatures[0].sig[1:]

    def file(**members: Any) -> str:
        return b64(readable({**wire, **members}))

    def case(name: str, envelope: str, *signers: str) -> dict[str, Any]:
        return {"name": name, "file": envelope, "signers": sorted(signers)}

    url_safe = {
        **wire,
        "signatures": [{**one, "sig": one["sig"].replace("+", "-").replace("/", "_")}],
    }
    return {
        "keys": [
            {**PEOPLE[name].entry, "id": PEOPLE[name].id} for name in ("alice", "bob", "carol")
        ],
        "payload": b64(payload),
        "payload_sha256": sha256(payload),
        "payloadType": IN_TOTO,
        "pae": b64(both.message()),
        "good": [
            case("alice plainly and bob by SSHSIG", b64(both.to_bytes()), ALICE.id, BOB.id),
            case("alice, in URL-safe base64", b64(readable(url_safe)), ALICE.id),
            case("no hint", file(signatures=[{"sig": one["sig"]}]), ALICE.id),
            case("a hint that is wrong", file(signatures=[{**one, "keyid": CAROL.id}]), ALICE.id),
            case("a flipped bit", file(signatures=[{**one, "sig": b64(flipped)}])),
            case(
                "bob in the scheme that is not his",
                b64(sealed(payload, by=[replace(BOB, scheme=Scheme.ED25519)]).to_bytes()),
            ),
            case("another type", file(payloadType=ROOT)),
            case("another payload", file(payload=b64(payload + b" "))),
        ],
        "bad": [
            {"name": name, "file": made}
            for name, made in {
                "not JSON": b64(b"{"),
                "an unknown member": file(more=1),
                "no type": b64(readable({k: v for k, v in wire.items() if k != "payloadType"})),
                "a type with a space": file(payloadType="a b"),
                "no signatures": file(signatures=[]),
                "17 signatures": file(signatures=[one] * 17),
                "a signature of 4,097 bytes": file(signatures=[{"sig": b64(bytes(4097))}]),
                "a signature that is no text": file(signatures=[{"sig": 1}]),
                "a hint of 201 characters": file(signatures=[{**one, "keyid": "x" * 201}]),
                "a hint that is null": file(signatures=[{**one, "keyid": None}]),
                "base64 without padding": file(payload=b64(payload).rstrip("=") + "A"),
                "base64 with spare bits": file(payload="YR=="),
                "base64 of both kinds": file(payload="+_++"),
                "base64 with a line end": file(payload="YQ==\n"),
                "a key twice": b64(both.to_bytes().replace(b"{", b'{"payloadType": "x",', 1)),
                "a byte order mark": b64(b"\xef\xbb\xbf" + both.to_bytes()),
            }.items()
        ],
    }
