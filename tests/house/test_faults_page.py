"""The page of faults shows every story that is told to a running controller, and no other."""

from pathlib import Path

from tests.support.chronicle import PAGE, Told, page, records, tellers

ONE = Told("a story", "a kill", ("Ready true, Applied",), "by itself", 1.25, ("a.py", "test_a_b_c"))


def test_every_test_that_tells_a_story_has_its_record_and_every_record_its_test() -> None:
    assert {one.test for one in records()} == tellers()


def test_the_page_of_faults_is_current() -> None:
    assert PAGE.read_text() == page(records())


def test_every_record_says_what_was_done_seen_and_how_it_recovers() -> None:
    assert [one.story for one in records() if not (one.done and one.seen and one.recovers)] == []


def test_a_row_of_the_page_holds_all_of_a_story() -> None:
    row = page([ONE]).splitlines()[-1]

    assert row == (
        "| a story | a kill | Ready true, Applied | by itself | 1.2 | [a.py](../a.py): a b c |"
    )


def test_tests_are_found_by_what_they_take(tmp_path: Path) -> None:
    tells, tells_not = "def test_a_b_c(told): ...", "def test_d_e_f(other): ..."
    (tmp_path / "test_daemon_x.py").write_text(f"{tells}\n{tells_not}\ndef helper(told): ...\n")
    (tmp_path / "test_other.py").write_text(tells)

    assert tellers(tmp_path, tmp_path) == {("test_daemon_x.py", "test_a_b_c")}
