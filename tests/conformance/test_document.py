"""docs/conformance.md is true: its example is run, its words are those that are raised."""

import json
import re
import subprocess
import sys

import pytest

from controller.kernel.errors import ControllerError
from tests.conformance import plain, tuf
from tests.house.test_errors import leaves
from tests.support.house import ROOT

PAGE = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
QUESTIONS, ANSWERS = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
HERE = sorted((ROOT / "tests" / "conformance").glob("*.py"))


def section(title: str) -> str:
    """Return a section of the page."""
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def rows(title: str) -> list[str]:
    """Return what the first cells of a section's table name."""
    cells = re.findall(r"^\| (`.+?) \|", section(title), re.MULTILINE)
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


def asked(questions: str) -> list[dict[str, object]]:
    """Ask a client of its own and return its answers."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance"],
        cwd=ROOT,
        input=questions,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_example_of_json_lines_is_what_happens() -> None:
    assert asked(QUESTIONS) == [json.loads(line) for line in ANSWERS.splitlines()]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("{", "json.malformed"),
        ("[]", "conformance.malformed"),
        ('{"do": "dance"}', "conformance.malformed"),
        ('{"do": "init", "root": {}}', "conformance.malformed"),
        ('{"do": "refresh", "now": "2026-11-20T12:00:00Z"}', "conformance.not_started"),
        ('{"do": "init", "root": []}', "conformance.malformed"),
        ('{"do": "refresh", "metadata": 1}', "conformance.malformed"),
        ('{"do": "refresh", "metadata": [1]}', "conformance.malformed"),
        ('{"do": "get"}', "instant.malformed"),
        ('{"do": "get", "now": "2026-11-20T12:00:00Z"}', "conformance.not_started"),
        ('{"do": "init", "root": {"roles": []}}', "conformance.malformed"),
        ('{"do": "init", "root": {"roles": {"root": {"keys": {}}}}}', "conformance.malformed"),
        ('{"do": "init", "root": {"roles": {"root": {"threshold": 1}}}}', "trust.bad_role"),
    ],
)
def test_a_question_that_is_none_is_answered_by_a_word(line: str, word: str) -> None:
    bad, good = asked(f"{line}\n{QUESTIONS.splitlines()[0]}\n")

    assert bad["refused"] == word
    assert good == {"ok": {"root": 1}}


def test_every_word_of_the_page_is_an_errors_code() -> None:
    own = {
        error.code
        for error in vars(plain).values()
        if isinstance(error, type) and issubclass(error, ControllerError)
    }
    known = {leaf.code for leaf in leaves()} | own

    assert set(rows("Words of refusal")) - known == set()
    assert len(rows("Words of refusal")) == 16


def test_every_word_that_our_tests_expect_stands_on_the_page() -> None:
    expected = {
        word
        for path in HERE
        if path.name in {"test_plain_values.py", "test_tuf_metadata.py"}
        for word in re.findall(r'"((?:trust|conformance)\.[a-z_]+)"', path.read_text())
    }

    assert expected - set(rows("Words of refusal")) == set()
    assert len(expected) > 10


def test_every_member_of_the_page_is_read_and_every_one_that_is_read_stands_there() -> None:
    code = "".join(
        (ROOT / "tests/conformance" / f"{name}.py").read_text() for name in ("plain", "__main__")
    )
    read = set(
        re.findall(
            r'(?:\.get\(|one\[|item\[|_(?:items|objects|number|taken)\(\w+, )"([a-z_]+)"', code
        )
    )
    documented = set(re.findall(r"`([a-z_]+)`", section("Documents")))
    questions = {"do", "now", "metadata", "target", "root"}
    names = {"root", "timestamp", "snapshot", "targets"}

    assert read - documented - questions == set()
    assert documented - names - read == set()


def test_every_module_that_the_page_names_is_there() -> None:
    modules = re.findall(r"`(?:python -m )?(tests[./]conformance[\w./]*)`", PAGE)

    for name in modules:
        path = ROOT / (name if "/" in name else name.replace(".", "/"))
        assert path.exists() or path.with_suffix(".py").exists(), name
    assert len(modules) >= 5


def test_the_adapters_decide_nothing_about_signatures_or_versions() -> None:
    """No comparison of thresholds, versions or instants stands outside the core."""
    code = "".join(
        (ROOT / "tests/conformance" / f"{name}.py").read_text() for name in ("plain", "tuf")
    )

    assert re.findall(r"(?:threshold|owners|_version\(\w+\)|now)\s*(?:<=?|>=?)", code) == []
    assert tuf.accepts("00" * 32, {"signed": b""}, "00" * 64) is False
