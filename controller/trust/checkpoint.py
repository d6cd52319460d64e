"""C2SP checkpoints: how long a list was and what it held, in three lines that somebody signed.

    countersign/0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11/controller-a
    12
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

The first line is the origin, which list this is about; it is also the name of the list's keys. The
other two are the number of leaves and the root over them. Extension lines, which C2SP allows, say
things that nobody can check against the list: they are refused.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Self

from controller.kernel.errors import Untrusted
from controller.trust.transparency import HASH_BYTES, SIZE_MAX

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class MalformedCheckpoint(Untrusted):
    """A note's text is not a checkpoint as we read it."""

    code = "trust.malformed_checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a list held when it was `size` leaves long."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the text of the note."""
        return f"{self.origin}\n{self.size}\n{self.root_text}\n"

    @property
    def root_text(self) -> str:
        """Return the root as the text holds it."""
        return base64.b64encode(self.root).decode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a verified note; only its one form is accepted."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise MalformedCheckpoint("a checkpoint is three lines: origin, size and root")
        if not _SIZE.fullmatch(lines[1]) or int(lines[1]) > SIZE_MAX:
            raise MalformedCheckpoint(f"{lines[1][:80]!r} is not a number of records")
        try:
            root = base64.b64decode(lines[2].encode("ascii"), validate=True)
        except (UnicodeEncodeError, binascii.Error):
            raise MalformedCheckpoint("the root is not base64") from None
        read = cls(lines[0], int(lines[1]), root)
        if len(root) != HASH_BYTES or read.text() != text:
            raise MalformedCheckpoint(f"the root is not base64 of {HASH_BYTES} bytes")
        return read
