"""What a check has to say, as values: a finding is not an error, and all of them are reported."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn, Self


class Severity(StrEnum):
    """How much a finding weighs: an error blocks, a warning asks, info tells."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


ERRORS_MAX = 10_000
"""Where a check may end that has found so many errors: nobody reads more of them at once."""

_WEIGHT = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark of one rule about one place.

    `line` counts from 1; 0 means the file as a whole. `column` is a CSV column's name or, for
    JSON, an RFC 6901 pointer. `hint` says how to mend it. The message never repeats a whole
    number of 12 or more digits: that could be a card number.
    """

    rule: str
    severity: Severity
    file: str
    message: str
    line: int = 0
    column: str = ""
    hint: str = ""

    def __str__(self) -> str:
        """Return `file:line:column: severity rule: message`, the form editors can follow."""
        place = ":".join(part for part in (self.file, str(self.line or ""), self.column) if part)
        return f"{place}: {self.severity} {self.rule}: {self.message}"

    @property
    def order(self) -> tuple[str, int, int, str, str, str]:
        """A total order: by file and line, then the heavier first."""
        weight = _WEIGHT[self.severity]
        return (self.file, self.line, weight, self.rule, self.column, self.message)


@dataclass(frozen=True, slots=True)
class Report:
    """Every finding of one check, in order and without repetition."""

    findings: tuple[Finding, ...] = field(default=())

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Self:
        """Sort and deduplicate: one input gives one report, whatever order it was read in."""
        return cls(tuple(sorted(set(findings), key=lambda finding: finding.order)))

    @property
    def blocks(self) -> bool:
        """Whether an error is among the findings."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    def counts(self) -> dict[str, int]:
        """Return how often each rule spoke, by rule id."""
        return dict(sorted(Counter(finding.rule for finding in self.findings).items()))

    def __bool__(self) -> NoReturn:
        """Refuse: `if report` could mean "has findings" or "is good"; ask `blocks`."""
        raise TypeError("a Report has no truth value: ask .blocks or .findings")
