"""Where a signer comes from: a key file, an ssh-agent, or `ssh-keygen`.

Joins what adapters can reach with what trust can sign.
"""

import os
from pathlib import Path

from controller.adapters import keyfiles
from controller.adapters.sshagent import SshAgent
from controller.adapters.sshkeygen import SshKeygen
from controller.kernel.errors import Refused
from controller.trust.keys import PublicLine, parse_public_line
from controller.trust.privatekey import parse_private_key, render_private_key
from controller.trust.sign import SeedSigner
from controller.trust.signers import AgentSigner, SshKeygenSigner, agent_keys


class KeyNotInAgent(Refused):
    """The agent does not hold the key that was asked for, or holds several."""

    code = "signers.key_not_in_agent"


def load_signer(path: Path) -> SeedSigner:
    """Return the signer of an unencrypted OpenSSH Ed25519 key file, or of a 32-byte seed file."""
    return SeedSigner.of(parse_private_key(keyfiles.read_secret(path)))


def load_public(path: Path) -> PublicLine:
    """Return the public key in a `.pub` file."""
    return parse_public_line(keyfiles.read_public(path))


def new_key(path: Path, comment: str = "") -> SeedSigner:
    """Make a key, write `path` (0600) and `<path>.pub`, and return its signer."""
    return write_key(path, os.urandom(32), comment)


def write_key(path: Path, seed: bytes, comment: str = "") -> SeedSigner:
    """Write the OpenSSH files of a 32-byte seed, which `ssh-keygen` can read."""
    signer = SeedSigner.of(seed)
    check = int.from_bytes(os.urandom(4), "big")
    text = f"{signer.public.line} {comment}".rstrip() + "\n"
    keyfiles.write_pair(path, secret=render_private_key(seed, comment, check), public=text)
    return signer


def agent_signer(socket: Path, wanted: str = "") -> AgentSigner:
    """Return a signer for the agent's key with this fingerprint, comment or public line.

    With nothing wanted, the agent must hold exactly one Ed25519 key.
    """
    agent = SshAgent(socket)
    held = list(agent_keys(agent))
    line = " ".join(wanted.split()[:2])
    found = [
        public
        for public, comment in held
        if not wanted or wanted in (public.id, comment) or line == public.line
    ]
    if len(found) != 1:
        listed = ", ".join(f"{public.id} ({comment})" for public, comment in held) or "none"
        raise KeyNotInAgent(
            f"the agent holds {len(found)} keys matching {wanted!r}"
            if wanted
            else f"the agent holds {len(found)} Ed25519 keys, name one",
            hint=f"it holds: {listed}",
        )
    return AgentSigner(found[0], agent)


def keygen_signer(key_file: Path, agent_socket: Path | None = None) -> SshKeygenSigner:
    """Return a signer that runs `ssh-keygen -Y sign` with a private or a public key file.

    The public half is read from the `.pub` file beside it (or from the file itself).
    """
    public_file = key_file if key_file.suffix == ".pub" else Path(f"{key_file}.pub")
    return SshKeygenSigner(load_public(public_file), SshKeygen(key_file, agent_socket))
