"""The profile of regular expressions that rails may use.

A pattern runs in three engines (our column checks, jsonschema-rs and jsonschema), so it must mean
the same in all of them and run in linear time in the one that judges strangers' data. Allowed are
whole-value patterns `^…$` of plain classes, groups, alternatives and bounded repetition.
"""

import re
from functools import lru_cache

from controller.kernel.errors import Refused

CHARACTERS_MAX = 1000
"""The longest pattern; a longer one costs each of the three engines more than it says."""
GROUPS_MAX = 32
"""How deep groups may stand in one another."""

_FORBIDDEN = (
    (re.compile(r"\(\?(?!:)"), "a group other than (…) or (?:…)"),
    (re.compile(r"\\[1-9dDwWsSbBAZpP]"), "a back-reference or a class whose meaning differs"),
    (re.compile(r"[*+?}][*+]"), "a possessive or doubled repetition"),
    (re.compile(r"&&|--|~~|\[\[|\[:"), "a set operation inside a class"),
)
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?:|[()|]|\{\d+(?:,\d*)?\}|[*+?]|.", re.DOTALL
)


# What stands for one character as plainly as can be.
_ONE_CHARACTER = re.compile(r"[A-Za-z0-9 .,:;@/_-]|\\[!-/:-@\[-`{-~]|\[.+\]")


class BadPattern(Refused):
    """A pattern is outside the profile."""

    code = "policy.bad_pattern"

    def __init__(self, pattern: str, reason: str) -> None:
        super().__init__(
            f"pattern {pattern!r}: {reason}",
            hint="write ^…$ with explicit classes such as [0-9], without look-around",
        )
        self.pattern, self.reason = pattern, reason


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the pattern for `fullmatch`-like use, or refuse what the engines read differently."""
    if len(pattern) > CHARACTERS_MAX:
        raise BadPattern(pattern[:40] + "…", f"longer than {CHARACTERS_MAX:,} characters")
    if not (pattern.startswith("^") and pattern.endswith("$") and not pattern.endswith("\\$")):
        raise BadPattern(pattern, "not anchored at both ends")
    for construct, what in _FORBIDDEN:
        if construct.search(pattern):
            raise BadPattern(pattern, what)
    _refuse_nesting(pattern)
    try:
        # "$" also matches before a final line feed in Python, and nowhere else.
        return re.compile(pattern[:-1] + r"\Z")
    except (re.error, OverflowError) as error:
        raise BadPattern(pattern, str(error)) from None


def _refuse_nesting(pattern: str) -> None:
    """Refuse a top-level alternative (it escapes the anchors) and unbounded in unbounded."""
    unbounded = [False]  # one per open group: does it hold an unbounded repetition?
    closed: bool | None = None  # what the group that ended just before held
    for part in _TOKEN.findall(pattern[1:-1]):
        if part in ("(", "(?:"):
            unbounded.append(False)
            if len(unbounded) > GROUPS_MAX:
                raise BadPattern(pattern, f"groups deeper than {GROUPS_MAX}")
            closed = None
        elif part == ")":
            if len(unbounded) == 1:
                raise BadPattern(pattern, "a group that ends before it starts")
            closed = unbounded.pop()
            unbounded[-1] = unbounded[-1] or closed
        elif part == "|" and len(unbounded) == 1:
            raise BadPattern(pattern, "an alternative outside of a group escapes the anchors")
        elif part in ("*", "+") or re.fullmatch(r"\{\d+,\}", part):
            if closed:
                raise BadPattern(pattern, "an unbounded repetition inside a repetition")
            unbounded[-1] = True
            closed = None
        else:
            if closed and part.startswith("{"):
                raise BadPattern(pattern, "an unbounded repetition inside a repetition")
            closed = None


def shortest(body: str) -> int:
    """Return a length that no match of a part of a pattern falls short of; 0 where it is unsure."""
    outer: list[tuple[list[int], int]] = []
    # Of the innermost open group: its alternatives so far, this one's length, and its last item's.
    ended: list[int] = []
    length = last = 0
    for part in _TOKEN.findall(body):
        if part in ("(", "(?:"):
            outer.append((ended, length + last))
            ended, length, last = [], 0, 0
        elif part == ")":
            last = min([*ended, length + last])
            ended, length = outer.pop()
        elif part == "|":
            ended.append(length + last)
            length = last = 0
        elif part in ("*", "?"):
            last = 0
        elif part[0] == "{" and len(part) > 1:
            last *= int(part[1:-1].partition(",")[0])
        elif _ONE_CHARACTER.fullmatch(part):
            length, last = length + last, 1
        elif part != "+":
            return 0
    return min([*ended, length + last])


def alphabet(body: str) -> str:
    """Return the ASCII characters that a match of a part of a pattern is made of, or more."""
    atoms = [part for part in _TOKEN.findall(body) if _ONE_CHARACTER.fullmatch(part)]
    matches = [re.compile(part).fullmatch for part in atoms]
    return "".join(one for one in map(chr, range(128)) if any(match(one) for match in matches))
