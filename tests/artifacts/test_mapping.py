"""The mapping language, and what the shipped mappings and rails make of real data."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from controller.artifacts import strictcsv
from controller.artifacts.mapping import (
    BadMapping,
    MappedTables,
    SourceMismatch,
    apply_mapping,
    read_mapping,
    slug,
)
from controller.artifacts.tables import TABLES, span
from controller.kernel.findings import Severity
from controller.kernel.instants import Window
from controller.policy.admission import Accepted, accept
from controller.policy.dataset import LintBundle, Row, encounters
from controller.policy.lint import lint_dataset, lint_shard, widen
from tests.support.policies import POLICIES, shipped

PLAIN: dict[str, Any] = {
    "version": 1,
    "rail": "card-bin",
    "sources": [{"role": "rows", "files": "*.csv", "format": "csv", "ignore": ["note"]}],
    "tables": {
        "participants": [
            {
                "from": "rows",
                "when": {"bank": "present"},
                "columns": {"id": {"from": "bank", "ops": ["slug"]}, "name": {"from": "bank"}},
            }
        ]
    },
}


def _mapping(**changes: Any) -> bytes:
    return json.dumps({**PLAIN, **changes}).encode()


def _apply(document: bytes, *sources: tuple[str, str]) -> MappedTables:
    files = [(name, text.encode()) for name, text in sources]
    return apply_mapping(read_mapping(document), files)


def _shipped(rail: str, name: str, files: list[Path]) -> tuple[MappedTables, Accepted]:
    mapping = read_mapping((POLICIES / rail / "mappings" / f"{name}.json").read_bytes())
    mapped = apply_mapping(mapping, [(path.name, path.read_bytes()) for path in files])
    return mapped, accept(shipped()[rail], mapped.tables)


def _sizes(tables: Any) -> dict[str, int]:
    return {table: len(rows) for table, rows in tables.items()}


def _errors_after(rail_name: str, accepted: Accepted) -> list[str]:
    """Write what was accepted as files, read it again as the daemon would, and lint it."""
    rail = shipped()[rail_name]
    errors = []
    placed = {}
    for table, rows in accepted.tables.items():
        data = strictcsv.render(rail.tables[table].columns, rows)
        read, found = lint_shard(rail, table, data, f"{table}/all.csv")
        assert read == rows
        # One file of everything is over the size of a shard; that is all that may be said.
        errors += [one for one in found if one.rule != "common/ENC009"]
        full = widen(rail, table, read)
        placed[table] = [(cells, f"{table}.csv", line) for line, cells in enumerate(full, start=2)]
    errors += lint_dataset([LintBundle(f"{rail_name}/import", rail, Window(), placed)])
    return [str(one) for one in errors if one.severity is Severity.ERROR]


def test_a_row_knows_its_file_and_line() -> None:
    mapped = _apply(_mapping(), ("a.csv", 'bank,note\nAcme,"x\ny"\nNordéa Bank,\n,z\n'))

    assert [(row.cells[:2], row.source, row.line) for row in mapped.tables["participants"]] == [
        (("acme", "Acme"), "a.csv", 2),
        (("nordea-bank", "Nordéa Bank"), "a.csv", 4),
    ]


def test_the_same_row_from_two_places_is_one_row_in_any_order_of_files() -> None:
    files = [("b.csv", "bank,note\nAcme,\n"), ("a.csv", "bank,note\nAcme,\nOther,\n")]

    mapped = _apply(_mapping(), *files)

    assert mapped == _apply(_mapping(), *reversed(files))
    assert [row.source for row in mapped.tables["participants"]] == ["a.csv", "a.csv"]


def test_a_source_column_that_nobody_uses_or_ignores_is_refused() -> None:
    with pytest.raises(SourceMismatch, match="fax"):
        _apply(_mapping(), ("a.csv", "bank,note,fax\nAcme,,\n"))


def test_a_source_column_that_is_missing_is_refused() -> None:
    with pytest.raises(SourceMismatch, match="bank"):
        _apply(_mapping(), ("a.csv", "note\nx\n"))


def test_a_file_that_no_source_expects_is_refused() -> None:
    with pytest.raises(SourceMismatch):
        _apply(_mapping(), ("a.json", "{}"))


def test_a_source_without_a_file_is_refused() -> None:
    with pytest.raises(SourceMismatch, match="rows"):
        _apply(_mapping())


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"surprise": 1},
        {"tables": {"planets": []}},
        {"tables": {"participants": [{"from": "nobody", "columns": {}}]}},
        {"tables": {"participants": [{"from": "rows", "columns": {"planet": {"from": "bank"}}}]}},
        {
            "tables": {
                "participants": [
                    {"from": "rows", "columns": {"id": {"from": "bank", "ops": ["eval"]}}}
                ]
            }
        },
        {
            "tables": {
                "participants": [
                    {"from": "rows", "columns": {"id": {"template": "{a.b}", "parts": {}}}}
                ]
            }
        },
        {
            "tables": {
                "participants": [
                    {
                        "from": "rows",
                        "columns": {
                            "id": {
                                "lookup": "rows",
                                "key": {"from": "bank"},
                                "else": {"constant": ""},
                            }
                        },
                    }
                ]
            }
        },
    ],
)
def test_what_the_language_does_not_have_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadMapping):
        read_mapping(_mapping(**changes))


def test_a_value_without_a_word_in_a_map_is_a_finding_and_its_row_is_left_out() -> None:
    word = {"from": "bank", "ops": [{"map": {"Acme": "acme"}}]}
    document = _mapping(
        tables={"participants": [{"from": "rows", "columns": {"id": word, "name": word}}]}
    )

    mapped = _apply(document, ("a.csv", "bank,note\nAcme,\nOther,\n"))

    assert len(mapped.tables["participants"]) == 1
    assert [(one.rule, one.line, one.column) for one in mapped.findings] == [
        ("common/MAP001", 3, "id")
    ]


def test_members_lists_lookups_and_padding_make_codes() -> None:
    code = {
        "template": "{bank}0{branch}",
        "parts": {"bank": {"from": "@key"}, "branch": {"from": "@item", "ops": [{"zero_pad": 6}]}},
    }
    owner = {"lookup": "sub", "key": code, "else": {"from": "@key"}, "ops": ["lower"]}
    document = _mapping(
        sources=[
            {"role": "codes", "files": "codes.json", "format": "json", "shape": "members"},
            {"role": "sub", "files": "sub.json", "format": "json", "shape": "members"},
        ],
        tables={
            "identifiers": [
                {
                    "from": "codes",
                    "each": "",
                    "columns": {"participant_id": owner, "value": code},
                }
            ]
        },
    )

    mapped = _apply(
        document, ("codes.json", '{"SBIN": [1, "00A00B"]}'), ("sub.json", '{"SBIN0000001": "ABCX"}')
    )

    assert [(row.cells[0], row.cells[2]) for row in mapped.tables["identifiers"]] == [
        ("abcx", "SBIN0000001"),
        ("sbin", "SBIN000A00B"),
    ]


def test_a_slug_is_a_path_segment_and_long_names_stay_apart() -> None:
    assert slug("Grønlandsbanken A/S") == "gronlandsbanken-a-s"
    assert slug("") == ""
    assert len(slug("x" * 70)) == 64
    assert slug("x" * 70) != slug("x" * 71)
    assert slug("銀行") != slug("口座")


def test_rows_that_refer_to_a_row_left_out_are_left_out_too() -> None:
    mapped = _apply(
        _mapping(
            sources=[{"role": "rows", "files": "*.csv", "format": "csv"}],
            tables={
                "participants": PLAIN["tables"]["participants"],
                "ranges": [
                    {
                        "from": "rows",
                        "columns": {
                            "iin_start": {"from": "iin"},
                            "participant_id": {"from": "bank", "ops": ["slug"]},
                        },
                    }
                ],
            },
        ),
        ("a.csv", "iin,bank\n457173,Acme\n457174,Dirty \n"),
    )

    accepted = accept(shipped()["card-bin"], mapped.tables)

    assert _sizes(accepted.tables) == {"participants": 1, "ranges": 1}
    assert accepted.counts() == {"common/ENC002": 1, "common/REF001": 1}
    assert [one.row.line for one in accepted.rejected] == [3, 3]


def test_binlist_comes_in_but_for_what_the_rail_refuses(shared_dir: Path) -> None:
    mapped, accepted = _shipped("card-bin", "binlist", [shared_dir / "data/binlist/ranges.csv"])

    assert _sizes(mapped.tables) == {"participants": 1435, "ranges": 5805}
    # 26 source rows have white space at an edge: 24 in the bank's name, 2 in columns that the
    # mapping ignores. The 24 are ranges of 9 participants, and go with them. Two names differ
    # from another's in case only.
    assert accepted.counts() == {
        "common/ENC002": 9,
        "common/REF001": 24,
        "common/WIN001": 2,
    }
    assert _sizes(accepted.tables) == {"participants": 1424, "ranges": 5781}
    assert _errors_after("card-bin", accepted) == []


def test_binlist_resolves_a_range_that_was_asked_for(shared_dir: Path) -> None:
    _, accepted = _shipped("card-bin", "binlist", [shared_dir / "data/binlist/ranges.csv"])
    low, high = span("45717360", "")

    spans = [span(row[0], row[1]) for row in accepted.tables["ranges"]]

    assert any(first <= low and high <= last for first, last in spans)


def test_binlist_has_622_nested_ranges_319_of_another_bank(shared_dir: Path) -> None:
    mapped, _ = _shipped("card-bin", "binlist", [shared_dir / "data/binlist/ranges.csv"])
    rows = [Row(row.cells, row.source, row.line, "", "~") for row in mapped.tables["ranges"]]
    holder = TABLES["ranges"].columns.index("participant_id")

    met = encounters(rows)

    assert (met.partial, met.equal, len(met.nested)) == ([], [], 622)
    pairs = [(rows[inner].cells, rows[outer].cells) for inner, outer in met.nested]
    assert sum(inner[holder] != outer[holder] for inner, outer in pairs) == 319
    # The other 303 have the same bank but another brand and number length, so none is redundant.


def test_ifsc_comes_in_but_for_one_bank_with_a_space_behind_its_name(shared_dir: Path) -> None:
    folder = shared_dir / "data/ifsc"
    names = ["IFSC.json", "banknames.json", "sublet.json", "banks.json"]

    mapped, accepted = _shipped("in-imps-neft", "ifsc", [folder / name for name in names])

    scheme = TABLES["identifiers"].columns.index("scheme")
    schemes = Counter(row.cells[scheme] for row in mapped.tables["identifiers"])
    assert schemes == {"in-ifsc": 182_295, "in-bank-code": 1344}
    assert accepted.counts() == {"common/ENC002": 1, "common/REF001": 2}
    # 111 prefixes have no row in banks.json; the only code of one, FSFB, belongs to the bank that
    # was refused and is out with it.
    assert Counter(one.rule for one in accepted.findings) == {
        "common/REF002": 76,
        "in-imps-neft/REF080": 110,
    }
    assert _errors_after("in-imps-neft", accepted) == []


def test_evm_chains_come_in_but_for_addresses_nobody_should_call(shared_dir: Path) -> None:
    files = sorted((shared_dir / "data/evm-chains/chains").glob("*.json"))

    mapped, accepted = _shipped("caip", "evm-chains", files)

    assert _sizes(mapped.tables) == {"endpoints": 2118, "identifiers": 2689, "participants": 1339}
    # 58 addresses in the clear; 22 placeholders, 9 IP addresses and 2 with a password in them.
    assert accepted.counts() == {"common/DUP002": 1, "common/URL002": 58, "common/URL003": 33}
    assert Counter(one.rule for one in accepted.findings) == {
        "common/DUP003": 3,
        "common/REF002": 105,
    }
    assert _errors_after("caip", accepted) == []
