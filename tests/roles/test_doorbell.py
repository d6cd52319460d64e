"""A bell that is rung is heard once, with every reason, by whoever looks next."""

import os
import signal
import threading
import time
from types import FrameType

from controller.roles.doorbell import Cause, Doorbell


def test_rings_are_heard_together_and_once() -> None:
    bell = Doorbell()
    bell.ring(Cause.POLL)
    bell.ring(Cause.REQUEST)
    bell.ring(Cause.REQUEST)

    assert bell.wait(0) == {Cause.POLL, Cause.REQUEST}
    assert bell.wait(0) == frozenset()


def test_a_ring_from_another_thread_ends_the_wait() -> None:
    bell = Doorbell()
    threading.Timer(0.05, bell.ring, [Cause.REPOSITORY]).start()
    began = time.monotonic()

    assert bell.wait(30) == {Cause.REPOSITORY}
    assert time.monotonic() - began < 20


def test_a_ring_before_the_wait_is_not_lost() -> None:
    bell = Doorbell()
    bell.ring(Cause.STOP)

    assert bell.wait(30) == {Cause.STOP}


def test_a_bell_that_was_rung_to_stop_says_so_from_then_on() -> None:
    bell = Doorbell()
    bell.ring(Cause.POLL)
    assert not bell.stops()

    bell.ring(Cause.STOP)
    bell.wait(0)

    assert bell.stops()


def test_a_signal_of_the_waiting_thread_may_ring() -> None:
    bell = Doorbell()

    def ring(number: int, frame: FrameType | None) -> None:
        del number, frame
        bell.ring(Cause.REQUEST)

    before = signal.signal(signal.SIGUSR1, ring)
    try:
        threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGUSR1]).start()
        assert bell.wait(30) == {Cause.REQUEST}
    finally:
        signal.signal(signal.SIGUSR1, before)
