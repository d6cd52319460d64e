"""Somebody who asks the same question all the time, on a connection of their own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.adapters.postgres import DatabaseUnavailable, translated
from controller.authoring.starting import ENVIRONMENT
from controller.reconcile.answer import document
from controller.reconcile.resolve import IIN, Question, resolve
from tests.support.world import NOON, OLD_RANGE, open_connection

PAUSE_SECONDS = 0.02


@dataclass
class Answered:
    """What was answered, in order, and how often nobody did."""

    answers: list[tuple[int, Any]] = field(default_factory=list)
    away: int = 0
    unknown: int = 0
    stale: int = 0
    """Answers that said that they may be behind."""
    errors: list[BaseException] = field(default_factory=list)

    def take(self, said: dict[str, Any]) -> None:
        """Take note of an answer."""
        # A commit that changes nothing served is accepted without a revision of its own.
        said["revision"].pop("commit")
        self.stale += "stale_since" in said
        said.pop("stale_since", None)
        self.answers.append((said["revision"]["number"], said))

    def assert_good(self, *, may_be_away: bool = False) -> None:
        """Every answer was there, one for each revision, and no revision came back."""
        assert self.errors == []
        assert self.answers, "nobody was answered"
        assert self.unknown == 0, "what was served was gone for a while"
        assert may_be_away or self.away == 0, "nobody answered for a while"
        revisions = [revision for revision, _ in self.answers]
        assert revisions == sorted(revisions)
        answers: dict[int, Any] = {}
        for revision, said in self.answers:
            first = answers.setdefault(revision, said)
            assert first == said, (first, said)


@dataclass
class Asking(Answered):
    """Somebody who asks the database."""

    url: str = ""
    value: str = ""
    at: datetime = NOON
    ended: threading.Event = field(default_factory=threading.Event)

    def ask_until_told(self) -> None:
        """Ask again and again; a lost connection is opened again."""
        while not self.ended.is_set():
            try:
                with open_connection(self.url) as connection, translated():
                    while not self.ended.wait(PAUSE_SECONDS):
                        self._ask(connection)
            except DatabaseUnavailable:
                self.away += 1
                self.ended.wait(PAUSE_SECONDS)
            except BaseException as error:  # noqa: BLE001  told to the thread that waits
                self.errors.append(error)
                return

    def _ask(self, connection: Any) -> None:
        found = resolve(connection, ENVIRONMENT, Question(IIN, self.value, self.at))
        if found is None:
            self.unknown += 1
        else:
            self.take(document(found))


@contextmanager
def asking(url: str, line: str = OLD_RANGE, at: datetime = NOON) -> Iterator[Asking]:
    """Ask for a card range while the block runs."""
    one = Asking(url=url, value=line.partition(",")[0], at=at)
    thread = threading.Thread(target=one.ask_until_told, name="asking", daemon=True)
    thread.start()
    try:
        yield one
    finally:
        one.ended.set()
        thread.join(60)
