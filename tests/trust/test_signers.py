"""Signers elsewhere: an agent that lies, stalls or answers nonsense is refused."""

from dataclasses import dataclass

import pytest

from controller.kernel.errors import Refused
from controller.trust.keys import Kind, PublicLine
from controller.trust.signers import AgentRefused, AgentSigner, SshKeygenSigner, agent_keys
from controller.trust.sshwire import Reader, string, uint32
from tests.support.trust import ALICE

KEY = ALICE.signer.public


@dataclass(frozen=True)
class Scripted:
    """An agent, or an ssh-keygen, with one answer to everything."""

    answer: bytes

    def exchange(self, request: bytes) -> bytes:
        assert request
        return self.answer

    def sign(self, message: bytes, namespace: str) -> str:
        assert message
        assert namespace
        return self.answer.decode()


def listing(*blobs: bytes, count: int | None = None) -> bytes:
    held = b"".join(string(blob) + string(b"comment") for blob in blobs)
    return b"\x0c" + uint32(len(blobs) if count is None else count) + held


def signed(signature: bytes, kind: bytes = b"ssh-ed25519", tail: bytes = b"") -> bytes:
    return b"\x0e" + string(string(kind) + string(signature)) + tail


def test_keys_we_cannot_use_are_passed_over() -> None:
    small = string(b"ssh-ed25519") + string(bytes(32))
    agent = Scripted(listing(string(b"ssh-rsa") + b"x", small, KEY.blob))

    assert list(agent_keys(agent)) == [(KEY, "comment")]


def test_a_comment_that_is_no_text_is_read_as_well_as_it_can_be() -> None:
    answer = b"\x0c" + uint32(1) + string(KEY.blob) + string(b"al\xffce")

    assert list(agent_keys(Scripted(answer))) == [(KEY, "al\ufffdce")]


def test_the_longest_listing_is_read_and_the_next_refused() -> None:
    assert len(list(agent_keys(Scripted(listing(*[KEY.blob] * 1024))))) == 1024
    with pytest.raises(AgentRefused):
        list(agent_keys(Scripted(listing(*[KEY.blob] * 1025))))


@pytest.mark.parametrize("answer", [b"\x05", b"", listing(count=2), listing(count=9999)])
def test_a_listing_that_makes_no_sense_is_refused(answer: bytes) -> None:
    with pytest.raises(Refused):
        list(agent_keys(Scripted(answer)))


@pytest.mark.parametrize(
    "answer",
    [b"\x05", signed(b"x" * 63), signed(b"x" * 64, b"ssh-rsa"), signed(b"x" * 64, tail=b"x")],
)
def test_an_answer_that_is_no_signature_is_refused(answer: bytes) -> None:
    with pytest.raises(Refused):
        AgentSigner(KEY, Scripted(answer)).sign(b"m")


def test_a_signature_in_the_agents_answer_is_returned() -> None:
    assert AgentSigner(KEY, Scripted(signed(b"x" * 64))).sign(b"m") == b"x" * 64


@dataclass(frozen=True)
class Honest:
    """An agent that holds alice's key and signs what it is asked to."""

    def exchange(self, request: bytes) -> bytes:
        asked = Reader(request, "a request")
        assert asked.take(1) == b"\x0d"
        assert asked.string() == KEY.blob
        message = asked.string()
        assert asked.take(4) == uint32(0)
        asked.finish()
        return signed(ALICE.signer.sign(message))


def test_an_ssh_signature_of_an_agent_is_that_of_its_key() -> None:
    made = AgentSigner(KEY, Honest()).sshsig(b"m", "git")

    assert made == ALICE.signer.sshsig(b"m", "git")


def test_a_refusal_names_the_key() -> None:
    with pytest.raises(AgentRefused, match=KEY.id[:20]):
        AgentSigner(KEY, Scripted(b"\x05")).sshsig(b"m", "git")


def test_only_plain_keys_sign_plainly() -> None:
    token = PublicLine(Kind.SK_ED25519, KEY.point, b"ssh:")

    assert AgentSigner(KEY, Scripted(b"x")).raw
    assert not AgentSigner(token, Scripted(b"x")).raw
    assert not SshKeygenSigner(KEY, Scripted(b"x")).raw


def test_what_ssh_keygen_prints_has_to_be_a_signature() -> None:
    with pytest.raises(Refused):
        SshKeygenSigner(KEY, Scripted(b"x")).sshsig(b"m", "git")
