"""Judges of cells: each can look at one value, and at very many in a few passes in C.

Where the bulk form says yes, the single form says yes of every value; `tests/laws` hold the two
together. Cells hold no line feed, so many of them can be judged as one text.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from controller.policy.checks import LETTERS, check
from controller.policy.patterns import alphabet, compile_pattern, shortest

One = Callable[[str], bool]
Every = Callable[[Sequence[str]], bool]

# A body made of these matches no line feed: no negated class, no escape but of punctuation.
_WITHIN_LINE = re.compile(r"(?:[ -\[\]-~]|\\[!-/:-@\[-`{-~])*", re.ASCII)
# What may stand anywhere in a value is looked for in all of them at once; `.*?` is one word.
_ANYWHERE = re.compile(r"\.\*(?!\?)(.*[^\\])\.\*")

_RUN_MAX = 64  # a longer run says no more


@dataclass(frozen=True, slots=True)
class Judge:
    """Says whether a value is right: `one` of one, `every` of all in a sequence.

    `every` may say no where a value holds a line feed, which no cell does.
    """

    one: One
    every: Every


def each(one: One) -> Judge:
    """Return a judge that has no better way than one by one."""
    return Judge(one, lambda values: all(map(one, values)))


def matching(pattern: str) -> Judge:
    """Return a judge of a pattern of the profile (`patterns.py`)."""
    match = compile_pattern(pattern).match
    # Each line is one try of the pattern, given up for good: linear, however the last one ends.
    every = _lines(pattern[1:-1], lambda body: _whole(rf"(?>{body}\n)*+"))
    every = every or (lambda values: all(map(match, values)))
    return Judge(lambda value: match(value) is not None, every)


def never_matching(pattern: str) -> Judge:
    """Return a judge that refuses what a pattern matches."""
    match = compile_pattern(pattern).match
    anywhere = _ANYWHERE.fullmatch(pattern[1:-1])
    if anywhere is not None:
        every = _nowhere(anywhere[1])
    else:
        every = _lines(pattern[1:-1], lambda body: _whole(rf"(?:(?!{body}\n)[^\n]*+\n)*+"))
    every = every or (lambda values: not any(map(match, values)))
    return Judge(lambda value: match(value) is None, every)


def _whole(form: str) -> Callable[[str], bool]:
    fullmatch = re.compile(form).fullmatch
    return lambda lines: fullmatch(lines) is not None


def _nowhere(body: str) -> Every | None:
    """Judge that nothing matches in any value."""
    return _lines(body, lambda _body: _missing(re.compile(body)))


def _missing(body: re.Pattern[str]) -> Callable[[str], bool]:
    """Search only where enough characters in a row could be a match."""
    least = min(shortest(body.pattern), _RUN_MAX)
    inside = alphabet(body.pattern).encode()
    marks = bytes(1 if one in inside or one >= 128 else 0 for one in range(256))
    run = bytes([1]) * least
    return lambda lines: (
        run not in lines.encode(errors="replace").translate(marks) or body.search(lines) is None
    )


def _lines(body: str, make: Callable[[str], Callable[[str], bool]]) -> Every | None:
    """Judge values as the lines of one text, which is safe where a pattern stays in its line."""
    if "[^" in body or _WITHIN_LINE.fullmatch(body) is None:
        return None
    judge = make(body)

    def every(values: Sequence[str]) -> bool:
        text = "\n".join(values)
        if text.count("\n") != len(values) - 1:
            return not values
        return judge(text + "\n")

    return every


def one_of(allowed: Collection[str], start: int | None = None, end: int | None = None) -> Judge:
    """Return a judge of a list of texts; of values' slices where a slice is given."""
    known = frozenset(allowed)
    if start is None and end is None:
        return Judge(known.__contains__, known.issuperset)
    return Judge(
        lambda value: value[start:end] in known,
        lambda values: known.issuperset([value[start:end] for value in values]),
    )


def as_long_as(shortest: int, longest: int | None) -> Judge:
    """Return a judge of lengths in characters."""
    most = longest if longest is not None else 1 << 62

    def every(values: Sequence[str]) -> bool:
        sizes = set(map(len, values))
        return not sizes or (min(sizes) >= shortest and max(sizes) <= most)

    return Judge(lambda value: shortest <= len(value) <= most, every)


def all_of(judges: Sequence[Judge]) -> Judge:
    """Return a judge that asks several."""
    if len(judges) == 1:
        return judges[0]
    return Judge(
        lambda value: all(judge.one(value) for judge in judges),
        lambda values: all(judge.every(values) for judge in judges),
    )


def named(name: str) -> Judge:
    """Return the judge of a named check (`checks.py`)."""
    one = check(name)
    return Judge(one, _every_lei) if name == "lei" else each(one)


_LEI = matching("^[A-Z0-9]{18}[0-9]{2}$")


def _every_lei(values: Sequence[str]) -> bool:
    """Expand the letters of all values in 26 passes, not each value's by itself."""
    if not values or not _LEI.every(values):
        return not values
    text = "\n".join(values)
    for letter, digits in LETTERS.items():
        text = text.replace(letter, digits)
    return {number % 97 for number in map(int, text.split("\n"))} == {1}
