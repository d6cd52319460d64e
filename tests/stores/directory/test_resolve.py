"""Answers as of an instant."""

from typing import Any

import pytest

from controller.adapters.postgres import Connection
from controller.plan.rows import StoredRow
from controller.plan.shard import ShardChange
from controller.stores.directory import store
from controller.stores.directory.model import Gone, IdentifierMatch, Reach
from controller.stores.directory.resolve import NotAnIin
from tests.support.directory import (
    FILE,
    OPEN,
    MemoryObjects,
    card_range,
    changes,
    day,
    days,
    participant,
    row,
    shards,
    version,
)

Database = Connection[Any]


def holds(database: Database, *rows: StoredRow) -> None:
    some: list[ShardChange] = shards(rows)
    store.apply(database, some, revision=1, changed={})


def bic(value: str, **more: str) -> StoredRow:
    return row("identifiers", OPEN, FILE, participant_id="a", scheme="bic", value=value, **more)


def test_an_identifier_answers_with_its_participant_and_its_source(database: Database) -> None:
    holds(database, participant("a", days(None, 9), roles="issuer|psp"), bic("AAAADEFF"))

    match = store.resolve_identifier(database, "bic", "AAAADEFF", day(1))

    assert isinstance(match, IdentifierMatch)
    assert match.participant is not None
    assert match.participant.roles == ("issuer", "psp")
    assert (match.identifier.source, match.valid_until) == (FILE, day(9))


def test_an_unknown_identifier_has_no_answer(database: Database) -> None:
    assert store.resolve_identifier(database, "bic", "AAAADEFF", day(1)) is None


def test_a_removed_identifier_is_gone_and_names_its_successor(database: Database) -> None:
    gone = bic("OLD", status="removed", successor_scheme="bic", successor_value="NEW")
    holds(database, participant("a"), gone, bic("NEW"))

    answer = store.resolve_identifier(database, "bic", "OLD", day(1))

    assert isinstance(answer, Gone)
    assert answer.identifier.successor == ("bic", "NEW")


def test_a_successor_is_followed_one_hop_and_no_further(database: Database) -> None:
    holds(
        database,
        participant("a"),
        bic("ONE", successor_scheme="bic", successor_value="TWO"),
        bic("TWO", successor_scheme="bic", successor_value="THREE"),
        bic("THREE"),
    )

    match = store.resolve_identifier(database, "bic", "ONE", day(1))

    assert isinstance(match, IdentifierMatch)
    assert match.identifier.value == "TWO"
    assert match.redirected_from is not None
    assert match.redirected_from.value == "ONE"


def test_the_smallest_range_that_holds_the_digits_answers(database: Database) -> None:
    holds(
        database,
        card_range("400000", scheme="wide"),
        card_range("40000012", scheme="narrow"),
    )

    narrow = store.resolve_iin(database, "400000123", day(1))
    wide = store.resolve_iin(database, "4000001", day(1))

    assert narrow is not None
    assert wide is not None
    assert (narrow.range.scheme, wide.range.scheme) == ("narrow", "wide")


def test_what_is_scheduled_answers_from_its_instant_on(database: Database) -> None:
    holds(
        database,
        card_range("400000", window=days(None, 5), scheme="old"),
        card_range("400000", window=days(5, None), scheme="new"),
    )

    old, new = (store.resolve_iin(database, "40000012", day(number)) for number in (4, 5))

    assert old is not None
    assert new is not None
    assert (old.range.scheme, old.valid_until) == ("old", day(5))
    assert (new.range.scheme, new.valid_until) == ("new", None)


def test_a_narrower_range_to_come_limits_the_answer(database: Database) -> None:
    holds(database, card_range("400000"), card_range("40000012", window=days(7, None)))

    match = store.resolve_iin(database, "40000012", day(1))

    assert match is not None
    assert match.valid_until == day(7)


@pytest.mark.parametrize("digits", ["40000", "400000000000", "40000x", "٤٠٠٠٠٠"])
def test_what_is_not_six_to_eleven_digits_is_refused_and_not_repeated(
    database: Database, digits: str
) -> None:
    with pytest.raises(NotAnIin) as refusal:
        store.resolve_iin(database, digits, day(1))

    assert digits not in str(refusal.value)


def endpoint(identifier: str, **more: str) -> StoredRow:
    return row("endpoints", OPEN, FILE, id=identifier, participant_id="a", **more)


def test_endpoints_come_by_priority_and_then_id(database: Database) -> None:
    holds(
        database,
        participant("a"),
        endpoint("late"),
        endpoint("tenth", priority="10"),
        endpoint("second-b", priority="2"),
        endpoint("second-a", priority="2"),
        endpoint("off", priority="1", status="suspended"),
    )

    found = [one.id for one in store.endpoints_of(database, "a", day(1))]

    assert found == ["second-a", "second-b", "tenth", "late"]


def test_endpoints_can_be_asked_for_a_message_and_a_currency(database: Database) -> None:
    euro = row("capabilities", days(None, 6), endpoint_id="e", message="pacs.008", currency="EUR")
    anything = row("capabilities", endpoint_id="f", message="pacs.008")
    holds(database, participant("a"), endpoint("e"), endpoint("f"), euro, anything)

    euros = store.endpoints_of(database, "a", day(1), reach=Reach("pacs.008", "EUR"))
    rupees = store.endpoints_of(database, "a", day(1), reach=Reach("pacs.008", "INR"))

    assert [(one.id, one.valid_until) for one in euros] == [("e", day(6)), ("f", None)]
    assert [one.id for one in rupees] == ["f"]


def test_the_next_boundary_is_the_first_start_or_end_after_now(database: Database) -> None:
    holds(database, participant("a", days(2, 8)), card_range("400000", window=days(5, None)))

    assert [store.next_boundary(database, day(n)) for n in (1, 2, 5, 8)] == [
        day(2),
        day(5),
        day(8),
        None,
    ]


def test_rules_answer_by_priority(database: Database) -> None:
    objects = MemoryObjects()
    document = b'{"version":1,"rules":[{"id":"b","priority":2},{"id":"a","priority":10}]}'
    some = changes(objects, [], [version(objects, {"rules/r.json": document})])
    store.apply(database, some, revision=1, changed={})

    assert store.rules_at(database, day(1)) == (
        '{"id":"b","priority":2}',
        '{"id":"a","priority":10}',
    )
