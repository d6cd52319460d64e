"""Everything that the acts of these stories change outside their own memory, as a list.

The list is `effects.txt`. An effect that is not in it fails here, until somebody has looked at what
a death beside it leaves behind; `pytest tests/faults/test_effects.py --freeze` writes it anew.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from controller.adapters.postgres import connect, with_database
from tests.faults.stories import STORIES, Story
from tests.support.effects import statement_in_words, told
from tests.support.mortal import BULK, FEW, REBUILD, Mortals
from tests.support.world import Shop

LIST = Path(__file__).with_name("effects.txt")
HEAD = """\
# What the acts of these stories change outside their own memory, effect by effect, in order; the
# same one several times in a row stands once. Seen at the door to the kernel, not written by hand:
#
#     pytest tests/faults/test_effects.py --freeze
#
# writes this file anew. Read the difference before you commit it: what is left behind when the
# process dies right before a new line, and right after it? `make faults` tries each of them.
"""


def sections() -> dict[str, list[str]]:
    """Return the listed effects by story."""
    found: dict[str, list[str]] = {}
    for line in LIST.read_text().splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            found[name] = []
        elif line and not line.startswith("#"):
            found[name].append(line)
    return found


def write(story: str, effects: list[str]) -> None:
    """Put one story's effects in the list."""
    all_found = {**(sections() if LIST.exists() else {}), story: effects}
    texts = ["\n".join([f"[{name}]", *lines]) for name, lines in all_found.items()]
    LIST.write_text(HEAD + "\n" + "\n\n".join(texts) + "\n")


@pytest.fixture
def listed(request: pytest.FixtureRequest) -> Callable[[str, list[str]], None]:
    """Return what compares the effects of a story with the list, or writes them there."""

    def compare(story: str, effects: list[str]) -> None:
        if request.config.getoption("--freeze", default=False):
            write(story, effects)
        assert effects == sections()[story], "see the head of tests/faults/effects.txt"

    return compare


Listed = Callable[[str, list[str]], None]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_every_effect_of_a_pass_is_listed(
    story: Story, shop: Shop, database_url: str, deadly: Mortals, listed: Listed
) -> None:
    before = shop.revision
    story.begin(shop, 1)
    reverted = shop.revision - before

    watched = deadly.reconcile(shop, database_url, **story.facts(1))

    assert shop.revision == before + reverted + story.revisions
    listed(story.name, told(watched.effects))


FIRST = {"few rows": FEW, "many rows": BULK, "tables built anew": REBUILD}


@pytest.mark.parametrize("way", FIRST)
def test_every_effect_of_the_first_pass_is_listed(
    way: str,
    new_shop: Shop,
    database_url: str,
    deadly: Mortals,
    listed: Listed,
) -> None:
    watched = deadly.reconcile(new_shop, database_url, limits=FIRST[way])

    assert new_shop.revision == 1
    assert ("COPY data" in " ".join(watched.effects)) is (way != "few rows")
    listed(f"the first pass, {way}", told(watched.effects))


def test_every_effect_of_a_migration_is_listed(
    server_url: str, first_day: Path, deadly: Mortals, listed: Listed
) -> None:
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute("CREATE DATABASE migrated_under_watch")
        url = with_database(server_url, "migrated_under_watch")

        watched = deadly.run("migrate", first_day, url=url)

        administrator.execute("DROP DATABASE migrated_under_watch WITH (FORCE)")
    listed("a migration", told(watched.effects))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SELECT a FROM controller.applied", None),
        ("SELECT a FROM controller.applied FOR UPDATE", "SELECT controller.applied FOR UPDATE"),
        ("SELECT pg_advisory_xact_lock(1)", "SELECT pg_advisory_xact_lock()"),
        ("WITH x AS (SELECT 1) SELECT * FROM x", None),
        ("WITH x AS (DELETE FROM a RETURNING b) SELECT 1 FROM x", "DELETE FROM a"),
        ("INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 1", "INSERT INTO a"),
        ("COPY directory.range_next (a) FROM STDIN", "COPY directory.range_next"),
        ("BEGIN", None),
        ("SOMETHING new", "SOMETHING new"),
    ],
)
def test_a_statement_is_an_effect_unless_it_only_reads(statement: str, words: str | None) -> None:
    assert statement_in_words(statement) == words
