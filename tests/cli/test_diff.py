"""`countersign diff`: what is compared is said, and what differs is counted."""

from tests.support.commands import Desk
from tests.support.world import NEW_RANGE, OLD_RANGE, RANGES, with_lines


def _diff(desk: Desk, *arguments: str) -> tuple[int, dict[str, object]]:
    said = desk.run("diff", *arguments, "-C", str(desk.folder), "-o", "json")
    assert said.out, said.err
    return said.exit_code, said.json


def test_a_work_tree_that_nobody_touched_does_not_differ(paper_desk: Desk) -> None:
    code, found = _diff(paper_desk)

    assert (code, found["different"]) == (0, False)
    assert (found["bundles"], found["tables"]) == ([], {})


def test_rows_are_counted_by_what_happens_to_their_keys(paper_desk: Desk) -> None:
    ranges = paper_desk.folder / RANGES
    renamed = OLD_RANGE.replace("Harbour Gold", "Harbour Platinum")
    ranges.write_bytes(with_lines(ranges.read_bytes(), add=[NEW_RANGE, renamed], drop=[OLD_RANGE]))

    code, found = _diff(paper_desk)
    back = _diff(paper_desk, "worktree", "HEAD")[1]

    assert code == 1
    none = {"added": 0, "modified": 0, "ending": 0, "removed": 0, "moved": 0}
    assert found["tables"] == {"ranges": none | {"added": 1, "modified": 1}}
    assert back["tables"] == {"ranges": none | {"modified": 1, "removed": 1}}
    text = paper_desk.run("diff", "-C", str(paper_desk.folder)).out
    assert "+ worktree: drafts (files/)" in text
    assert "M card-bin/house-cards" in text
    assert "ranges: +1 ~1 -0" in text


def test_production_is_compared_as_it_was_applied(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    assert _diff(desk, "production", "main")[0] == 0
    desk.shop().publish(add=[NEW_RANGE])

    code, found = _diff(desk, "production", "main", "--released")

    assert code == 1
    none = {"added": 0, "modified": 0, "ending": 0, "removed": 0, "moved": 0}
    assert found["tables"] == {"ranges": none | {"added": 1}}
    desk.run("reconcile", "--once")
    assert _diff(desk, "production", "main", "--released")[0] == 0


def test_a_draft_is_not_yet_released(paper_desk: Desk) -> None:
    paper_desk.shop().edit(add=[NEW_RANGE])

    assert _diff(paper_desk, "main~1", "main")[0] == 1
    assert _diff(paper_desk, "main~1", "main", "--released")[0] == 0


def test_rails_of_the_repository_are_compared(paper_desk: Desk) -> None:
    rail = paper_desk.folder / "policies" / "house"
    rail.mkdir(parents=True)
    (rail / "rail.json").write_text("{}\n")

    code, found = _diff(paper_desk)

    assert code == 1
    assert [one["rail"] for one in found["policies"]] == ["house"]  # type: ignore[attr-defined]


def test_before_anything_is_applied_there_is_no_production(desk: Desk) -> None:
    said = desk.run("diff", "production", "-C", str(desk.folder))

    assert said.exit_code == 2
    assert "nothing has been applied" in said.err


def test_a_name_that_leads_nowhere_is_refused(paper_desk: Desk) -> None:
    said = paper_desk.run("diff", "nowhere", "-C", str(paper_desk.folder))

    assert said.exit_code == 2
    assert "'nowhere' names no commit" in said.err
