"""Signers whose private key is elsewhere: in an ssh-agent, or behind `ssh-keygen -Y sign`.

The protocols below are what the outside has to offer; sockets and processes live with adapters.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from controller.kernel.errors import Refused
from controller.trust import sshsig
from controller.trust.keys import (
    SIGNATURE_BYTES,
    BadPublicKey,
    Kind,
    PublicLine,
    UnsupportedKey,
    parse_public_blob,
)
from controller.trust.sign import CannotSign
from controller.trust.sshwire import Reader, string, uint32

_REQUEST_IDENTITIES, _IDENTITIES_ANSWER = 11, 12
_SIGN_REQUEST, _SIGN_RESPONSE = 13, 14
_IDENTITIES_MAX = 1024


class AgentRefused(Refused):
    """The agent answered, and its answer is no, or makes no sense."""

    code = "trust.agent_refused"


class Agent(Protocol):
    """A connection to an ssh-agent."""

    def exchange(self, request: bytes) -> bytes:
        """Send one message and return the answer, both without their length."""
        ...


class Keygen(Protocol):
    """A way to run `ssh-keygen -Y sign` with one key."""

    def sign(self, message: bytes, namespace: str) -> str:
        """Return the armored signature."""
        ...


def agent_keys(agent: Agent) -> Iterator[tuple[PublicLine, str]]:
    """Yield the Ed25519 keys that an agent holds, with their comments; skip other types."""
    answer = Reader(agent.exchange(bytes([_REQUEST_IDENTITIES])), "the agent's answer")
    if answer.take(1)[0] != _IDENTITIES_ANSWER:
        raise AgentRefused("the agent does not list its keys")
    count = answer.uint32()
    if count > _IDENTITIES_MAX:
        raise AgentRefused(f"the agent claims to hold {count} keys")
    for _ in range(count):
        blob, comment = answer.string(), answer.string()
        try:
            yield parse_public_blob(blob), comment.decode(errors="replace")
        except (UnsupportedKey, BadPublicKey):
            continue


@dataclass(frozen=True, slots=True)
class AgentSigner:
    """A key in an ssh-agent; security keys there can make an SSHSIG only."""

    public: PublicLine
    agent: Agent

    @property
    def raw(self) -> bool:
        """Whether the key signs plainly."""
        return self.public.kind is Kind.ED25519

    def sign(self, message: bytes) -> bytes:
        """Return the plain 64-byte Ed25519 signature over `message`."""
        if not self.raw:
            raise CannotSign(f"security key {self.public.id} makes SSH signatures only")
        blob = Reader(self._ask(message), "the agent's signature")
        kind, signature = blob.string(), blob.string()
        blob.finish()
        if kind != Kind.ED25519.encode() or len(signature) != SIGNATURE_BYTES:
            raise AgentRefused("the agent's signature is not Ed25519")
        return signature

    def sshsig(self, message: bytes, namespace: str) -> bytes:
        """Return an SSHSIG blob over `message`."""
        inner = self._ask(sshsig.to_be_signed(message, namespace))
        return sshsig.assemble(self.public.blob, inner, namespace=namespace)

    def _ask(self, message: bytes) -> bytes:
        flags = uint32(0)
        request = bytes([_SIGN_REQUEST]) + string(self.public.blob) + string(message) + flags
        answer = Reader(self.agent.exchange(request), "the agent's answer")
        if answer.take(1)[0] != _SIGN_RESPONSE:
            raise AgentRefused(
                f"the agent did not sign with {self.public.id}",
                hint="is the key loaded (`ssh-add -l`), and was the request confirmed?",
            )
        signature = answer.string()
        answer.finish()
        return signature


@dataclass(frozen=True, slots=True)
class SshKeygenSigner:
    """A key that only `ssh-keygen -Y sign` can reach: file, agent or security key."""

    public: PublicLine
    keygen: Keygen

    @property
    def raw(self) -> bool:
        """Return that it makes SSH signatures only."""
        return False

    def sign(self, message: bytes) -> bytes:
        """Refuse: `ssh-keygen` never signs bytes plainly."""
        del message
        raise CannotSign(f"ssh-keygen makes SSH signatures only (key {self.public.id})")

    def sshsig(self, message: bytes, namespace: str) -> bytes:
        """Return an SSHSIG blob over `message`."""
        return sshsig.dearmor(self.keygen.sign(message, namespace))
