"""Documents: links lead somewhere, decisions are numbered, fragments are well-formed."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.support.house import ROOT, documents

LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# Somebody's machine, not the reader's.
ELSEWHERE = re.compile(r"(?<![\w.:/])/(?:work|tmp|home)/[\w.-]+|(?:\.\./)+shared\b")
DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
FRAGMENTS = sorted(
    path for path in (ROOT / "changelog.d").iterdir() if path.name not in ("README.md", ".gitkeep")
)


def anchors(page: Path) -> set[str]:
    """The anchors that a forge gives to the headings of a page."""
    text = FENCE.sub("", page.read_text())
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_speaks_of_the_machine_it_was_written_on(page: Path) -> None:
    assert ELSEWHERE.findall(page.read_text()) == []


def test_no_code_speaks_of_the_machine_it_was_written_on() -> None:
    sources = [
        path
        for folder in ("controller", "tests", "benchmarks", "policies", "bundles", ".github", ".ci")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".py", ".sql", ".json", ".yml", ".csv", ""} and path.is_file()
    ]

    assert [path for path in sources if b"/work" + b"/main" in path.read_bytes()] == []


def test_a_broken_link_is_seen_and_a_good_one_is_not(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n[here](#a-page) [gone](gone.md) [gone](#nowhere) [out](https://x.y)")

    assert broken_links(page) == ["gone.md", "#nowhere"]


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_says_why_and_what_would_change_it(page: Path) -> None:
    text = page.read_text()

    assert re.fullmatch(r"\d{4}-[a-z0-9-]+", page.stem)
    assert text.startswith("# ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        "Context",
        "Decision",
        "Consequences",
        "What would change our mind",
    ]
    assert len(text.splitlines()) <= 80


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda fragment: fragment.name)
def test_a_changelog_fragment_is_one_sentence_for_users(fragment: Path) -> None:
    kinds = {"added", "changed", "fixed", "removed", "security"}
    text = fragment.read_text()

    assert re.fullmatch(r"[a-z0-9-]+\.[a-z]+\.md", fragment.name)
    assert fragment.name.split(".")[1] in kinds
    assert text[0].isupper() or text[0] == "`"
    assert text.endswith(".\n")
    assert "\n#" not in text
    assert len(text) <= 600


def test_the_licence_is_complete_and_the_one_that_the_package_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "LICENSE").read_text()

    assert project["license"] == "Apache-2.0"
    assert [f"   {number}. " in text for number in range(1, 10)] == [True] * 9
    assert "END OF TERMS AND CONDITIONS" in text
