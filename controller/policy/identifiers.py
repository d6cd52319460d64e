"""Identifier schemes: one canonical text for each identifier, so that equal means the same.

The schemes are data (`policies/_codes/schemes.json`); this module only knows the closed list of
steps a canonical form may be made of.
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from controller.kernel.errors import Refused
from controller.policy.checks import Check, check
from controller.policy.patterns import compile_pattern

_BIC_PARTY = 8

_STEPS: Mapping[str, Callable[[str], str]] = {
    "trim": str.strip,
    "nfc": lambda value: unicodedata.normalize("NFC", value),
    "upper": str.upper,
    "lower": str.lower,
    "no-separators": lambda value: value.replace(" ", "").replace("-", "").replace(".", ""),
    "no-plus": lambda value: value.removeprefix("+"),
    # A BIC of 8 characters and the same with branch XXX are one identifier.
    "bic-party": lambda value: value[:_BIC_PARTY] if value[_BIC_PARTY:] == "XXX" else value,
}


class UnknownStep(Refused):
    """A scheme's canonical form names a step that does not exist."""

    code = "policy.unknown_step"


@dataclass(frozen=True, slots=True)
class Scheme:
    """One identifier scheme: its canonical form, its pattern and, where it has one, its check."""

    id: str
    title: str
    steps: tuple[str, ...]
    pattern: str
    check_name: str
    length_max: int
    matches: Check
    passes: Check

    def canonical(self, value: str) -> str:
        """Return the one text that stands for this identifier."""
        for step in self.steps:
            value = _STEPS[step](value)
        return value


def read_scheme(entry: Mapping[str, object]) -> Scheme:
    """Make a scheme of its JSON entry (already judged by its schema), or refuse it."""
    steps = entry.get("canonical", [])
    assert isinstance(steps, list)
    for step in steps:
        if step not in _STEPS:
            raise UnknownStep(f"scheme {entry['id']}: no step {step!r}", hint=", ".join(_STEPS))
    pattern, name, length_max = str(entry["pattern"]), entry.get("check"), entry["max_length"]
    assert isinstance(length_max, int)
    match = compile_pattern(pattern).match
    return Scheme(
        id=str(entry["id"]),
        title=str(entry["title"]),
        steps=tuple(steps),
        pattern=pattern,
        check_name=str(name or ""),
        length_max=length_max,
        matches=lambda value: len(value) <= length_max and match(value) is not None,
        passes=check(str(name)) if name else lambda _value: True,
    )


def canonical(schemes: Mapping[str, Scheme], scheme: str, value: str) -> str:
    """Return the canonical value; a scheme nobody registered keeps its value as written."""
    known = schemes.get(scheme)
    return known.canonical(value) if known else value
