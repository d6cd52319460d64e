"""Our own bytes, frozen: what was signed once must verify for ever."""

import json
from pathlib import Path
from typing import Any

import pytest

from controller.kernel.canonical import Digest
from controller.trust import note
from controller.trust.checkpoint import Checkpoint
from controller.trust.core import Role
from controller.trust.envelope import IN_TOTO, pae, parse
from controller.trust.keys import PublicKey, Scheme, parse_public_line
from controller.trust.root import extend, pin
from controller.trust.sign import SeedSigner, sign_commit, sign_envelope
from controller.trust.transparency import leaf_hash, tree_root
from controller.trust.verify import verify
from tests.support.trust import NOW

VECTORS: Any = json.loads((Path(__file__).parents[1] / "vectors/trust.json").read_bytes())
SIGNER = SeedSigner.of(bytes.fromhex(VECTORS["seed"]))


def test_the_key_and_its_fingerprint_stay_the_same() -> None:
    assert SIGNER.public.line == VECTORS["public"]
    assert parse_public_line(VECTORS["public"]).id == VECTORS["fingerprint"]


def test_what_signers_sign_stays_the_same() -> None:
    assert pae(IN_TOTO, VECTORS["payload"].encode()).decode() == VECTORS["pae"]


@pytest.mark.parametrize("scheme", list(Scheme))
def test_an_envelope_stays_the_same(scheme: Scheme) -> None:
    frozen = VECTORS["envelope"][scheme].encode()

    made = sign_envelope(IN_TOTO, VECTORS["payload"].encode(), [(SIGNER, scheme)])

    assert made.to_bytes() == frozen
    role = Role("any", (PublicKey.of(SIGNER.public, "alice", scheme),), 1)
    assert verify([parse(frozen)], role, payload_type=IN_TOTO, now=NOW).owners == {"alice"}


def test_a_commit_signature_stays_the_same() -> None:
    assert sign_commit(VECTORS["commit"].encode(), SIGNER) == VECTORS["commit_signature"]


def test_a_chain_of_roots_stays_trusted() -> None:
    first, second = (text.encode() for text in VECTORS["roots"])

    trusted = extend(pin(first, Digest(VECTORS["pin"])), [second], NOW)

    assert trusted.root.version == 2
    assert trusted.root.digest == VECTORS["second_digest"]


def test_a_checkpoint_stays_the_same() -> None:
    origin = "countersign/0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11/one"
    root = tree_root([leaf_hash(b"record %d" % number) for number in range(7)])
    signature = (
        "+B2AFIuZUSnMSEbc3AU1If9WJNBOVBMJzLwI4iwew8DPa80JDObYFskPxq5/LJLU3mnDLcofL9LWbQ6mP3mPY1EC"
        "hgA="
    )
    frozen = f"""\
{origin}
7
ZlCXn2yHiq2F84Dsicnip68Q0qZKqWqJGKp/UHsg+Y4=

— {origin} {signature}
"""
    log = SeedSigner.of(b"log".ljust(32, b"."))

    assert note.sign(Checkpoint(origin, 7, root).text(), origin, log) == frozen.encode()
    verified = note.verify(frozen.encode(), [note.VerifierKey(origin, log.public)])
    assert Checkpoint.parse(verified.text) == Checkpoint(origin, 7, root)
