"""The examples of docs/style.md run, section by section, in the order of the page."""

import re
from typing import Any

import pytest

from tests.support.house import ROOT, fenced

PAGE = (ROOT / "docs/style.md").read_text()
SECTIONS = dict(re.findall(r"^## \d+\. (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
QUERY = re.compile(r"-- name: (\w+)\n(.*)", re.DOTALL)


def run_python(code: str, namespace: dict[str, Any], title: str) -> None:
    exec(compile(code, f"docs/style.md, {title}", "exec"), namespace)


@pytest.mark.parametrize("title", SECTIONS)
def test_an_example_does_what_it_says(title: str, request: pytest.FixtureRequest) -> None:
    namespace: dict[str, Any] = {"__name__": "style", "QUERIES": {}}
    blocks = fenced(SECTIONS[title], "python", "sql")
    if any(language == "sql" for language, _ in blocks):
        namespace["connection"] = request.getfixturevalue("database")

    for language, text in blocks:
        query = QUERY.match(text)
        if language == "python":
            run_python(text, namespace, title)
        elif query:
            namespace["QUERIES"][query[1]] = query[2]
        else:
            namespace["connection"].execute(text)
    for name, thing in namespace.items():
        if name.startswith("test_"):
            thing()


def test_the_page_has_examples_and_each_block_is_python_or_sql() -> None:
    blocks = fenced(PAGE, "python", "sql")

    assert len(SECTIONS) == 11
    assert len(blocks) >= 14
    assert PAGE.count("\n```python\n") + PAGE.count("\n```sql\n") == len(blocks)
    assert PAGE.count("\n```") == 2 * len(blocks)


def test_an_example_that_is_wrong_fails() -> None:
    with pytest.raises(AssertionError):
        run_python("assert 1 == 2", {}, "a wrong example")
