"""Strict CSV, finding by finding."""

import pytest

from controller.artifacts.rowtext import FIELD_SIZE_MAX
from controller.artifacts.strictcsv import (
    PROBLEMS_MAX,
    BadRow,
    Unwritable,
    lines,
    parse_line,
    read,
    render,
    render_row,
)

COLUMNS = ("id", "name", "status")
HEADER = b"id,name,status\n"


def spoken(data: bytes) -> list[tuple[int, str, str]]:
    return [(found.line, found.column, found.rule[-6:]) for found in read(data, COLUMNS)[1]]


@pytest.mark.allows("csv.ragged", "csv.formula")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"a,Bank,active\n",
        b'a,"Bank, North",active\nb,"the ""best""",\n',
        "a,Itaú Unibanco,\nb,中国银行,\n".encode(),
        b"a,Bank - North + South = 1,\n",
    ],
)
def test_a_canonical_file_has_no_problem(body: bytes) -> None:
    assert read(HEADER + body, COLUMNS)[1] == []


def test_a_row_stands_on_its_line() -> None:
    rows, _ = read(HEADER + b'a,"x,y",\nb\nc,z,active\n', COLUMNS)

    assert rows == [("a", "x,y", ""), ("b", "", ""), ("c", "z", "active")]


@pytest.mark.stops("csv.ragged")
@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\xef\xbb\xbf" + HEADER, (1, "", "ENC001")),
        (HEADER + b"a,\xff,\n", (2, "", "ENC001")),
        ((HEADER.decode() + "a,x,\n").encode("utf-16"), (1, "", "ENC001")),
        (HEADER + b"a,x,\r\n", (1, "", "ENC006")),
        (HEADER + b"a,x,", (2, "", "ENC006")),
        (HEADER + b'a,"x",\n', (2, "", "ENC006")),
        (HEADER + b'a,x"y,\n', (2, "", "ENC006")),
        (HEADER + b'a,"x,\n', (2, "", "ENC006")),
        (b'"id",name,status\n', (1, "", "ENC006")),
        (HEADER + b"a,x\n", (2, "", "ENC007")),
        (HEADER + b"a,x,,\n", (2, "", "ENC007")),
        (HEADER + b"\n", (2, "", "ENC007")),
        (b"", (1, "", "ENC007")),
        (b"id,status,name\n", (1, "name", "ENC007")),
        (b"id,name\n", (1, "", "ENC007")),
        (HEADER + b"a, x,\n", (2, "name", "ENC002")),
        (HEADER + b"a,x ,\n", (2, "name", "ENC002")),
        (HEADER + b" a,x,\n", (2, "id", "ENC002")),
        (HEADER + b"a,x, \n", (2, "status", "ENC002")),
        (HEADER + "a,x\u00a0,\n".encode(), (2, "name", "ENC002")),
        (HEADER + b"a,x\0y,\n", (2, "name", "ENC002")),
        (HEADER + b"a,x\x7f,\n", (2, "name", "ENC002")),
        (HEADER + "a,x\u0085y,\n".encode(), (2, "name", "ENC002")),
        (HEADER + "a,\u202exyz,\n".encode(), (2, "name", "ENC002")),
        (HEADER + "a,x\u200by,\n".encode(), (2, "name", "ENC002")),
        (HEADER + "a,x\ufeffy,\n".encode(), (2, "name", "ENC002")),
        (HEADER + "a,x\U000e0041y,\n".encode(), (2, "name", "ENC002")),
        (HEADER + "a,Itau\u0301,\n".encode(), (2, "name", "ENC002")),
        (HEADER + b"a,=1+1,\n", (2, "name", "ENC008")),
        (HEADER + b"a,+4930123,\n", (2, "name", "ENC008")),
        (HEADER + b"-a,x,\n", (2, "id", "ENC008")),
        (HEADER + b'a,"@x,y",\n', (2, "name", "ENC008")),
        (HEADER + b"a," + b"x" * (FIELD_SIZE_MAX + 1) + b",\n", (2, "name", "ENC009")),
        (HEADER + b"b,x,\na,x,\n", (3, "", "ORD001")),
        (HEADER + b"a,x,\na,x,\n", (3, "", "DUP000")),
    ],
)
def test_each_fault_is_named_with_its_place(data: bytes, problem: tuple[int, str, str]) -> None:
    assert spoken(data) == [problem]


@pytest.mark.stops("csv.formula")
def test_a_tab_at_the_start_is_a_formula_and_unseen() -> None:
    assert {rule for _, _, rule in spoken(HEADER + b"a,\tx,\n")} == {"ENC008", "ENC002"}


def test_a_cell_of_exactly_the_longest_size_is_read() -> None:
    assert spoken(HEADER + b"a," + b"x" * FIELD_SIZE_MAX + b",\n") == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (HEADER.replace(b"\n", b"\r") + b"a,x,\r", "lines end with CR alone"),
        (HEADER + b"a,x,\r\n", "1 line ends with CR LF"),
        (HEADER.replace(b"\n", b"\r\n") + b"a,x,\r\n", "2 lines end with CR LF"),
    ],
)
def test_other_line_ends_are_called_by_their_name(data: bytes, message: str) -> None:
    assert [problem.message for problem in read(data, COLUMNS)[1]] == [message]


def test_every_problem_is_reported_in_one_go() -> None:
    found = spoken(HEADER + b"b,=x,\na, y\n")

    assert [rule for _, _, rule in found] == ["ENC008", "ENC007", "ENC002", "ORD001"]


def test_the_list_of_problems_ends_and_says_so() -> None:
    rows, problems = read(HEADER + b"".join(b"a%06d,=,\n" % i for i in range(5000)), COLUMNS)

    assert len(rows) == 5000
    assert len(problems) == PROBLEMS_MAX + 1
    assert problems[-1].message.startswith("more than")


def test_no_message_repeats_a_card_number() -> None:
    number = b"4571736012345678"
    data = HEADER + b"=" + number + b", " + number + b",\n" + number + b"\n" + number + b"\n"

    said = " ".join(found.message + found.hint for found in read(data, COLUMNS)[1])

    assert number.decode() not in said


@pytest.mark.parametrize(
    ("columns", "body", "in_order"),
    [
        (("iin_start", "iin_end", "brand"), b"45717,,a\n457170,457179,b\n", True),
        (("iin_start", "iin_end", "brand"), b"457170,457179,b\n457170,457171,a\n", False),
        (("iin_start", "iin_end", "brand"), b"45717360,,b\n5,,a\n", True),
        (("participant_id", "scheme", "value"), b"z,bic,A\na,bic,B\n", True),
        (("participant_id", "scheme", "value"), b"a,bic,B\nz,bic,A\n", False),
        (("account", "amount"), b"a,2\nb,1\n", True),
        (("account", "amount"), b"b,1\na,2\n", False),
    ],
)
def test_rows_are_in_order_of_their_tables_key(
    columns: tuple[str, ...], body: bytes, *, in_order: bool
) -> None:
    _, problems = read(",".join(columns).encode() + b"\n" + body, columns)

    assert [found.rule for found in problems] == ([] if in_order else ["common/ORD001"])


def test_one_line_is_read_alone() -> None:
    assert parse_line('a,"x,""y""",', 3) == ("a", 'x,"y"', "")


@pytest.mark.parametrize("line", ["a,b", "a,b,c,d", '"a",b,c', 'a"b,c,d', '"a,b,c'])
def test_a_line_that_is_not_canonical_is_refused(line: str) -> None:
    with pytest.raises(BadRow):
        parse_line(line, 3)


def test_a_cell_with_a_line_break_is_never_written() -> None:
    with pytest.raises(Unwritable):
        render_row(("a", "x\ny"))


def test_rows_are_written_in_order_with_quotes_only_where_needed() -> None:
    data = render(COLUMNS, [("b", "x,y", ""), ("a", 'say "hi"', "active")])

    assert data == HEADER + b'a,"say ""hi""",active\nb,"x,y",\n'


def test_lines_are_what_stands_behind_the_header() -> None:
    assert lines(HEADER + b"a,x,\nb,y,\n") == [b"a,x,", b"b,y,"]
    assert lines(HEADER) == []
    assert lines(b"") == []
    assert lines(HEADER + b"a,x,") == [b"a,x,"]
