"""Signing: in the declared scheme, once a key, verified before anybody sees it."""

from dataclasses import dataclass

import pytest

from controller.trust.envelope import IN_TOTO, PAYLOAD_MAX_BYTES
from controller.trust.keys import PublicLine, Scheme
from controller.trust.sign import (
    CannotSign,
    SeedSigner,
    add_signature,
    sign_commit,
    sign_envelope,
    usual_scheme,
)
from controller.trust.sshsig import BadSshSignature
from tests.support.trust import ALICE, BOB, sealed


@dataclass(frozen=True)
class Liar:
    """Claims Alice's key and signs with Bob's."""

    raw: bool = True

    @property
    def public(self) -> PublicLine:
        return ALICE.signer.public

    def sign(self, message: bytes) -> bytes:
        return BOB.signer.sign(message)

    def sshsig(self, message: bytes, namespace: str) -> bytes:
        return BOB.signer.sshsig(message, namespace)


def test_a_second_signature_is_added() -> None:
    alone = sealed(b"{}", by=[ALICE])

    assert add_signature(alone, BOB.signer, Scheme.ED25519) == sealed(b"{}", by=[ALICE, BOB])


def test_signing_again_replaces_the_earlier_signature() -> None:
    alone = sealed(b"{}", by=[ALICE])

    assert add_signature(alone, ALICE.signer, Scheme.ED25519) == alone
    assert len(add_signature(alone, ALICE.signer, Scheme.SSHSIG).signatures) == 1


@pytest.mark.parametrize("scheme", list(Scheme))
def test_a_signer_that_returns_another_signature_is_caught(scheme: Scheme) -> None:
    with pytest.raises(CannotSign):
        sign_envelope(IN_TOTO, b"{}", [(Liar(), scheme)])
    with pytest.raises(BadSshSignature):
        sign_commit(b"tree x\n\n", Liar())

    assert sign_envelope(IN_TOTO, b"{}", [(ALICE.signer, scheme)])


def test_a_signer_of_ssh_signatures_cannot_sign_plainly() -> None:
    token = Liar(raw=False)

    assert (usual_scheme(token), usual_scheme(ALICE.signer)) == (Scheme.SSHSIG, Scheme.ED25519)
    with pytest.raises(CannotSign) as refusal:
        sign_envelope(IN_TOTO, b"{}", [(token, Scheme.ED25519)])
    assert "ssh-agent" in refusal.value.hint


def test_a_payload_beyond_the_limit_is_not_signed() -> None:
    largest = sign_envelope(IN_TOTO, b"x" * PAYLOAD_MAX_BYTES, [(ALICE.signer, Scheme.ED25519)])

    assert len(largest.signatures) == 1
    with pytest.raises(CannotSign):
        sign_envelope(IN_TOTO, b"x" * (PAYLOAD_MAX_BYTES + 1), [(ALICE.signer, Scheme.ED25519)])


def test_a_seed_is_never_printed() -> None:
    assert "seed" not in repr(SeedSigner.of(b"x" * 32))
