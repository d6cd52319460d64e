"""Words of findings: a value is quoted short, and never with a whole card number in it."""

import re

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
