"""What is known of a whole file: nothing may count as plain that needs a look."""

from hashlib import sha256

import pytest

from controller.plan.whole import FileFacts, read_facts
from tests.support.directory import cells, csv

ALPHA = cells("participants", id="alpha", name="Alpha")
BETA = cells("participants", id="beta", name="Beta")
NARROW = b"id,name\nalpha,Alpha\nbeta,Beta\n"


def facts(data: bytes, columns: tuple[str, ...] = (), rows: int = 0, *, plain: bool) -> FileFacts:
    return FileFacts(sha256(data).digest(), len(data), columns, rows, plain)


def test_a_file_whose_rows_each_stand_for_a_key_is_plain() -> None:
    assert read_facts(NARROW, "participants") == facts(NARROW, ("id", "name"), 2, plain=True)


def test_a_file_with_a_row_that_has_a_window_of_its_own_is_read_but_not_plain() -> None:
    data = csv("participants", [ALPHA, (*BETA[:-1], "2027-01-20T00:00:00Z")])

    found = read_facts(data, "participants")

    assert (found.rows, found.is_plain, found.size_bytes) == (2, False, len(data))
    assert read_facts(csv("participants", [ALPHA, BETA]), "participants").is_plain


def test_a_key_that_stands_twice_makes_a_file_that_is_not_plain() -> None:
    data = b"id,name\nalpha,Again\nalpha,Alpha\n"

    assert read_facts(data, "participants") == facts(data, ("id", "name"), 2, plain=False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"name,id\nAlpha,alpha\n",
        b"id,colour\nalpha,blue\n",
        b"id,n\xffme\nalpha,Alpha\n",
        b"\xff\nalpha\n",
        NARROW.removesuffix(b"\n"),
        NARROW.replace(b"\n", b"\r\n"),
        NARROW + b"gamma\n",
        b"id,name\nbeta,Beta\nalpha,Alpha\n",
        NARROW.replace(b"Beta", b"B\xffta"),
    ],
)
def test_what_is_no_canonical_file_of_its_table_is_known_by_its_bytes_alone(data: bytes) -> None:
    assert read_facts(data, "participants") == facts(data, plain=False)


def test_a_document_of_rules_is_never_plain() -> None:
    data = b'{"rules":[]}'

    assert read_facts(data, "rules") == facts(data, plain=False)
    assert read_facts(NARROW, "rules") == facts(NARROW, plain=False)
