"""The house as its own tests see it: where it stands and which documents it holds."""

from pathlib import Path

ROOT = Path(__file__).parents[2]

_NOT_OURS = {".git", ".venv", ".tools", ".cache", "dist", "node_modules"}


def documents() -> list[Path]:
    """Return every Markdown page of the project, in order."""
    return sorted(
        page
        for page in ROOT.rglob("*.md")
        if not any(
            part in _NOT_OURS or part.endswith("_cache") for part in page.relative_to(ROOT).parts
        )
    )


def fenced(page: str, *languages: str) -> list[tuple[str, str]]:
    """Return the fenced blocks of a page, (language, text), that are in one of `languages`."""
    blocks: list[tuple[str, str]] = []
    language, lines = "", list[str]()
    for line in page.splitlines():
        if language and line == "```":
            if language in languages:
                blocks.append((language, "\n".join(lines) + "\n"))
            language = ""
        elif language:
            lines.append(line)
        elif line.startswith("```"):
            language, lines = line.removeprefix("```").strip() or "text", []
    return blocks


def sentence(test: str) -> str:
    """Return a test's name as the sentence it is, for a page."""
    return test.removeprefix("test_").replace("_", " ")
