"""One look at one thing of a host: it ends in a verdict and in time, whatever is broken."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from threading import Thread

from controller.kernel.errors import ControllerError

LOOK_SECONDS = 15.0
"""A look that takes longer has failed; the next one begins."""


class Verdict(StrEnum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, and how to mend it; `late`: no answer came in time."""

    name: str
    verdict: Verdict
    message: str
    hint: str = ""
    late: bool = False


def ok(name: str, message: str) -> Check:
    """Return a check with nothing to mend."""
    return Check(name, Verdict.OK, message)


def warn(name: str, message: str, hint: str) -> Check:
    """Return a check of something that works and should be mended."""
    return Check(name, Verdict.WARN, message, hint)


def fail(name: str, message: str, hint: str) -> Check:
    """Return a check of something that stops a controller."""
    return Check(name, Verdict.FAIL, message, hint)


def refused(name: str, error: ControllerError) -> Check:
    """Return the check that an error of ours is."""
    return fail(name, str(error), error.hint or "mend what it names, and look again")


def look(name: str, at: Callable[[], Check], *, seconds: float = LOOK_SECONDS) -> Check:
    """Return what a look says; one that raises or does not answer in time has failed."""
    said: list[Check] = []
    # A thread, because a file system that hangs cannot be interrupted; it is left behind then.
    thread = Thread(target=lambda: said.append(_guarded(name, at)), daemon=True)
    thread.start()
    thread.join(seconds)
    if said:
        return said[0]
    message = f"no answer within {seconds:g} s"
    hint = "look at what it waits for: a disk, a mount, a lock"
    return Check(name, Verdict.FAIL, message, hint, late=True)


def _guarded(name: str, at: Callable[[], Check]) -> Check:
    try:
        return at()
    except ControllerError as error:
        return refused(name, error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return fail(name, f"{where}{error.strerror or error}", "look at it by hand")
    except Exception as error:  # noqa: BLE001  one broken look must not keep us from the others
        # Its words are not repeated: they could hold a secret.
        return fail(name, f"could not be looked at ({type(error).__name__})", "report this")
