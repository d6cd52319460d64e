"""What the ways to say a notice share: where it goes, which secret opens it, who carries it.

Secrets and secret addresses are read from their files each time: one that was changed counts at
once, and none is kept.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from controller.adapters.keyfiles import read_secret
from controller.adapters.outbound import Route
from controller.kernel.errors import Refused
from controller.kernel.notices import Notice


class BadSecretFile(Refused):
    """A secret's file holds something else than one line."""

    code = "senders.bad_secret"

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"{file} does not hold one secret", hint="one line of printable characters, no blanks"
        )


class Sender(Protocol):
    """Carries notices to one receiver."""

    def send(self, notice: Notice, *, delivery: str, now: datetime) -> None:
        """Say it, or raise one of our errors; a `delivery` that is sent again is the same one."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a receiver is: an address, or a file that holds it where it is a secret itself."""

    route: Route
    url: str = field(default="", repr=False)
    url_file: Path | None = None

    def address(self) -> str:
        """Return the address as it is now."""
        return secret_line(self.url_file) if self.url_file is not None else self.url


def secret_line(file: Path) -> str:
    """Return the one line that a secret's file holds."""
    line = read_secret(file).decode("ascii", "replace").rstrip("\r\n")
    if not line or not line.isascii() or not line.isprintable() or " " in line:
        raise BadSecretFile(file)
    return line
