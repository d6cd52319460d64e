"""Import: what the rail lets in becomes shards, what it refuses is said by rule."""

import json
from pathlib import Path

import pytest

from controller.adapters.shipped import shipped
from controller.artifacts.layout import BundleId
from controller.authoring.draft import UnknownRail
from controller.authoring.importing import (
    Imported,
    NoMapping,
    NothingAccepted,
    UnreadableSource,
    import_files,
    rejects,
)
from controller.authoring.resharding import Unreadable, reshard
from tests.support.authoring import CARDS, PRODUCTION, Shop

BINLIST = BundleId("card-bin", "binlist")
FILES = f"bundles/{BINLIST}/files"
HEADER = (
    "iin_start,iin_end,number_length,number_luhn,scheme,brand,type,prepaid,country,bank_name,"
    "bank_logo,bank_url,bank_phone,bank_city\n"
)
GOOD = "457173,,16,,visa,Visa/Dankort,debit,,DK,Jyske Bank,,,,\n"
SHORT = "4571,,16,,visa,Visa,debit,,DK,Jyske Bank,,,,\n"


def source(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "ranges.csv"
    path.write_text(HEADER + "".join(lines))
    return path


def imported(shop: Shop, *files: Path, mapping: str = "binlist") -> Imported:
    return import_files(shop.workspace, BINLIST, mapping, files, environment=PRODUCTION)


def test_accepted_rows_become_tables_and_a_draft(shop: Shop, tmp_path: Path) -> None:
    done = imported(shop, source(tmp_path, GOOD))

    assert dict(done.rows) == {"participants": 1, "ranges": 1}
    assert done.refused == 0
    assert b"457173," in shop.read(f"{FILES}/ranges.csv")
    assert json.loads(shop.read(f"bundles/{BINLIST}/draft.json"))["environments"] == [PRODUCTION]


def test_what_was_imported_can_be_signed_as_it_is(shop: Shop, tmp_path: Path) -> None:
    imported(shop, source(tmp_path, GOOD, SHORT))

    assert shop.sign("alice", "bob", bundle=BINLIST).version == 1


def test_a_refused_row_stays_out_and_is_reported_by_rule(shop: Shop, tmp_path: Path) -> None:
    done = imported(shop, source(tmp_path, GOOD, SHORT))

    assert dict(done.refused_by_rule) == {"card-bin/SYN001": 1}
    assert [(one.file, one.line) for one in done.refusals()] == [("ranges.csv", 3)]
    (line,) = rejects(done)
    assert json.loads(line)["row"]["iin_start"] == "4571"


def test_when_every_row_is_refused_nothing_is_written(shop: Shop, tmp_path: Path) -> None:
    bad = SHORT.replace("Jyske Bank", "")

    with pytest.raises(NothingAccepted):
        imported(shop, source(tmp_path, bad))

    assert shop.status() == ""


def test_the_tables_that_were_there_are_replaced(shop: Shop, tmp_path: Path) -> None:
    imported(shop, source(tmp_path, GOOD))
    shop.write(f"{FILES}/ranges/99.csv", shop.read(f"{FILES}/ranges.csv"))
    shop.write(f"{FILES}/rules/mine.json", b'{"version": 1, "rules": []}\n')

    done = imported(shop, source(tmp_path, GOOD.replace("457173", "457174")))

    assert done.removed == (f"{FILES}/ranges/99.csv",)
    assert b"457173" not in shop.read(f"{FILES}/ranges.csv")
    assert (shop.folder / FILES / "rules/mine.json").exists()


def test_importing_the_same_again_changes_nothing(shop: Shop, tmp_path: Path) -> None:
    imported(shop, source(tmp_path, GOOD))
    shop.commit("binlist")

    imported(shop, source(tmp_path, GOOD))

    assert shop.status() == ""


def test_a_mapping_can_be_a_file(shop: Shop, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_bytes(shipped("policies")["card-bin/mappings/binlist.json"])

    assert imported(shop, source(tmp_path, GOOD), mapping=str(own)).rows["ranges"] == 1


def test_an_unknown_mapping_is_refused_with_those_there_are(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(NoMapping) as refusal:
        imported(shop, source(tmp_path, GOOD), mapping="nothing")

    assert "binlist" in refusal.value.hint


def test_a_mapping_of_another_rail_is_refused(shop: Shop, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_bytes(shipped("policies")["caip/mappings/evm-chains.json"])

    with pytest.raises(NoMapping):
        imported(shop, source(tmp_path, GOOD), mapping=str(own))


def test_a_file_that_is_not_there_is_refused(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource):
        imported(shop, tmp_path / "none.csv")


def test_an_unknown_rail_is_refused(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(UnknownRail):
        import_files(
            shop.workspace,
            BundleId("no-rail", "x"),
            "binlist",
            [source(tmp_path, GOOD)],
            environment=PRODUCTION,
        )


def test_the_real_list_is_imported_signed_and_released(shop: Shop, shared_dir: Path) -> None:
    done = imported(shop, shared_dir / "data/binlist/ranges.csv")

    assert dict(done.rows) == {"participants": 1424, "ranges": 5781}
    assert dict(done.refused_by_rule) == {
        "common/ENC002": 9,
        "common/REF001": 24,
        "common/WIN001": 2,
    }
    shop.sign("alice", "bob", bundle=BINLIST)
    shop.commit("binlist 1")
    assert shop.promote(f"{BINLIST}@1").release.serial == 2


def test_sharding_sorts_rows_and_mends_the_form(shop: Shop) -> None:
    path = f"bundles/{CARDS}/files/ranges.csv"
    canonical = shop.read(path)
    header, *lines = canonical.splitlines(keepends=True)
    shop.write(path, (header + b"".join(reversed(lines))).replace(b"\n", b"\r\n"))

    done = reshard(shop.workspace, CARDS)

    assert done.written == (path,)
    assert shop.read(path) == canonical


def test_sharding_what_is_canonical_writes_nothing(shop: Shop) -> None:
    done = reshard(shop.workspace, CARDS)

    assert (done.written, done.removed) == ((), ())


def test_sharding_puts_small_files_together(shop: Shop) -> None:
    path = f"bundles/{CARDS}/files/ranges.csv"
    canonical = shop.read(path)
    shop.write(f"bundles/{CARDS}/files/ranges/99.csv", canonical)
    (shop.folder / path).unlink()

    done = reshard(shop.workspace, CARDS)

    assert done.removed == (f"bundles/{CARDS}/files/ranges/99.csv",)
    assert shop.read(path) == canonical
    assert done.twice == {}


def test_rows_that_stand_in_two_files_are_written_once_and_counted(shop: Shop) -> None:
    path = f"bundles/{CARDS}/files/ranges.csv"
    canonical = shop.read(path)
    header, *lines = canonical.splitlines(keepends=True)
    shop.write(f"bundles/{CARDS}/files/ranges/99.csv", b"".join([header, *lines[:2]]))

    done = reshard(shop.workspace, CARDS)

    assert shop.read(path) == canonical
    assert done.twice == {"ranges": 2}
    assert done.rows["ranges"] == len(lines)


def test_rows_that_stand_twice_in_one_file_are_refused(shop: Shop) -> None:
    path = f"bundles/{CARDS}/files/ranges.csv"
    header, first, *rest = shop.read(path).splitlines(keepends=True)
    shop.write(path, b"".join([header, first, first, *rest]))

    with pytest.raises(Unreadable, match="the same line as line 2"):
        reshard(shop.workspace, CARDS)


def test_sharding_never_guesses_at_ragged_rows(shop: Shop) -> None:
    shop.add_range("990600,too,short\n")

    with pytest.raises(Unreadable):
        reshard(shop.workspace, CARDS)
