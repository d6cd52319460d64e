"""One look: whatever happens in it, a verdict comes out, and in time."""

from threading import Event

import pytest

from controller.app.doctor_look import Check, Verdict, look, ok
from controller.app.settings import NoSettings


def _raise(error: Exception) -> Check:
    raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoSettings(), "no settings file is named"),
        (PermissionError(13, "Permission denied", "/etc/x"), "/etc/x: Permission denied"),
        (RuntimeError("password=hunter2"), "could not be looked at (RuntimeError)"),
    ],
)
def test_a_look_that_raises_has_failed_and_says_no_secret(error: Exception, said: str) -> None:
    check = look("x", lambda: _raise(error))

    assert (check.verdict, check.message) == (Verdict.FAIL, said)
    assert check.hint
    assert look("x", lambda: ok("x", "well")).verdict is Verdict.OK


def test_a_look_that_hangs_fails_in_time_and_the_next_one_is_made() -> None:
    never = Event()

    def hang() -> Check:
        never.wait(60)
        return ok("x", "too late")

    check = look("x", hang, seconds=0.05)
    never.set()

    assert check.verdict is Verdict.FAIL
    assert "no answer within 0.05 s" in check.message
    assert look("x", lambda: ok("x", "well")).verdict is Verdict.OK
