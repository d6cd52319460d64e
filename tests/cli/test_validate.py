"""`countersign validate`: what blocks, what only waits, and what is clean."""

import json
from pathlib import Path

import pytest

from tests.support.commands import Desk, Said, run
from tests.support.watched import granted
from tests.support.world import CARDS, NEW_RANGE, RANGES, with_lines


def _validate(desk: Desk, *arguments: str) -> Said:
    return desk.run("validate", str(desk.folder), "-o", "json", *arguments)


def _rules(said: Said) -> dict[str, str]:
    return {one["rule"]: one["severity"] for one in said.json["findings"]}


def _edit(desk: Desk, *, add: list[str]) -> None:
    ranges = desk.folder / RANGES
    ranges.write_bytes(with_lines(ranges.read_bytes(), add=add))


def _sign(desk: Desk, *names: str) -> None:
    for name in names:
        key = str(desk.config.parent / name)
        said = desk.run("sign", str(CARDS), "--key", key, "-C", str(desk.folder))
        assert said.exit_code == 0, said.err


def test_a_repository_that_just_started_is_clean(paper_desk: Desk) -> None:
    said = _validate(paper_desk)

    assert said.exit_code == 0
    assert said.json["findings"] == []
    assert said.json["root"]["pinned"] is True
    checked = said.json["checked"]
    assert (checked["drafts"], checked["versions"], checked["releases"]) == (4, 4, 1)
    assert checked["rows"] > 50


def test_without_settings_the_first_root_vouches_for_itself(paper_desk: Desk) -> None:
    said = run("validate", paper_desk.folder)

    assert said.exit_code == 0
    assert "vouches for itself" in said.err
    assert said.out.endswith("Nothing to complain about.\n")


def test_one_signature_of_two_only_waits(paper_desk: Desk) -> None:
    _edit(paper_desk, add=[NEW_RANGE])
    _sign(paper_desk, "alice")

    said = _validate(paper_desk)

    assert said.exit_code == 0
    assert _rules(said) == {"trust/threshold_not_met": "warning"}
    assert "needs 1 more signature" in said.json["findings"][0]["message"]
    assert _validate(paper_desk, "--fail-on", "warning").exit_code == 1


def test_two_signatures_of_two_are_clean(paper_desk: Desk) -> None:
    _edit(paper_desk, add=[NEW_RANGE])
    _sign(paper_desk, "alice", "bob")

    said = _validate(paper_desk, "--fail-on", "warning")

    assert (said.exit_code, _rules(said)) == (0, {})


def test_one_signature_of_two_blocks_once_it_is_released(paper_desk: Desk) -> None:
    shop = paper_desk.shop()
    shop.edit(add=[NEW_RANGE])
    live = shop.sign(shop.next_version(), by=["alice"])
    shop.release(shop.next_release(live))

    said = _validate(paper_desk, "--ref", "main")

    assert said.exit_code == 1
    assert _rules(said)["trust/threshold_not_met"] == "error"


def test_files_that_changed_after_they_were_signed_and_never_committed_block(
    paper_desk: Desk,
) -> None:
    _edit(paper_desk, add=[NEW_RANGE])
    _sign(paper_desk, "alice", "bob")
    _edit(paper_desk, add=["990602,,16,true,house,Lagoon Gift,debit,true,NL,EUR,harbour-bank,,"])

    said = _validate(paper_desk)

    assert said.exit_code == 1
    assert _rules(said) == {"trust/pinned.files_not_found": "error"}


def test_files_that_changed_after_they_were_committed_are_the_next_draft(
    paper_desk: Desk,
) -> None:
    _edit(paper_desk, add=[NEW_RANGE])
    _sign(paper_desk, "alice", "bob")
    paper_desk.shop().git("add", "-A")
    paper_desk.shop().git("commit", "-qm", "cards 2")
    _edit(paper_desk, add=["990602,,16,true,house,Lagoon Gift,debit,true,NL,EUR,harbour-bank,,"])

    assert _validate(paper_desk).exit_code == 0


def test_a_row_that_breaks_a_rule_is_named_with_its_line(paper_desk: Desk) -> None:
    _edit(paper_desk, add=["990600,,16,true,house,Lagoon Debit,debit,false,NL,EUR,nobody,,"])

    said = _validate(paper_desk)

    assert said.exit_code == 1
    (finding,) = said.json["findings"]
    lines = (paper_desk.folder / RANGES).read_text().splitlines()
    assert finding["rule"] == "common/REF001"
    assert lines[finding["line"] - 1].endswith("nobody,,")


def test_a_release_whose_copy_was_edited_blocks(paper_desk: Desk) -> None:
    path = paper_desk.folder / "environments/production/release.json"
    path.write_text(path.read_text().replace('"serial": 1', '"serial": 2'))

    said = _validate(paper_desk)

    assert said.exit_code == 1
    assert _rules(said) == {"trust/signed.copy_differs": "error"}
    assert _validate(paper_desk, "--environment", "elsewhere").exit_code == 0


def test_a_release_that_waits_in_the_work_tree_only_warns(paper_desk: Desk) -> None:
    _edit(paper_desk, add=[NEW_RANGE])
    _sign(paper_desk, "alice", "bob")
    shop = paper_desk.shop()
    shop.git("add", "-A")
    shop.git("commit", "-qm", "cards 2")
    key = str(paper_desk.config.parent / "alice")
    said = paper_desk.run(
        "promote", f"{CARDS}@2", "--key", key, "--partial", "-C", str(paper_desk.folder)
    )
    assert said.exit_code == 0, said.err

    said = _validate(paper_desk)

    assert (said.exit_code, _rules(said)) == (0, {"trust/threshold_not_met": "warning"})


def test_a_version_that_was_moved_blocks(paper_desk: Desk) -> None:
    versions = paper_desk.folder / "bundles" / str(CARDS) / "versions"
    (versions / "1").rename(versions / "2")

    said = _validate(paper_desk)

    assert said.exit_code == 1
    assert "trust/signed.wrong_place" in _rules(said)


def test_what_nothing_reads_is_pointed_at(paper_desk: Desk) -> None:
    (paper_desk.folder / "bundles" / "note.txt").write_text("mine\n")

    said = _validate(paper_desk)

    assert (said.exit_code, _rules(said)) == (0, {"trust/layout.stray": "warning"})


@pytest.mark.stops("incident.10-links", "tree.modes")
def test_a_link_is_never_followed(paper_desk: Desk) -> None:
    ranges = paper_desk.folder / RANGES
    ranges.unlink()
    ranges.symlink_to("/etc/passwd")

    said = _validate(paper_desk)

    assert said.exit_code == 1
    assert _rules(said)["trust/walk.bad_tree"] == "error"


def test_a_root_that_the_host_does_not_pin_blocks(
    paper_desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Desk.make(tmp_path_factory.mktemp("other"))

    said = run("validate", other.folder, "--config", paper_desk.config, "-o", "json")

    assert said.exit_code == 1
    assert _rules(said) == {"trust/authoring.other_repository": "error"}
    assert run("validate", other.folder, "--config", other.config).exit_code == 0


def test_a_folder_outside_of_git_is_judged_by_itself(
    paper_desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy: Path = tmp_path_factory.mktemp("copy")
    for name in ("bundles", "environments", "trust"):
        (paper_desk.folder / name).rename(copy / name)

    assert run("validate", copy, "--config", paper_desk.config).exit_code == 0


def test_findings_are_printed_in_the_form_that_is_asked_for(paper_desk: Desk) -> None:
    _edit(paper_desk, add=["990600,,16,true,house,Lagoon Debit,debit,false,NL,EUR,nobody,,"])
    folder = str(paper_desk.folder)

    text = paper_desk.run("validate", folder).out
    annotated = paper_desk.run("validate", folder, "-o", "github").out
    scanned = json.loads(paper_desk.run("validate", folder, "-o", "sarif").out)

    assert "error common/REF001" in text
    assert annotated.startswith(f"::error file={RANGES},line=")
    assert scanned["runs"][0]["results"][0]["ruleId"] == "common/REF001"


def test_one_bad_mode_does_not_hide_what_else_is_wrong(paper_desk: Desk) -> None:
    _edit(paper_desk, add=[NEW_RANGE.replace("NL,EUR", "ZZ,EUR")])
    other = paper_desk.folder / RANGES
    other.with_name("participants.csv").chmod(0o755)

    said = _validate(paper_desk)

    places = {(one["rule"], one["file"]) for one in said.json["findings"]}
    assert said.exit_code == 1
    assert ("trust/walk.bad_tree", RANGES.replace("ranges.csv", "participants.csv")) in places
    assert ("common/GEO001", RANGES) in places
    assert {rule for rule, _ in places} == {"common/GEO001", "trust/walk.bad_tree"}


def test_where_commits_have_to_be_signed_those_that_are_new_are_judged(paper_desk: Desk) -> None:
    shop = paper_desk.shop()
    since = shop.tip.hex()
    granted(shop, "commit", "dora")
    shop.commit({"notes": b"1"}, by="alice")
    bad = shop.commit({"notes": b"2"}).hex()[:12]
    shop.sync()
    ref = ("--ref", "main", "--since", since)

    assert _validate(paper_desk, *ref).exit_code == 0
    with paper_desk.config.open("a") as settings:
        settings.write('\n[commits]\nverify = "all"\n')
    said = _validate(paper_desk, *ref)

    found = {one["file"]: one["rule"] for one in said.json["findings"]}
    assert said.exit_code == 1
    assert found[f"commit {bad}"] == "trust/commits.unsigned"
    assert len(found) == 3  # the root's own commit and alice's are of no key of the role
    assert _validate(paper_desk).json["findings"] == []
    assert _validate(paper_desk, "--since", since).exit_code == 1
