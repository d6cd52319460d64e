"""Work shared out among forks: the same answers, the same errors, and nobody left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.forks import (
    AHEAD_BYTES_MAX,
    FORKS_MAX,
    ForkDied,
    forks_wanted,
    shared_out,
)
from controller.adapters.postgres import Connection
from controller.kernel.errors import Refused

BATCHES = [[1, 2], [3], [4, 5, 6], [7], [8, 9]]
FORKS = pytest.mark.parametrize("forks", [0, 1, 2, 3])


class Odd(Refused):
    """An error with a fact of its own, which no pipe could carry."""

    code = "test.odd"

    def __init__(self, *, number: int) -> None:
        super().__init__(f"{number} is odd")
        self.number = number


def children() -> list[int]:
    """Return the processes this one has started and not waited for."""
    threads = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return [int(pid) for thread in threads for pid in thread.read_text().split()]


def doubled(numbers: Sequence[int]) -> Iterator[int]:
    for number in numbers:
        yield 2 * number


@FORKS
def test_answers_come_in_order_whoever_worked(forks: int) -> None:
    before = children()

    assert list(shared_out(doubled, BATCHES, forks)) == [2 * one for one in range(1, 10)]

    assert children() == before


def test_the_work_is_done_by_others_than_this_process() -> None:
    def who(numbers: Sequence[int]) -> Iterator[int]:
        for _ in numbers:
            yield os.getpid()

    workers = list(shared_out(who, BATCHES, 2))

    assert len(set(workers)) == 2
    assert os.getpid() not in workers
    assert set(shared_out(who, BATCHES, 0)) == {os.getpid()}


@FORKS
def test_an_error_in_a_fork_is_raised_here_as_it_is(forks: int) -> None:
    def picky(numbers: Sequence[int]) -> Iterator[int]:
        for number in numbers:
            if number == 5:
                raise Odd(number=number)
            yield number

    answers: list[int] = []
    before = children()
    with pytest.raises(Odd) as refusal:
        answers.extend(shared_out(picky, BATCHES, forks))

    assert refusal.value.number == 5
    assert answers == [1, 2, 3, 4]
    assert children() == before


def test_what_only_a_fork_stumbles_over_is_done_here() -> None:
    parent = os.getpid()

    def shy(numbers: Sequence[int]) -> Iterator[int]:
        for number in numbers:
            if number == 4 and os.getpid() != parent:
                raise MemoryError
            yield number

    assert list(shared_out(shy, BATCHES, 2)) == list(range(1, 10))


def test_a_fork_that_is_killed_is_an_error_and_leaves_nobody() -> None:
    parent, before = os.getpid(), children()

    def doomed(numbers: Sequence[int]) -> Iterator[int]:
        for number in numbers:
            if number == 7 and os.getpid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)
            yield number

    with pytest.raises(ForkDied) as death:
        list(shared_out(doomed, BATCHES, 2))

    assert death.value.status == -signal.SIGKILL
    assert children() == before


def test_answers_nobody_waits_for_end_the_forks() -> None:
    def endless(numbers: Sequence[int]) -> Iterator[bytes]:
        for _ in numbers:
            yield bytes(1 << 20)

    before = children()
    answers = shared_out(endless, [[number] for number in range(100)], 2)
    next(answers)
    assert len(children()) == len(before) + 2
    answers.close()

    assert children() == before


def test_forks_die_with_their_parent() -> None:
    reading, writing = os.pipe()
    middle = os.fork()
    if middle == 0:

        def slow(numbers: Sequence[int]) -> Iterator[int]:
            os.write(writing, b"here\n")
            signal.pause()
            yield from numbers

        try:
            list(shared_out(slow, BATCHES, 2))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        assert {told.readline(), told.readline()} == {"here\n"}
        os.kill(middle, signal.SIGKILL)
        os.waitpid(middle, 0)

        assert told.read() == ""  # the pipe ends when the last of them is gone


def test_a_process_with_threads_is_not_forked() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert forks_wanted() == 0
    finally:
        done.set()
        thread.join()


def test_the_owner_of_an_embedded_server_is_forked(database: Connection[Any]) -> None:
    del database  # the server's keeper is a thread of this process

    assert [one.name for one in threading.enumerate()].count("postgres-keeper") == 1
    assert (forks_wanted() > 0) == (len(os.sched_getaffinity(0)) > 1)


def test_a_process_without_threads_forks_for_each_processor() -> None:
    ask = "from controller.adapters.forks import forks_wanted; print(forks_wanted())"
    alone = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True)
    processors = len(os.sched_getaffinity(0))

    assert int(alone.stdout) == (min(processors, FORKS_MAX) if processors > 1 else 0)


def test_a_fork_runs_ahead_of_a_busy_parent_up_to_a_bound() -> None:
    reading, writing = os.pipe()

    def eager(numbers: Sequence[int]) -> Iterator[bytes]:
        for _ in numbers:
            os.write(writing, b".")
            yield bytes(AHEAD_BYTES_MAX // 4)

    answers = shared_out(eager, [[number] for number in range(20)], 1)
    next(answers)
    os.set_blocking(reading, False)
    time.sleep(1)
    made = len(os.read(reading, 100))
    rest = len(list(answers))
    os.close(reading)
    os.close(writing)

    assert 5 <= made <= 8
    assert rest == 19
