"""The linter on rows, files, documents and whole sets."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.artifacts.mapping import MappedRow
from controller.kernel.findings import Finding, Severity
from controller.kernel.instants import Window
from controller.policy.admission import accept
from controller.policy.lint import (
    LintBundle,
    lint_dataset,
    lint_document,
    lint_rows,
    lint_shard,
    stray,
)
from controller.policy.rail import Rail, read_rails
from tests.support.policies import judge, policy_files, rail_row, row, shipped

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


@pytest.mark.parametrize(
    ("brand", "is_found"),
    [("457173601234", True), ("4571-7360 1234", True), ("45717360123", False)],
)
def test_a_card_number_begins_at_twelve_digits(brand: str, is_found: bool) -> None:
    rules = judge(CARD, "ranges", iin_start="457173", brand=brand)

    assert rules == ["card-bin/SYN002"] * is_found


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


def _families(*files: tuple[str, int], owner: str) -> list[tuple[tuple[str, ...], str, int]]:
    """Return a range in each file, and as many of an owner inside it as the file's number says."""
    made = []
    for at, (path, count) in enumerate(files):
        start = f"45717{at}"
        made.append((row("ranges", iin_start=start, participant_id="acme"), path, 2))
        made += [
            (row("ranges", iin_start=f"{start}{one:02}", participant_id=owner), path, one + 3)
            for one in range(count)
        ]
    return made


def _nested(rail: Rail, *files: tuple[str, int], owner: str) -> list[Finding]:
    people = [
        (row("participants", id=name, name=name), "p.csv", at) for at, name in enumerate("ab", 2)
    ]
    people += [(row("participants", id="acme", name="Acme"), "p.csv", 4)]
    tables = {"participants": people, "ranges": _families(*files, owner=owner)}
    found = lint_dataset([LintBundle("card-bin/test", rail, Window(), tables)])
    return [one for one in found if one.rule != "common/REF002"]


@pytest.mark.parametrize(
    ("rule", "owner"), [("card-bin/RNG005", "a"), ("card-bin/RNG004", "acme")], ids=["005", "004"]
)
def test_of_very_many_nested_ranges_the_first_of_each_file_are_named(rule: str, owner: str) -> None:
    found = _nested(CARD, ("ranges/1.csv", 50), ("ranges/2.csv", 3), owner=owner)

    assert [(one.rule, one.file, one.line, one.column) for one in found] == [
        (rule, path, line, "iin_start")
        for path in ("ranges/1.csv", "ranges/2.csv")
        for line in (3, 4, 5)
    ]
    said = [one.message.removeprefix(CARD.rule(rule).message) for one in found]
    assert said[0] == ": one of 50 here, 45717000 and 457170 in ranges/1.csv line 2"
    assert said[3] == ": 45717100 and 457171 in ranges/2.csv line 2"


def test_where_a_rail_makes_nested_ranges_an_error_each_of_them_is_named() -> None:
    files = policy_files()
    document = json.loads(files["card-bin/rules.json"])
    for rule in document["rules"]:
        if rule["id"] == "card-bin/RNG005":
            rule["severity"] = "error"
    rail = read_rails({**files, "card-bin/rules.json": json.dumps(document).encode()})["card-bin"]

    found = _nested(rail, ("ranges.csv", 50), owner="a")

    assert [one.line for one in found] == list(range(3, 53))
    assert {one.rule for one in found} == {"card-bin/RNG005"}


def test_an_import_names_the_lines_of_its_source() -> None:
    rows = _families(("ranges", 5), owner="a")
    mapped = {
        "participants": [
            MappedRow(row("participants", id=name, name=name), "bins.csv", 70)
            for name in ("a", "acme")
        ],
        "ranges": [MappedRow(cells, "bins.csv", 80 + line) for cells, _, line in rows],
    }

    found = [one for one in accept(CARD, mapped).findings if one.rule == "card-bin/RNG005"]

    assert [(one.file, one.line) for one in found] == [("bins.csv", at) for at in (83, 84, 85)]
    assert found[0].message.endswith("one of 5 here, 45717000 and 457170 in bins.csv line 82")


def test_errors_about_ranges_are_all_named() -> None:
    twice = [row("ranges", iin_start=f"45717{one}", participant_id="a") for one in range(9)] * 2

    found = lint_dataset(
        [_bundle(participants=[row("participants", id="a", name="A")], ranges=twice)]
    )

    # The second of each two, although reading a file would have said that a line stands twice.
    assert [(one.rule, one.line) for one in found] == [
        ("card-bin/RNG003", line) for line in range(11, 20)
    ]


def test_a_range_that_ends_before_it_starts_is_left_to_the_rule_about_it() -> None:
    def found(start: str, end: str) -> list[str]:
        ranges = [
            row("ranges", iin_start="457100", iin_end="457199", participant_id="a"),
            row("ranges", iin_start=start, iin_end=end, participant_id="a"),
        ]
        people = [row("participants", id="a", name="A")]
        return [one.rule for one in lint_dataset([_bundle(participants=people, ranges=ranges)])]

    assert found("457180", "457170") == []
    assert found("457170", "457180") == ["card-bin/RNG004"]
