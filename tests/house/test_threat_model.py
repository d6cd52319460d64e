"""Every threat of the catalogue is stopped by a test and has a lawful twin, or openly waits."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.house import ROOT
from tests.support.threat_page import threat_page
from tests.support.threats import (
    BadCatalogue,
    Group,
    Marked,
    Origin,
    State,
    Threat,
    catalogue,
    faults,
    marked,
    marks_of,
    read_catalogue,
)

PAGE = ROOT / "docs" / "threat-model.md"
MODULE = "controller/trust/core.py"
THREAT = Threat("a.b", "An attack.", "A check.", (MODULE,), State.TESTED)
GROUP = Group(Origin.HISTORY, "Some", "", (), (THREAT,))
STOPS = Marked("tests/test_x.py", "test_a_b_c", "stops", "a.b")
ALLOWS = replace(STOPS, marker="allows", test="test_d_e_f")


def waiting(state: State) -> Group:
    """Return a group with one open threat."""
    return replace(GROUP, threats=(replace(THREAT, state=state, modules=(), why="not built"),))


def test_every_threat_is_stopped_and_has_a_lawful_twin_or_openly_waits() -> None:
    assert faults(catalogue(), marked()) == []


def test_the_page_of_threats_is_current() -> None:
    assert PAGE.read_text() == threat_page(catalogue(), marked())


def test_every_origin_has_its_groups() -> None:
    assert {group.origin for group in catalogue()} == set(Origin)


def test_a_threat_with_both_tests_is_no_fault() -> None:
    assert faults([GROUP], [STOPS, ALLOWS]) == []
    assert faults([waiting(State.WAITS), replace(waiting(State.GAP), name="x")], []) == []


@pytest.mark.parametrize(
    ("group", "marks", "fault"),
    [
        (GROUP, [ALLOWS], "a.b: no test stops it"),
        (GROUP, [STOPS], "a.b: no test allows it"),
        (GROUP, [STOPS, ALLOWS, replace(STOPS, threat="a.c")], "names no threat: a.c"),
        (GROUP, [replace(STOPS, skipped=True), ALLOWS], "is skipped: test_a_b_c"),
        (waiting(State.WAITS), [STOPS], "still said to be open"),
        (waiting(State.GAP), [ALLOWS], "still said to be open"),
        (replace(GROUP, threats=()), [], "Some: empty"),
        (
            replace(GROUP, threats=(replace(THREAT, modules=("controller/gone.py",)),)),
            [STOPS, ALLOWS],
            "no module controller/gone.py",
        ),
        (
            replace(GROUP, threats=(replace(THREAT, modules=()),)),
            [STOPS, ALLOWS],
            "a.b: no module",
        ),
    ],
)
def test_what_is_missing_is_a_fault(group: Group, marks: list[Marked], fault: str) -> None:
    (found,) = faults([group], marks)

    assert fault in found


def test_markers_are_read_from_the_source_with_every_id() -> None:
    source = (
        "import pytest\n"
        "@pytest.mark.stops('a.b', 'a.c')\n"
        "@pytest.mark.parametrize('x', [1])\n"
        "@pytest.mark.skip\n"
        "def test_a_b_c(x): ...\n"
        "@pytest.mark.allows('a.b')\n"
        "def test_d_e_f(): ...\n"
    )

    found = list(marks_of(source, "tests/test_x.py"))

    skipped = replace(STOPS, skipped=True)
    assert found == [skipped, replace(skipped, threat="a.c"), ALLOWS]


@pytest.mark.parametrize(
    "source",
    [
        "@pytest.mark.stops\ndef test_a_b_c(): ...",
        "@pytest.mark.stops()\ndef test_a_b_c(): ...",
        "@pytest.mark.stops(NAME)\ndef test_a_b_c(): ...",
        "@pytest.mark.stops('a.b')\ndef helper(): ...",
        "@pytest.mark.stops('a.b')\nclass TestAll: ...",
        "pytestmark = pytest.mark.stops('a.b')",
        "pytest.param(1, marks=pytest.mark.allows('a.b'))",
    ],
)
def test_a_marker_that_cannot_be_read_or_marks_no_test_is_refused(source: str) -> None:
    with pytest.raises(BadCatalogue):
        list(marks_of(source, "tests/test_x.py"))


ROW = '[[group.threat]]\nid = "a.b"\nattack = "An attack."\ncheck = "A check."\nmodules = ["{}"]\n'
TEXT = '[[group]]\norigin = "history"\nname = "Some"\n' + ROW.format(MODULE)


def test_a_catalogue_is_read() -> None:
    assert read_catalogue(TEXT) == (GROUP,)


@pytest.mark.parametrize(
    "text",
    [
        TEXT + 'surprise = "?"\n',
        TEXT + ROW.format(MODULE),
        TEXT + TEXT,
        TEXT.replace('name = "Some"', 'name = "Some"\nsee = ["None"]'),
        TEXT.replace("history", "nowhere"),
    ],
    ids=["member", "threat twice", "group twice", "see", "origin"],
)
def test_a_catalogue_with_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_catalogue(text)


def test_markers_are_found_below_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "deep"
    folder.mkdir(parents=True)
    (folder / "test_x.py").write_text("@pytest.mark.stops('a.b')\ndef test_a_b_c(): ...")

    assert marked(tmp_path / "tests") == [replace(STOPS, path="tests/deep/test_x.py")]
