"""A connection to an ssh-agent: one message out, one message back, with a deadline and a bound."""

import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from controller.kernel.errors import Unavailable

ANSWER_MAX_BYTES = 256 * 1024
TIMEOUT_SECONDS = 60.0
"""Long enough to touch a security key."""


class AgentUnavailable(Unavailable):
    """The agent cannot be reached, or stopped answering."""

    code = "sshagent.unavailable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"ssh-agent at {path}: {reason}", hint="is it running? `ssh-add -l` should list keys"
        )
        self.path = path


@dataclass(frozen=True, slots=True)
class SshAgent:
    """An agent behind a Unix socket; every exchange is a connection of its own."""

    path: Path
    timeout_seconds: float = TIMEOUT_SECONDS

    def exchange(self, request: bytes) -> bytes:
        """Send one message and return the answer, both without their length."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self.timeout_seconds)
                connection.connect(str(self.path))
                connection.sendall(struct.pack(">I", len(request)) + request)
                (size,) = struct.unpack(">I", self._receive(connection, 4))
                if not 1 <= size <= ANSWER_MAX_BYTES:
                    raise AgentUnavailable(self.path, f"an answer of {size} bytes")
                return self._receive(connection, size)
        except OSError as error:
            raise AgentUnavailable(self.path, str(error)) from error

    def _receive(self, connection: socket.socket, count: int) -> bytes:
        received = bytearray()
        while len(received) < count:
            part = connection.recv(count - len(received))
            if not part:
                raise AgentUnavailable(self.path, "it hung up")
            received += part
        return bytes(received)
