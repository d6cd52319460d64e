"""Takes out of a text what must not stand in a log: one place for every sink.

Known secrets go wherever they stand; of others the shape is known: credentials in addresses and
headers, tokens, private keys, and digits that could be a card number. It rather takes too much: a
number of twelve digits or more is gone, whatever it counted.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

GONE: Final = "[redacted]"
SECRET_MIN_CHARACTERS: Final = 6
"""A known secret that is shorter would take common words out of every line."""

TEXT_MAX_CHARACTERS: Final = 8_000
_READ_MAX_BYTES: Final = 64 * 1024
_DIGITS: Final = 10**11  # twelve digits and more
_DEPTH_MAX: Final = 8

_NAMES: Final = (
    r"pass(?:word|wd|phrase)?|pwd|secret|client[_-]?secret|token|access[_-]?token|api[_-]?key"
    r"|access[_-]?key|routing[_-]?key|private[_-]?key|authorization|proxy-authorization|cookie"
    r"|x-gitlab-token|signature|sig"
)
_SHAPES: Final[Sequence[tuple[re.Pattern[str], str]]] = (
    # A key that was cut off has no end, and the rest of the text is of it.
    (re.compile(r"(?s)-----BEGIN [^-\n]{1,60}-----.*?(?:-----END [^-\n]{1,60}-----|\Z)"), GONE),
    (re.compile(r"(?i)\b(bearer|basic|digest|negotiate)\s+[\w.~+/=-]{6,}"), rf"\1 {GONE}"),
    (re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,30}://)[^\s\"'<>]*@"), rf"\1{GONE}@"),
    (re.compile(r"(?i)(hooks\.slack(?:-gov)?\.com/)[^\s\"'<>]+"), rf"\1{GONE}"),
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){1,4}"), GONE),
    (re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[a-z]-|xapp-|sk_live_)[\w-]{6,}"), GONE),
    (
        re.compile(rf"(?i)(?<![a-z0-9])({_NAMES})([\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&]+)"),
        rf"\1\2{GONE}",
    ),
)
_SECRET_NAME: Final = re.compile(_NAMES, re.IGNORECASE)
_HEXADECIMAL: Final = r"(?<![0-9A-Za-z])(?:[0-9a-f]{64}|[0-9a-f]{40})(?![0-9A-Za-z])"
_CARD: Final = r"\d{4}(?:[\s._/-]\d{4}){2,}[\s._/-]?\d*|\d(?:[ \u00a0-]?\d){11,}"
_NUMBERS: Final = re.compile(rf"(?P<digest>{_HEXADECIMAL})|{_CARD}")


class Redactor:
    """Takes secrets out of texts and of values that hold texts. `known` is asked at each use."""

    def __init__(self, known: Callable[[], Iterable[str]] = tuple) -> None:
        self._known = known
        self._spelt: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    def text(self, text: str) -> str:
        """Return a text without what must not be told, cut where it is very long."""
        for secret in self._spellings():
            text = text.replace(secret, GONE)
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        text = _NUMBERS.sub(_number, text)
        if len(text) > TEXT_MAX_CHARACTERS:
            return f"{text[:TEXT_MAX_CHARACTERS]}… ({len(text)} characters)"
        return text

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return a value of texts, numbers, lists and objects, each of its texts as `text` does."""
        if value is None or (isinstance(value, int) and abs(value) < _DIGITS):
            return value
        if depth >= _DEPTH_MAX:
            return "…"
        if isinstance(value, Mapping):
            return {
                self.text(str(key)): self.member(str(key), one, depth) for key, one in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(one, depth + 1) for one in value]
        if isinstance(value, bytes | bytearray):
            return self.text(bytes(value).decode("utf-8", "backslashreplace"))
        return self.text(str(value))

    def member(self, name: str, value: Any, depth: int = 0) -> Any:
        """Return what stands under a name; nothing of it where the name is that of a secret."""
        return GONE if _SECRET_NAME.fullmatch(name) else self.value(value, depth + 1)

    def _spellings(self) -> tuple[str, ...]:
        """Return the known secrets as they stand in texts and in addresses, the longest first."""
        known = tuple(self._known())
        if known != self._spelt[0]:
            long = {one for one in known if len(one) >= SECRET_MIN_CHARACTERS}
            spelt = long | {quote(one, safe="") for one in long} | {repr(one)[1:-1] for one in long}
            self._spelt = known, tuple(sorted(spelt, key=len, reverse=True))
        return self._spelt[1]


class SecretFiles:
    """The lines of files that hold secrets, read again when one of them has changed."""

    def __init__(self, files: Iterable[Path], others: Iterable[str] = ()) -> None:
        self._files, self._others = tuple(files), tuple(others)
        self._seen: tuple[object, ...] = ()
        self._lines: tuple[str, ...] = self._others

    def __call__(self) -> tuple[str, ...]:
        """Return every secret that is known; a file that cannot be read holds none."""
        seen = tuple(_state(file) for file in self._files)
        if seen != self._seen:
            lines = [line for file in self._files for line in _lines(file)]
            self._seen, self._lines = seen, (*self._others, *dict.fromkeys(lines))
        return self._lines


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        facts = file.stat()
    except OSError:
        return None  # gone, or not for us: whoever needs it says so
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _lines(file: Path) -> list[str]:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            data = opened.read(_READ_MAX_BYTES)
    except OSError:
        return []
    lines = (line.strip() for line in data.decode("utf-8", "replace").splitlines())
    return [line for line in lines if line and not line.startswith("-----")]


def _number(found: re.Match[str]) -> str:
    digest = found["digest"]
    return digest if digest is not None and not digest.isdigit() else GONE
