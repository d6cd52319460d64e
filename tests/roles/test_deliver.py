"""Notices are delivered at least once and in order; nobody waits for a receiver that is away."""

import contextlib
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.gitcli import child_environment
from controller.adapters.postgres import Connection, connect
from controller.adapters.senders import Sender
from controller.adapters.webhook import Webhook
from controller.kernel.canonical import canonical
from controller.kernel.events import Event, Severity
from controller.kernel.notices import Notice, NoticeKind
from controller.reconcile.notices import owe
from controller.roles.deliver import ATTEMPTS_MAX, CLAIM, FAILURES_MAX, Deliverer, Postman
from controller.roles.timing import Backoff
from controller.stores.control import conditions, events, notices
from controller.stores.control.events import Happened
from controller.stores.control.statements import QUERIES, every, one, run
from tests.support.control import MINUTE, NOON
from tests.support.house import ROOT
from tests.support.receivers import SECRET, Receiver, receiver, secret_file
from tests.support.telling import GRAVE, HOUR, REFUSED, Found
from tests.support.world import SetClock

NOTICE = Notice(
    NoticeKind.FAILURE, "production", "Stalled", "a.b", Severity.ERROR, NOON, "first", "do this"
)


class Longest:
    """A source of chance that always makes one wait as long as may be."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


@dataclass
class Office:
    """A postman, the database of his notices, and a clock that is set by hand."""

    connection: Connection[Any]
    folder: Path
    clock: SetClock = field(default_factory=lambda: SetClock(NOON))
    said: list[Happened] = field(default_factory=list)
    senders: dict[str, Sender] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.postman = self.another()

    def another(self, **changes: Any) -> Postman:
        """Return a postman who knows nothing of what happened."""
        facts: dict[str, Any] = {"clock": self.clock, "chance": Longest(), "say": self.said.append}
        return Postman("production", self.senders, **(facts | changes))

    def to(self, name: str, there: Receiver) -> None:
        """Deliver a target's notices to a receiver."""
        self.senders[name] = Webhook(there.place(f"/{name}"), secret_file(self.folder))

    def owe(self, name: str, *messages: str) -> None:
        """Owe notices to a target."""
        for message in messages:
            notices.owe(self.connection, name, replace(NOTICE, message=message), self.clock.instant)

    def deliver(self) -> int:
        """Deliver what is due."""
        return self.postman.deliver_due(self.connection)

    def states(self) -> list[str]:
        """Return the states of all notices, the oldest first."""
        rows = every(self.connection, "SELECT state FROM controller.outbox ORDER BY id", {})
        return [row["state"] for row in rows]

    def backlog(self) -> Mapping[str, notices.Backlog]:
        """Return what waits, by target."""
        return {each.target: each for each in notices.backlog(self.connection)}


@pytest.fixture
def office(database_url: str, tmp_path: Path) -> Iterator[Office]:
    """Return an office without senders."""
    connection = connect(database_url, application_name="tests", autocommit=True)
    yield Office(connection, tmp_path)
    connection.close()


def messages(there: Receiver) -> list[str]:
    """Return what a receiver was told, in order."""
    return [got.json["message"] for got in there.got]


def test_what_is_owed_is_delivered_once_and_in_order(office: Office) -> None:
    with receiver() as there:
        office.to("one", there)
        office.owe("one", "first", "second", "third")

        assert (office.deliver(), office.deliver()) == (3, 0)

    assert messages(there) == ["first", "second", "third"]
    assert len({got.json["id"] for got in there.got}) == 3
    assert all(got.is_signed(SECRET) for got in there.got)
    assert office.states() == ["done"] * 3


def test_what_was_not_taken_is_sent_again_the_same_before_anything_else(office: Office) -> None:
    with receiver("500", "close") as there:
        office.to("one", there)
        office.owe("one", "first", "second")
        assert office.deliver() == 0
        assert office.deliver() == 0, "not before the pause is over"
        assert len(there.got) == 1

        office.clock.advance(2 * MINUTE)
        office.deliver()
        office.clock.advance(2 * MINUTE)
        office.deliver()

    assert messages(there) == ["first", "first", "first", "second"]
    bodies = {(got.body, got.headers["x-countersign-delivery"]) for got in there.got[:3]}
    assert len(bodies) == 1
    assert office.backlog() == {}


def test_a_target_that_is_away_keeps_no_other_waiting(office: Office) -> None:
    with receiver() as there, receiver() as away:
        away.usual = "503"
        office.to("away", away)
        office.to("there", there)
        for number in range(5):
            office.owe("away", f"a{number}")
            office.owe("there", f"t{number}")
        for _ in range(4):
            office.deliver()
            office.clock.advance(20 * MINUTE)

        assert messages(there) == ["t0", "t1", "t2", "t3", "t4"]
        assert set(messages(away)) == {"a0"}
        waiting = office.backlog()["away"]
        assert (waiting.waiting, waiting.dead) == (5, 0)
        assert "503" in waiting.last_error

        away.usual = "200"
        office.clock.advance(20 * MINUTE)
        assert office.deliver() == 5
    assert messages(away)[-5:] == ["a0", "a1", "a2", "a3", "a4"]


def test_a_target_that_is_away_is_told_of_once_and_when_it_is_back(office: Office) -> None:
    with receiver(*["500"] * 6) as there:
        office.to("one", there)
        office.owe("one", "first")
        for _ in range(7):
            office.deliver()
            office.clock.advance(HOUR)

    assert [happened.event for happened in office.said] == [Event.BESIDE_FAILED, Event.RECOVERED]


def test_pauses_grow_and_end_at_a_quarter_of_an_hour(office: Office) -> None:
    pauses = []
    with receiver() as there:
        there.usual = "500"
        office.to("one", there)
        office.owe("one", "first")
        for _ in range(10):
            office.deliver()
            row = one(office.connection, "SELECT due_at FROM controller.outbox", {})
            assert row is not None
            pauses.append((row["due_at"] - office.clock.instant).total_seconds())
            office.clock.instant = row["due_at"]

    assert pauses == [1, 3, 9, 27, 81, 243, 729, 900, 900, 900]


def test_a_receiver_that_names_a_time_is_left_alone_until_then(office: Office) -> None:
    with receiver("429") as there:
        there.retry_after = "600"
        office.to("one", there)
        office.owe("one", "first")
        office.deliver()
        office.clock.advance(9 * MINUTE)
        assert office.deliver() == 0
        office.clock.advance(MINUTE)
        assert office.deliver() == 1

    assert len(there.got) == 2


def test_what_is_refused_is_given_up_and_the_next_is_sent(office: Office) -> None:
    with receiver("400") as there:
        office.to("one", there)
        office.owe("one", "refused", "good")
        assert office.deliver() == 1

    assert office.states() == ["dead", "done"]
    assert office.backlog()["one"].dead == 1
    (lost,) = events.since(office.connection, "production")
    assert (lost.name, lost.facts) == ("notice.lost", {"target": "one"})
    assert [happened.event for happened in office.said] == [Event.NOTICE_LOST]


@pytest.mark.parametrize(
    "payload",
    [
        {"target": "one"},
        {"target": "one", "notice": {}},
        {"target": "one", "notice": [], "id": "x"},
        {"target": "one", "notice": {**NOTICE.to_json(), "commit": "zz"}},
        {"target": "one", "notice": {**NOTICE.to_json(), "at": "yesterday"}},
    ],
)
def test_a_notice_that_cannot_be_read_stops_no_other(office: Office, payload: Any) -> None:
    facts = {"payload": canonical(payload).decode(), "due_at": NOON}
    run(office.connection, QUERIES["owe_notice"], facts)
    with receiver() as there:
        office.to("one", there)
        office.owe("one", "good")
        assert office.deliver() == 1

    assert messages(there) == ["good"]
    assert office.states() == ["dead", "done"]


def test_a_notice_that_nobody_can_deliver_for_long_is_given_up(office: Office) -> None:
    with receiver() as there:
        there.usual = "500"
        office.to("one", there)
        office.owe("one", "first", "second")
        office.postman = office.another(attempts_max=3)
        for _ in range(3):
            office.deliver()
            office.clock.advance(HOUR)

    assert office.states() == ["dead", "queued"]
    assert ATTEMPTS_MAX > FAILURES_MAX


def test_a_secret_that_is_gone_makes_notices_wait_for_it(office: Office) -> None:
    with receiver() as there:
        office.to("one", there)
        (office.folder / "secret").unlink()
        office.owe("one", "first")
        office.deliver()
        assert "secret" in office.backlog()["one"].last_error

        secret_file(office.folder)
        office.clock.advance(HOUR)
        assert office.deliver() == 1


def test_what_is_owed_to_a_target_that_this_host_does_not_know_waits(office: Office) -> None:
    office.owe("elsewhere", "first")

    assert office.deliver() == 0
    assert office.backlog()["elsewhere"].waiting == 1


def test_two_who_deliver_send_each_notice_once(office: Office, database_url: str) -> None:
    other = connect(database_url, application_name="tests", autocommit=True)
    with receiver() as there:
        office.to("one", there)
        office.owe("one", "first", "second")
        held = notices.claim(office.connection, ["one"], now=NOON, until=NOON + CLAIM)
        assert held is not None

        assert office.another().deliver_due(other) == 0, "the second one waits for the first"
        notices.finish(office.connection, held)
        assert office.another().deliver_due(other) == 1
    other.close()
    assert messages(there) == ["second"]


def test_a_clock_that_was_wrong_holds_nothing_up(office: Office) -> None:
    with receiver("500") as there:
        office.to("one", there)
        office.clock.advance(1_000 * HOUR)
        office.owe("one", "first")
        office.deliver()
        office.clock.advance(-1_000 * HOUR)

        assert office.deliver() == 1


def test_nothing_is_held_in_the_database_while_a_notice_is_sent(
    office: Office, database_url: str
) -> None:
    seen: list[Any] = []

    @dataclass
    class Looking:
        def send(self, notice: Notice, *, delivery: str, now: Any) -> None:
            del notice, delivery, now
            with contextlib.closing(connect(database_url, application_name="other")) as other:
                query = (
                    "SELECT count(*) AS open FROM pg_stat_activity WHERE datname = "
                    "current_database() AND state = 'idle in transaction'"
                )
                seen.append(one(other, query, {}))
                run(other, "LOCK controller.outbox IN EXCLUSIVE MODE NOWAIT", {})

    office.senders["one"] = Looking()
    office.owe("one", "first")

    assert office.deliver() == 1
    assert seen == [{"open": 0}]


SENDS = """
import sys
from pathlib import Path
from controller.adapters.clock import SystemClock
from controller.adapters.outbound import Route
from controller.adapters.postgres import connect
from controller.adapters.senders import Place
from controller.adapters.webhook import Webhook
from controller.roles.deliver import Postman
from secrets import SystemRandom
url, there, secret = sys.argv[1:]
senders = {"one": Webhook(Place(Route("one"), there), Path(secret))}
with connect(url, application_name="dies", autocommit=True) as connection:
    Postman("production", senders, SystemClock(), SystemRandom(), print).deliver_due(connection)
"""


def test_whoever_dies_after_sending_sends_the_same_again(office: Office, database_url: str) -> None:
    with receiver("slow") as there:
        office.to("one", there)
        office.owe("one", "first")
        secret = str(office.folder / "secret")
        dying = subprocess.Popen(
            [sys.executable, "-c", SENDS, database_url, f"{there.url}/one", secret],
            cwd=ROOT,
            env=child_environment(),
        )
        there.until(1)
        dying.kill()
        dying.wait()
        row = one(office.connection, "SELECT due_at FROM controller.outbox", {})
        assert row is not None
        assert office.states() == ["queued"]

        office.clock.instant = row["due_at"]
        assert office.deliver() == 1

    first, second = there.got
    assert (first.body, first.json["id"]) == (second.body, second.json["id"])
    assert first.headers["x-countersign-delivery"] == second.headers["x-countersign-delivery"]


@pytest.mark.parametrize("answer", ["200", "400", "500", "redirect", "garbage", "close"])
def test_no_secret_is_in_the_database_or_in_what_is_said(
    office: Office, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with receiver(*[answer] * 4) as there:
        office.senders["one"] = Webhook(
            replace(
                there.place(),
                url="",
                url_file=secret_file(office.folder, "address", f"{there.url}/{SECRET}"),
            ),
            secret_file(office.folder),
        )
        office.owe("one", "first")
        for _ in range(4):
            office.deliver()
            office.clock.advance(HOUR)

    assert there.got
    kept = [
        str(row)
        for table in ("outbox", "event", "notice")
        for row in every(office.connection, f"SELECT t::text FROM controller.{table} AS t", {})
    ]
    assert kept
    assert SECRET not in f"{kept}{office.said}{caplog.text}"


def test_what_was_delivered_long_ago_is_dropped_and_what_waits_is_not(office: Office) -> None:
    with receiver() as there:
        office.to("one", there)
        office.owe("one", "first")
        office.deliver()
        office.owe("elsewhere", "second")

    assert notices.forget(office.connection, NOON) == 0
    assert notices.forget(office.connection, NOON + HOUR) == 1
    assert office.states() == ["queued"]


# The thread


@contextlib.contextmanager
def delivering(office: Office, url: str) -> Iterator[Deliverer]:
    """Run the thread beside a loop."""

    @contextlib.contextmanager
    def opened() -> Iterator[Connection[Any]]:
        with contextlib.closing(
            connect(url, application_name="deliverer", autocommit=True)
        ) as connection:
            yield connection

    thread = Deliverer(
        opened,
        office.postman,
        [replace(GRAVE, name="one")],
        backoff=Backoff(Longest()),
        clock=office.clock,
        say=office.said.append,
    )
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


def test_the_thread_delivers_when_it_is_asked_and_ends_in_order(
    office: Office, database_url: str
) -> None:
    with receiver() as there:
        office.to("one", there)
        with delivering(office, database_url) as thread:
            office.owe("one", "first")
            thread.ask()
            there.until(1)
            office.owe("one", "second")
            thread.ask()
            there.until(2)

    assert not thread.is_alive()
    assert office.said == []


def test_a_target_that_is_new_is_told_what_is_wrong_already(
    office: Office, database_url: str
) -> None:
    said = Found(error=REFUSED).conditions(NOON)
    conditions.put(office.connection, "production", said, NOON)
    with receiver() as there:
        office.to("one", there)
        with delivering(office, database_url):
            there.until(1)

    assert there.got[0].json["subject"] == "Stalled"


def test_what_lasts_is_said_again_without_the_loop(office: Office, database_url: str) -> None:
    found = Found(error=REFUSED).conditions(NOON)
    conditions.put(office.connection, "production", found, NOON)
    target = replace(GRAVE, name="one")
    owe(office.connection, "production", [target], found, NOON)
    with receiver() as there:
        office.to("one", there)
        office.deliver()
        office.clock.advance(HOUR)
        with delivering(office, database_url):
            there.until(2)

    assert [got.json["repeated"] for got in there.got] == [False, True]
