"""Findings of rules and their words: a value is quoted short, never with a whole card number."""

import re

from controller.kernel.findings import Finding
from controller.policy.rail import Rule

_LONG_NUMBER = re.compile(r"[0-9](?:[ .-]*[0-9]){11,}")
_LOGIN = re.compile(r"://[^/?#]*@")
_SHOWN_MAX = 60


def masked(text: str) -> str:
    """Hide the middle of every number of 12 or more digits, spaced or not."""
    return _LONG_NUMBER.sub(lambda match: f"{match[0][:6]}…{match[0][-2:]}", text)


def quoted(value: str) -> str:
    """Return a value as findings show it: masked first, then cut, then escaped.

    A URL's user and password are left out.
    """
    shown = masked(_LOGIN.sub("://…@", value))
    return repr(shown if len(shown) <= _SHOWN_MAX else shown[: _SHOWN_MAX - 1] + "…")


def finding(rule: Rule, path: str, line: int, column: str, about: str = "") -> Finding:
    """Return what `rule` says about one place."""
    message = f"{rule.message}: {about}" if about else rule.message
    return Finding(rule.id, rule.severity, path, message, line, column, rule.hint)
