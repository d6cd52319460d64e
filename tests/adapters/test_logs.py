"""The log: one line for an event, no secret in it, and nothing said past it."""

import io
import json
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.adapters.logs import Log, listening, trace_of
from controller.adapters.redaction import Redactor
from controller.kernel.events import Event
from controller.kernel.objects import Oid

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = "hunter2-of-ours"
PAN = "4111111111111111"
COMMIT = Oid(b"\x11" * 20)


class _Clock:
    def now(self) -> datetime:
        return NOW


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


def log_to(stream: io.StringIO) -> Log:
    return Log(stream, _Clock(), Redactor(lambda: [SECRET]), {"environment": "e", "role": "r"})


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@contextmanager
def heard() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    with listening(log_to(stream)):
        yield stream


def fail(secret: str) -> None:
    local = secret  # a trace with locals would show it
    raise ValueError(f"{local}\nDETAIL: Key (name)=(harbour) exists")


def failed(secret: str = SECRET) -> Exception:
    try:
        fail(secret)
    except ValueError as error:
        found = RuntimeError("in vain")
        found.__cause__ = error
        return found
    raise AssertionError


def test_an_event_is_one_line_of_json() -> None:
    stream = io.StringIO()

    log_to(stream).tell(Event.APPLIED, "two\nlines", revision=3, commit=COMMIT, facts={"a": [1]})

    assert stream.getvalue().count("\n") == 1
    assert lines(stream) == [
        {
            "at": "2026-11-21T12:00:00Z",
            "level": "info",
            "event": "revision.applied",
            "message": "two\nlines",
            "environment": "e",
            "role": "r",
            "revision": 3,
            "commit": "11" * 20,
            "facts": {"a": [1]},
        }
    ]


@pytest.mark.parametrize("event", Event)
def test_every_event_is_told_as_grave_as_it_is(event: Event) -> None:
    stream = io.StringIO()

    log_to(stream).tell(event, "")

    assert [(one["event"], one["level"]) for one in lines(stream)] == [(str(event), event.severity)]


@pytest.mark.parametrize("place", ["message", "facts", "error", "actor", "bound"])
@pytest.mark.parametrize("secret", [SECRET, PAN, f"x://u:{SECRET}@h/", "Bearer abcdefghijk"])
def test_no_field_tells_a_secret(place: str, secret: str) -> None:
    for stream in (io.StringIO(), _Terminal()):
        log = log_to(stream)
        match place:
            case "message":
                log.tell(Event.REFUSED, f"because of {secret}")
            case "facts":
                log.tell(Event.REFUSED, "", facts={"hint": secret, secret: [secret]})
            case "error":
                log.tell(Event.FELL, "", error=failed(secret))
            case "actor":
                log.tell(Event.SUSPENDED, "", actor=secret)
            case _:
                bound = Log(stream, _Clock(), Redactor(lambda: [SECRET]), {"controller": secret})
                bound.tell(Event.LEADING, "")

        assert stream.getvalue()
        assert secret.rsplit(maxsplit=1)[-1] not in stream.getvalue()
        assert SECRET not in stream.getvalue()


def test_a_trace_says_where_and_never_with_what() -> None:
    trace = trace_of(failed())

    places = [one for one in trace if one.startswith("test_logs.py:")]
    assert [one.partition(" in ")[2] for one in places] == ["failed", "fail"]
    assert [one for one in trace if not one.startswith("test_logs.py:")] == [
        f"builtins.ValueError: {SECRET}",
        "builtins.RuntimeError: in vain",
    ]
    assert not any("DETAIL" in one or "/" in one for one in trace)


def test_an_exception_that_is_its_own_cause_has_an_end() -> None:
    error = failed()
    assert error.__cause__ is not None
    error.__cause__.__cause__ = error

    assert len(trace_of(error)) == 4


def test_people_at_a_terminal_get_text_that_moves_no_cursor() -> None:
    stream = _Terminal()

    log_to(stream).tell(
        Event.UNAVAILABLE, "a\x1b[2Jb\r\nlevel error", facts={"hint": "look"}, error=failed("x")
    )

    first, hint, *trace = stream.getvalue().splitlines()
    assert first == "2026-11-21T12:00:00Z warning pass.failed [r] a\\x1b[2Jb\\r\\nlevel error"
    assert hint == "  hint: look"
    assert trace[-1] == "  builtins.RuntimeError: in vain"


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    closed = io.StringIO()
    closed_log = log_to(closed)
    closed.close()

    closed_log.tell(Event.LEADING, "")
    log_to(_Full()).tell(Event.LEADING, "")


def test_half_a_character_is_written_all_the_same() -> None:
    stream = io.StringIO()

    log_to(stream).tell(Event.REFUSED, "\udcff", facts={"\ud800": "\u2028"})

    stream.getvalue().encode()
    assert lines(stream)[0]["message"] == "\udcff"


def test_what_libraries_log_comes_the_same_way() -> None:
    with heard() as stream:
        logging.getLogger("uvicorn.error").error(
            "no %s for postgresql://u:%s@db/x", "answer", SECRET
        )
        wrong: tuple[object, ...] = (1, 2)
        logging.getLogger("asyncio").warning("slow %d", *wrong)
        logging.getLogger("httpx").info("GET https://x/?token=abcdef")

    assert [(one["event"], one["logger"]) for one in lines(stream)] == [
        ("library.failed", "uvicorn.error"),
        ("library.said", "asyncio"),
    ]
    assert SECRET not in stream.getvalue()
    assert lines(stream)[0]["message"].startswith("no answer for postgresql://")


def test_a_library_tells_where_it_failed() -> None:
    with heard() as stream:
        try:
            fail(SECRET)
        except ValueError:
            logging.getLogger("any").exception("failed")

    assert lines(stream)[0]["trace"][-1] == "builtins.ValueError: [redacted]"


def test_what_falls_out_of_a_thread_is_told_without_its_values() -> None:
    with heard() as stream:
        thread = threading.Thread(target=fail, args=(SECRET,), name="beside")
        thread.start()
        thread.join()

    told = lines(stream)[0]
    assert (told["event"], told["message"]) == ("error.uncaught", "in the thread beside")
    assert SECRET not in stream.getvalue()


def test_a_warning_is_told() -> None:
    with heard() as stream, warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"old: {SECRET}", stacklevel=1)

    assert lines(stream)[0]["logger"] == "py.warnings"
    assert SECRET not in stream.getvalue()


def test_afterwards_nothing_is_heard_any_more() -> None:
    before = logging.getLogger().handlers[:], threading.excepthook
    with heard() as stream:
        pass

    assert (logging.getLogger().handlers, threading.excepthook) == before
    assert stream.getvalue() == ""
