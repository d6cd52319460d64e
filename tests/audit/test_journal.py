"""The journal only grows, and every row continues the one before."""

from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.postgres import Connection, connect, transaction
from controller.audit import journal
from controller.audit.journal import JournalBroken, Link
from controller.audit.record import GENESIS, AuditRecord
from controller.stores.control import outbox
from controller.stores.control.model import OutboxKind
from controller.stores.control.refusals import HistoryFixed, HistoryGap
from controller.stores.control.statements import run
from tests.support.audit import record


def append(connection: Connection[Any], controller: str = "one") -> AuditRecord:
    def make(link: Link) -> AuditRecord:
        return record(link.seq + 1, prev=link.sha256, controller=controller)

    with transaction(connection):
        return journal.append(connection, controller, make)


def test_records_come_back_as_one_chain(database: Connection[Any]) -> None:
    appended = [append(database) for _ in range(3)]

    assert list(journal.records(database, "one")) == appended
    assert list(journal.records(database, "one", after=2)) == appended[2:]
    assert journal.verify_chain(database, "one") == Link(3, appended[-1].sha256)


def test_every_record_owes_one_audit_commit(database: Connection[Any]) -> None:
    append(database)
    append(database)

    assert outbox.queued(database, OutboxKind.AUDIT_COMMIT) == 2


def test_two_controllers_have_two_chains(database: Connection[Any]) -> None:
    append(database, "one")
    append(database, "one")

    assert append(database, "two").prev == GENESIS
    assert journal.last_link(database, "one").seq == 2
    assert journal.last_link(database, "two").seq == 1


def test_a_record_that_does_not_continue_the_chain_is_not_appended(
    database: Connection[Any],
) -> None:
    append(database)

    with pytest.raises(ValueError, match="does not continue"):
        journal.append(database, "one", lambda link: record(link.seq + 2, prev=link.sha256))
    with pytest.raises(ValueError, match="does not continue"):
        journal.append(database, "one", lambda link: record(link.seq + 1))


@pytest.mark.parametrize(
    "bend",
    [
        {"seq": 3},
        {"prev_sha256": GENESIS},
        {"sha256": "a" * 64},
        {"record": record(1).to_bytes().decode()},
        {"controller": "two"},
    ],
)
def test_the_database_refuses_a_row_that_does_not_continue_the_chain(
    database: Connection[Any], bend: dict[str, Any]
) -> None:
    first = append(database)
    second = record(2, prev=first.sha256)
    facts = {
        "controller": "one",
        "seq": 2,
        "prev_sha256": first.sha256,
        "sha256": second.sha256,
        "record": second.to_bytes().decode(),
    }

    with pytest.raises(HistoryGap):
        run(database, journal.QUERIES["append_record"], facts | bend)

    database.rollback()
    run(database, journal.QUERIES["append_record"], facts)


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE controller.journal SET record = record",
        "DELETE FROM controller.journal",
        "TRUNCATE controller.journal CASCADE",
    ],
)
def test_the_journal_is_neither_changed_nor_emptied(database: Connection[Any], attack: str) -> None:
    append(database)

    with pytest.raises(HistoryFixed):
        run(database, attack, {})


def test_a_row_changed_with_the_guards_off_is_named(database: Connection[Any]) -> None:
    second = [append(database) for _ in range(3)][1]
    database.execute("SET session_replication_role = replica")
    changed = replace(second, serial=7).to_bytes().decode()
    database.execute("UPDATE controller.journal SET record = %s WHERE seq = 2", [changed])

    with pytest.raises(JournalBroken) as broken:
        journal.verify_chain(database, "one")

    assert broken.value.seq == 2


def test_a_row_removed_with_the_guards_off_is_named(database: Connection[Any]) -> None:
    for _ in range(3):
        append(database)
    database.execute("SET session_replication_role = replica")
    database.execute("DELETE FROM controller.journal WHERE seq = 2")

    with pytest.raises(JournalBroken) as broken:
        journal.verify_chain(database, "one")

    assert (broken.value.seq, broken.value.reason) == (2, "the record is missing")


def test_the_second_writer_waits_and_continues_what_the_first_wrote(
    database: Connection[Any], database_url: str
) -> None:
    with connect(database_url, application_name="other") as other:
        with transaction(database):
            journal.append(database, "one", lambda link: record(link.seq + 1, prev=link.sha256))
            other.execute("SET statement_timeout = '200ms'")
            with pytest.raises(Exception, match="timeout"):
                append(other)
            other.rollback()

        assert append(other).seq == 2
