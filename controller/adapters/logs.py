"""The log: one line for each event, JSON for machines and text on a terminal, secrets taken out.

Whoever logs names an event of the one list, so no line has a name that the list does not know. What
libraries log comes the same way, as `library.said`; so does an exception that nobody caught, with
where it came from and without the values it had there.
"""

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

from controller.adapters.redaction import Redactor
from controller.kernel.events import Event, Severity
from controller.kernel.instants import Clock, format_instant
from controller.kernel.objects import Oid

CHAIN_MAX: Final = 8
FRAMES_MAX: Final = 30
_WORDS_MAX: Final = 500
_LEVELS: Final = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.ERROR: logging.ERROR,
}
_FIRST: Final = ("at", "level", "event", "message")
_OURS: Final = frozenset({"at", "level", "event", "commit"})
"""Fields that are made here, of values that cannot hold a secret."""

_BREAKS: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What JSON may hold as it is, and what would break a line, move a cursor, or be no text at all."""

_Fields = MutableMapping[str, Any]


class Log:
    """Writes events. `bound` are fields of every line, such as the environment and the role."""

    def __init__(
        self, stream: TextIO, clock: Clock, redactor: Redactor, bound: Mapping[str, Any]
    ) -> None:
        self._clock, self._redactor = clock, redactor
        render = _as_text if stream.isatty() else _as_json
        self._lines = structlog.wrap_logger(
            structlog.WriteLogger(stream),
            processors=[structlog.processors.add_log_level, self._redacted, render],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            context_class=dict,
        ).bind(**bound)

    def tell(
        self,
        event: Event,
        message: str,
        *,
        at: datetime | None = None,
        error: BaseException | None = None,
        revision: int | None = None,
        commit: Oid | None = None,
        **facts: Any,
    ) -> None:
        """Write one line; a log that cannot be written to stops nobody."""
        fields: dict[str, Any] = {
            "at": format_instant(at or self._clock.now()),
            "message": message,
            "revision": revision,
            "commit": commit.hex() if commit is not None else None,
            **facts,
            "trace": trace_of(error) if error is not None else None,
        }
        said = {name: value for name, value in fields.items() if value not in (None, "", {}, [])}
        with suppress(OSError, ValueError):  # a full disk, a pipe that nobody reads, a closed one
            self._lines.log(_LEVELS[event.severity], str(event), **said)

    def _redacted(self, _logger: Any, _method: str, fields: _Fields) -> _Fields:
        clean = self._redactor.member
        return {name: one if name in _OURS else clean(name, one) for name, one in fields.items()}


@contextmanager
def listening(log: Log) -> Iterator[None]:
    """Send what libraries log, warn of, and let fall out of threads to a log, while this lasts."""
    root, handler = logging.getLogger(), _Handler(log)
    before = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    root.handlers, root.level = [handler], logging.WARNING
    logging.captureWarnings(True)

    def fell(
        _kind: type[BaseException], error: BaseException, _trace: TracebackType | None
    ) -> None:
        log.tell(Event.FELL, type(error).__name__, error=error)

    def fell_in_thread(args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread is not None else "?"
        log.tell(Event.FELL, f"in the thread {name}", error=args.exc_value)

    def fell_unseen(args: "sys.UnraisableHookArgs") -> None:
        log.tell(Event.FELL, "where nobody could be told", error=args.exc_value)

    sys.excepthook, threading.excepthook, sys.unraisablehook = fell, fell_in_thread, fell_unseen
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        logging.captureWarnings(False)
        root.handlers, root.level = before


class _Handler(logging.Handler):
    """Hands what libraries log to our log; at WARNING and above, as their levels say."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            words = record.getMessage()
        except Exception:  # noqa: BLE001  a library that formats wrongly must not end us
            words = str(record.msg)
        grave = record.levelno >= logging.ERROR
        event = Event.LIBRARY_FAILED if grave else Event.LIBRARY_SAID
        error = record.exc_info[1] if record.exc_info else None
        self._log.tell(event, words, error=error, logger=record.name)


def trace_of(error: BaseException) -> list[str]:
    """Return where an exception came from, what caused it first: no values, no second lines.

    The second line of a database's error holds rows.
    """
    chain: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and len(chain) < CHAIN_MAX and one not in chain:
        chain.append(one)
        hidden = one.__suppress_context__
        one = one.__cause__ or (None if hidden else one.__context__)
    return [line for each in reversed(chain) for line in _told(each)]


def _told(error: BaseException) -> Iterator[str]:
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    for frame in frames:
        yield f"{_short(frame.filename)}:{frame.lineno} in {frame.name}"
    words = next(iter(str(error).splitlines()), "")[:_WORDS_MAX]
    yield f"{type(error).__module__}.{type(error).__qualname__}: {words}"


def _short(filename: str) -> str:
    """Return a file from its package on: the folder it is installed in is nobody's business."""
    for root in ("/controller/", "/site-packages/"):
        at = filename.rfind(root)
        if at >= 0:
            return filename[at + 1 :].removeprefix("site-packages/")
    return filename.rpartition("/")[2]


def _as_json(_logger: Any, _method: str, fields: _Fields) -> str:
    first = {name: fields.pop(name) for name in _FIRST if name in fields}
    text = json.dumps({**first, **fields}, ensure_ascii=False, separators=(",", ":"))
    return _BREAKS.sub(lambda one: f"\\u{ord(one[0]):04x}", text)


def _as_text(_logger: Any, _method: str, fields: _Fields) -> str:
    at, level, event = (str(fields.get(name, "")) for name in _FIRST[:3])
    line = f"{at} {level:<7} {event}"
    if "role" in fields:
        line = f"{line} [{fields['role']}]"
    if "message" in fields:
        line = f"{line} {fields['message']}"
    facts = fields.get("facts")
    hint = facts.get("hint") if isinstance(facts, dict) else None
    parts = [line, *([f"  hint: {hint}"] if hint else [])]
    parts += [f"  {frame}" for frame in fields.get("trace", ())]
    return "\n".join(_printable(one) for one in parts)


def _printable(text: str) -> str:
    """Return a text that moves no cursor and begins no line of its own."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
