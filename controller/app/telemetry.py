"""What a process that goes on running tells of itself: its log, made of this host's settings."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from controller.adapters.clock import SystemClock
from controller.adapters.logs import Log, listening
from controller.app.secrets import redactor
from controller.app.settings import Settings
from controller.kernel.errors import ControllerError
from controller.kernel.events import Event
from controller.stores.control.events import Happened

FAILED = 2


@contextmanager
def logged(settings: Settings, role: str) -> Iterator[Log]:
    """Give the log of a process; what libraries say and what falls out of threads goes to it."""
    section = settings.controller
    bound = {
        "environment": section.environment,
        "controller": section.name,
        "role": role,
        "pid": os.getpid(),
    }
    log = Log(sys.stderr, SystemClock(), redactor(settings), bound)
    with listening(log):
        yield log


def said(log: Log) -> Callable[[Happened], None]:
    """Return what writes the controller's events to a log."""

    def say(happened: Happened) -> None:
        log.tell(
            happened.event,
            happened.message,
            at=happened.at,
            error=happened.cause,
            revision=happened.revision,
            commit=happened.commit,
            actor=happened.actor,
            facts=happened.facts,
        )

    return say


@contextmanager
def told_why(log: Log) -> Iterator[None]:
    """Log what ends a role, and leave with its exit code; an exception of no kind has its trace."""
    try:
        yield
    except ControllerError as error:
        facts = {"code": error.code, "hint": error.hint}
        log.tell(Event.ROLE_FAILED, str(error), facts=facts)
        raise SystemExit(error.exit_code) from None
    except Exception as error:  # noqa: BLE001  the last who can tell
        log.tell(
            Event.ROLE_FAILED, f"this should not have happened: {type(error).__name__}", error=error
        )
        raise SystemExit(FAILED) from None
