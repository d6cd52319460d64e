"""One thing that is said to people outside, the same whoever carries it: what, of what, and why.

Texts come from commits and from errors, so from strangers too: they are made plain and short here,
once, for every way there is to say them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from controller.kernel.canonical import Json
from controller.kernel.events import Severity
from controller.kernel.instants import format_instant, parse_instant
from controller.kernel.objects import Oid

TEXT_MAX = 1_000
_UNPRINTED = "�"


class NoticeKind(StrEnum):
    """What a notice says of its subject."""

    FAILURE = "failure"
    RECOVERY = "recovery"
    SUCCESS = "success"
    PENDING = "pending"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said. `subject` with `environment` is what a recovery takes back.

    `reason` is an error's code or a word of ours; `since` is when what it speaks of began.
    """

    kind: NoticeKind
    environment: str
    subject: str
    reason: str
    severity: Severity
    at: datetime
    message: str
    hint: str = ""
    commit: Oid | None = None
    revision: int | None = None
    since: datetime | None = None
    repeated: bool = False

    @property
    def title(self) -> str:
        """What it says in words of ours alone: no text of anybody else is in it."""
        again = " (still)" if self.repeated else ""
        match self.kind:
            case NoticeKind.FAILURE:
                return f"{self.environment}: {self.subject}{again}, {self.reason}"
            case NoticeKind.RECOVERY:
                return f"{self.environment}: {self.subject} is over, it was {self.reason}"
            case NoticeKind.SUCCESS:
                return f"{self.environment}: applied"
            case NoticeKind.PENDING:
                return f"{self.environment}: pending, {self.reason}"
            case NoticeKind.TEST:
                return f"{self.environment}: a test, nothing happened"

    def to_json(self) -> dict[str, Json]:
        """Return it as it is kept, and as a webhook carries it."""
        return {
            "kind": self.kind.value,
            "environment": self.environment,
            "subject": self.subject,
            "reason": self.reason,
            "severity": self.severity.value,
            "at": format_instant(self.at),
            "message": plain(self.message),
            "hint": plain(self.hint),
            "commit": self.commit.hex() if self.commit is not None else None,
            "revision": self.revision,
            "since": format_instant(self.since) if self.since is not None else None,
            "repeated": self.repeated,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Self:
        """Read what `to_json` wrote; raise `KeyError`, `TypeError`, `ValueError` or `Refused`."""
        commit, revision, since = value["commit"], value["revision"], value["since"]
        return cls(
            kind=NoticeKind(_text(value["kind"])),
            environment=_text(value["environment"]),
            subject=_text(value["subject"]),
            reason=_text(value["reason"]),
            severity=Severity(_text(value["severity"])),
            at=parse_instant(_text(value["at"])),
            message=_text(value["message"]),
            hint=_text(value["hint"]),
            commit=Oid(bytes.fromhex(_text(commit))) if commit is not None else None,
            revision=_number(revision) if revision is not None else None,
            since=parse_instant(_text(since)) if since is not None else None,
            repeated=value["repeated"] is True,
        )


def plain(text: str, limit: int = TEXT_MAX) -> str:
    """Return a text without control characters, marks of direction and halves of characters.

    A line's end stays one; what is longer than `limit` characters is cut.
    """
    clean = "".join(one if one.isprintable() or one == "\n" else _UNPRINTED for one in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is expected")
    return value


def _number(value: Json) -> int:
    if not isinstance(value, int):
        raise TypeError("a number is expected")
    return value
