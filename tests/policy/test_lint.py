"""The linter on rows, files, documents and whole sets."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.kernel.findings import Severity
from controller.kernel.instants import Window
from controller.policy.lint import (
    LintBundle,
    lint_dataset,
    lint_document,
    lint_rows,
    lint_shard,
    stray,
)
from tests.support.policies import judge, rail_row, row, shipped

CARD = shipped()["card-bin"]
CHAINS = shipped()["caip"]
LONG = re.compile(r"[0-9]{12}")


def _bundle(**tables: list[tuple[str, ...]]) -> LintBundle:
    placed = {
        table: [(cells, f"{table}.csv", line) for line, cells in enumerate(rows, start=2)]
        for table, rows in tables.items()
    }
    return LintBundle("card-bin/test", CARD, Window(), placed)


def test_a_good_row_has_no_finding() -> None:
    assert judge(CARD, "ranges", iin_start="45717360", scheme="visa", country="DK") == []


def test_every_wrong_cell_of_a_row_is_reported() -> None:
    found = judge(CARD, "ranges", iin_start="457", number_length="99", country="UK")

    assert found == ["card-bin/SYN001", "card-bin/SYN003", "common/GEO001"]


def test_a_row_stands_on_the_line_it_came_from() -> None:
    rows = [rail_row(CARD, "ranges", iin_start=one) for one in ("457173", "x", "457174")]

    (found,) = lint_rows(CARD, "ranges", rows, [10, 20, 30], "ranges/4.csv")

    assert (found.file, found.line, found.column) == ("ranges/4.csv", 20, "iin_start")
    assert found.hint


def test_no_rows_have_no_findings() -> None:
    assert lint_rows(CARD, "ranges", [], [], "ranges.csv") == []
    assert lint_dataset([]) == []


@given(st.text("0123456789 -", min_size=12, max_size=24))
def test_a_finding_never_shows_a_whole_long_number(value: str) -> None:
    for cells in ({"iin_start": value}, {"iin_start": "457173", "brand": value}):
        made = rail_row(CARD, "ranges", **cells)
        for found in lint_rows(CARD, "ranges", [made], [2], "ranges.csv"):
            assert not LONG.search(re.sub("[ -]", "", found.message))


def test_a_card_number_is_found_in_any_cell_and_named_once() -> None:
    assert judge(CARD, "ranges", iin_start="4571736012345678") == ["card-bin/SYN002"]
    assert judge(CARD, "ranges", iin_start="457173", brand="4571 7360 1234 5678") == [
        "card-bin/SYN002"
    ]


def test_a_file_is_read_and_judged_at_once() -> None:
    header = ",".join(CARD.tables["participants"].columns)
    good = f"{header}\nacme,Acme,,DK,issuer,,,,,\n".encode()

    rows, found = lint_shard(CARD, "participants", good, "participants.csv")
    assert (len(rows), found) == (1, [])

    rows, found = lint_shard(CARD, "participants", good.replace(b"DK", b"ZZ"), "participants.csv")
    assert [(one.rule, one.line) for one in found] == [("common/GEO001", 2)]


def test_a_document_is_judged_with_pointer_and_line() -> None:
    data = b'{"version": 1,\n "rules": [\n  {"id": "a", "priority": "1", "match": {"x": "y"},\n'
    data += b'   "participant_id": "acme"}]}'

    (found,) = lint_document(CARD, "rules", data, "rules/a.json")

    assert (found.rule, found.line, found.column) == ("common/SYN001", 3, "/rules/0/priority")
    assert found.message.endswith("(column 15)")
    assert lint_document(CARD, "rules", data.replace(b'"1"', b"1"), "rules/a.json") == []


@pytest.mark.parametrize(
    ("data", "column", "hint"),
    [
        (b"[" * 33, 33, "write it with fewer levels"),
        (b'{"a":1,\n  "a":2}', 3, "write every key once"),
        (b'{"a":1,}', 8, "see the commas, quotes and brackets here and just before"),
    ],
)
def test_a_document_that_is_not_json_says_in_which_column_and_how_to_mend_it(
    data: bytes, column: int, hint: str
) -> None:
    (found,) = lint_document(CARD, "rules", data, "rules/a.json")

    assert found.message.endswith(f"(column {column})")
    assert found.hint == hint


def test_a_stray_file_is_told_what_its_rail_has() -> None:
    found = stray(CARD, "files/ranges.yaml")

    assert (found.rule, found.severity) == ("common/ENC010", Severity.ERROR)
    assert "ranges.csv or ranges/*.csv, rules/*.json" in found.hint


def test_references_may_lead_to_another_bundle() -> None:
    holder = _bundle(participants=[row("participants", id="acme", name="Acme")])
    ranges = _bundle(ranges=[row("ranges", iin_start="457173", participant_id="acme")])

    assert [one.rule for one in lint_dataset([ranges])] == ["common/REF001"]
    assert lint_dataset([ranges, holder]) == []


def test_two_bundles_of_two_rails_may_not_declare_one_identifier() -> None:
    def chains(name: str) -> LintBundle:
        made = {
            "participants": [row("participants", id=name, name=name)],
            "identifiers": [
                row("identifiers", participant_id=name, scheme="caip2", value="eip155:1")
            ],
            "endpoints": [
                row(
                    "endpoints",
                    id=name,
                    participant_id=name,
                    protocol="jsonrpc",
                    address=f"https://{name}.example.org",
                )
            ],
        }
        placed = {
            table: [(cells, f"{name}/{table}.csv", 2) for cells in rows]
            for table, rows in made.items()
        }
        return LintBundle(f"caip/{name}", CHAINS, Window(), placed)

    assert lint_dataset([chains("one")]) == []
    found = lint_dataset([chains("one"), chains("two")])
    assert [(one.rule, one.file) for one in found] == [("common/DUP001", "two/identifiers.csv")]


def test_two_versions_with_adjoining_windows_do_not_conflict() -> None:
    june = "2026-06-01T00:00:00Z"
    tables = _bundle(
        participants=[row("participants", id="acme", name="Acme")],
        ranges=[row("ranges", iin_start="457173", participant_id="acme")],
    ).tables
    before = LintBundle("card-bin/a", CARD, Window.parse(None, june), tables)
    after = LintBundle("card-bin/a", CARD, Window.parse(june, None), tables)
    always = LintBundle(
        "card-bin/a",
        CARD,
        Window(),
        {name: [(c, "b", n) for c, _, n in rows] for name, rows in tables.items()},
    )

    assert lint_dataset([before, after]) == []
    assert {one.rule for one in lint_dataset([before, always])} == {
        "common/WIN001",
        "card-bin/RNG003",
    }
