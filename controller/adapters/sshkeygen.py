"""`ssh-keygen -Y sign` as a child process: for keys that only OpenSSH itself can reach.

The key is a private key file, or a public one whose private half is in an agent or on a token.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from controller.kernel.errors import DeadlinePassed, Refused, Unavailable

TIMEOUT_SECONDS = 120.0
"""Long enough to type a PIN and touch a token."""

_ANSWER_MAX_BYTES = 64 * 1024


class SshKeygenMissing(Unavailable):
    """There is no `ssh-keygen` to run."""

    code = "sshkeygen.missing"


class SshKeygenFailed(Refused):
    """`ssh-keygen` did not sign."""

    code = "sshkeygen.failed"


class SshKeygenTimeout(DeadlinePassed):
    """`ssh-keygen` did not answer in time."""

    code = "sshkeygen.timeout"


@dataclass(frozen=True, slots=True)
class SshKeygen:
    """`ssh-keygen` with one key. `agent_socket` is handed to it, nothing else of our environment.

    `terminal` lets it talk to whoever sits there (a PIN, "touch your key"); otherwise it is quiet.
    """

    key_file: Path
    agent_socket: Path | None = None
    program: str = "ssh-keygen"
    timeout_seconds: float = TIMEOUT_SECONDS

    def sign(self, message: bytes, namespace: str) -> str:
        """Return the armored signature over `message`."""
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
        if self.agent_socket is not None:
            environment["SSH_AUTH_SOCK"] = str(self.agent_socket)
        command = [self.program, "-Y", "sign", "-q", "-n", namespace, "-f", str(self.key_file)]
        try:
            done = subprocess.run(  # noqa: S603
                command,
                input=message,
                capture_output=True,
                check=False,
                timeout=self.timeout_seconds,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            raise SshKeygenTimeout(
                f"ssh-keygen did not sign within {self.timeout_seconds:g} seconds"
            ) from None
        except OSError as error:
            raise SshKeygenMissing(
                f"cannot run {self.program}: {error.strerror}", hint="install OpenSSH 8.2 or newer"
            ) from error
        if done.returncode != 0 or len(done.stdout) > _ANSWER_MAX_BYTES:
            told = done.stderr.decode(errors="replace").strip()[-300:]
            raise SshKeygenFailed(f"ssh-keygen did not sign with {self.key_file}: {told}")
        return done.stdout.decode("ascii", errors="replace")
