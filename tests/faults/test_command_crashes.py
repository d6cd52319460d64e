"""A command that dies while it writes leaves nothing or the whole commit, and may be run again.

The command and every git it starts are killed together, as by a power cut.
"""

import contextlib
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.gitcli import run_git
from controller.artifacts import layout
from controller.authoring.starting import ENVIRONMENT
from tests.faults.test_effects import Listed, listed
from tests.support import commands
from tests.support.campaign import Campaign
from tests.support.commands import Desk
from tests.support.deaths import before_each, of_slice
from tests.support.effects import told
from tests.support.mortal import Mortals
from tests.support.world import CARDS, NEW_RANGE, RANGES, Shop, with_lines

__all__ = ["listed"]

SLICE = 8
"""A run of all tests dies at every eighth turning point; the campaign everywhere."""

BOTH = ("--key", "../keys/alice", "--key", "../keys/bob")


@dataclass(frozen=True)
class Command:
    """A command, the world it is run in, and how to see that it has done its work."""

    name: str
    prepare: Callable[[Shop], None]
    arguments: tuple[str, ...]
    is_done: Callable[[Shop], bool]
    leaves: tuple[str, ...] = ()
    """What git shows as changed when it is done: it commits the rest."""


def edited(shop: Shop) -> None:
    """Edit a draft, as a person does, without a commit."""
    path = shop.folder / RANGES
    path.write_bytes(with_lines(path.read_bytes(), add=[NEW_RANGE]))


def signed(shop: Shop) -> None:
    """Commit a second version, signed."""
    shop.edit(add=[NEW_RANGE])
    shop.sign(shop.next_version())
    shop.sync()


def released(shop: Shop) -> None:
    """Commit a second release."""
    shop.publish(add=[NEW_RANGE])
    shop.sync()


def proposed(shop: Shop) -> None:
    """Propose a second root."""
    arguments = ("root", "propose", "--set-threshold", "root=1", "-C", str(shop.folder))
    said = commands.run(*arguments, "--out", str(shop.folder / "root-2.json"))
    assert said.exit_code == 0, said.err


def serial_is(number: int) -> Callable[[Shop], bool]:
    """Return whether the newest commit declares the release with a serial."""
    return lambda shop: shop.statement().serial == number


def holds_json(*paths: str) -> Callable[[Shop], bool]:
    """Return whether files are there, each of them whole."""

    def look(shop: Shop) -> bool:
        files = [shop.folder / path for path in paths]
        return all(one.is_file() and bool(json.loads(one.read_bytes())) for one in files)

    return look


def is_exported(shop: Shop) -> bool:
    """Whether the archive is there, and whole."""
    path = shop.folder.parent / "cards.tar"
    if not path.exists():
        return False
    with tarfile.open(path) as archive:
        return len(archive.getnames()) == EXPORTED


EXPORTED = 5
PLAN = "cd" * 32
SCATTERED = 1_500
"""Rows that fill a table's one file over what a file may hold."""


def scattered(shop: Shop) -> None:
    """Edit a draft so that it wants other files than it has: more rows than go into one."""
    lines = [NEW_RANGE.replace("990600", f"98{number:06}") for number in range(SCATTERED)]
    path = shop.folder / RANGES
    path.write_bytes(with_lines(path.read_bytes(), add=lines))


def rows(shop: Shop) -> list[str]:
    """Return the lines of the draft's table of ranges, wherever they are, in order."""
    folder = shop.folder / Path(RANGES).parent
    files = [*folder.glob("ranges.csv"), *folder.glob("ranges/**/*.csv")]
    return sorted(line for file in files for line in file.read_text().splitlines()[1:])


def is_sharded(shop: Shop) -> bool:
    """Whether every row is there once, and none of them in the one file that was too large."""
    found = rows(shop)
    whole = len(found) == len(set(found)) and sum(one.startswith("98") for one in found)
    return whole == SCATTERED and not (shop.folder / RANGES).exists()


def foreign(shop: Shop) -> None:
    """Put a list of card ranges beside the repository, as somebody else writes it."""
    shop.sync()
    (shop.keys / "list.csv").write_text(
        "iin_start,iin_end,number_length,number_luhn,scheme,brand,type,prepaid,country,bank_name,"
        "bank_logo,bank_url,bank_phone,bank_city\n"
        "457173,,16,,visa,Visa,debit,,DK,Jyske Bank,,,,\n"
        "457174,,16,,visa,Visa,credit,,DK,Jyske Bank,,,,\n"
    )


def is_imported(shop: Shop) -> bool:
    """Whether the draft has its description and both tables, with their rows."""
    folder = shop.folder / "bundles/card-bin/binlist"
    names = ("draft.json", "files/participants.csv", "files/ranges.csv")
    there = all((folder / name).is_file() for name in names)
    return there and [len((folder / name).read_text().splitlines()) for name in names[1:]] == [2, 3]


def is_acknowledged(shop: Shop) -> bool:
    """Whether the newest commit holds what both owners signed for the plan."""
    committed = shop.git("ls-tree", "--name-only", "main", f"{layout.acks_dir(ENVIRONMENT)}/")
    return len(committed.splitlines()) == 2


VERSION = f"bundles/{CARDS}/versions/2"
COMMANDS = (
    Command(
        "sign",
        edited,
        ("sign", str(CARDS), *BOTH),
        holds_json(*(f"{VERSION}/{name}.json" for name in ("bundle", "bundle.dsse"))),
        (RANGES, f"{VERSION}/"),
    ),
    Command("promote", signed, ("promote", f"{CARDS}@2", *BOTH), serial_is(2)),
    Command(
        "rollback",
        released,
        ("rollback", "--to", "1", "--key", "../keys/rollback"),
        serial_is(1),
    ),
    Command(
        "rollback by statement",
        released,
        (
            *("rollback", "--to", "1", "--statement", "--reason", "mistake"),
            *("--key", "../keys/rollback"),
        ),
        serial_is(1),
    ),
    Command(
        "ack",
        lambda shop: shop.sync(),
        ("ack", PLAN, "--reason", "merger", *BOTH),
        is_acknowledged,
    ),
    Command("shard", scattered, ("shard", str(CARDS)), is_sharded, (RANGES, RANGES[:-4] + "/")),
    Command(
        "import",
        foreign,
        (
            *("import", "--rail", "card-bin", "--name", "binlist"),
            *("--map", "binlist", "../keys/list.csv"),
        ),
        is_imported,
        ("bundles/card-bin/binlist/",),
    ),
    Command(
        "export",
        lambda shop: shop.sync(),
        ("export", f"{CARDS}@1", "../cards.tar"),
        is_exported,
    ),
    Command(
        "root propose",
        lambda shop: shop.sync(),
        ("root", "propose", "--set-threshold", "root=1"),
        holds_json("root-2.json"),
        ("root-2.json",),
    ),
    Command(
        "root sign",
        proposed,
        ("root", "sign", "root-2.json", *BOTH),
        holds_json("2.root.json"),
        ("2.root.json", "root-2.json"),
    ),
)


@pytest.fixture(scope="module")
def first_desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of a repository that people started today."""
    return Desk.make(tmp_path_factory.mktemp("first-desk")).home


@pytest.fixture
def prepared(first_desk: Path, tmp_path: Path, command: Command) -> Callable[[], Shop]:
    """Return what gives one copy after the other of the world that a command is run in."""
    (tmp_path / "first").mkdir()
    shop = Shop.copy(first_desk, tmp_path / "first")
    shop.clock.instant = SystemClock().now()
    shop.sync()
    command.prepare(shop)
    numbers = count()
    return lambda: Shop.copy(tmp_path / "first", tmp_path / str(next(numbers)))


def changed(shop: Shop) -> set[str]:
    """Return what git shows as changed in the work tree."""
    status = run_git(["status", "--porcelain"], shop.folder, timeout_seconds=60).stdout
    return {line[3:] for line in status.decode().splitlines()}


def kinds(effects: list[str]) -> list[str]:
    """Return each kind of effect once, in order: git alone knows which objects it has already."""
    stored = ["store an object" if "/.git/objects/" in one else one for one in told(effects)]
    return list(dict.fromkeys(stored))


by_name = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)


@by_name
def test_every_effect_of_a_command_is_listed(
    command: Command, prepared: Callable[[], Shop], deadly: Mortals, listed: Listed
) -> None:
    shop = prepared()
    assert not command.is_done(shop)

    home = shop.folder.parent
    watched = deadly.run("command", home, arguments=list(command.arguments))

    assert command.is_done(shop)
    assert changed(shop) == set(command.leaves)
    listed(f"countersign {command.name}", kinds(watched.effects))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@by_name
def test_a_command_that_dies_leaves_nothing_or_the_whole_and_the_next_run_finishes(
    command: Command,
    prepared: Callable[[], Shop],
    deadly: Mortals,
    campaign: Campaign,
) -> None:
    home = prepared().folder.parent
    tried = deadly.run("command", home, arguments=list(command.arguments)).tried
    dooms = list(before_each(tried)) if campaign.everywhere else of_slice(tried, SLICE)
    for doom in campaign.through(f"countersign {command.name}", tried, dooms, deadly):
        shop = prepared()
        dead = deadly.run("command", shop.folder.parent, doom, arguments=list(command.arguments))
        assert dead.died or doom.effect > len(dead.tried)

        if not command.is_done(shop):
            with contextlib.chdir(shop.folder):
                again = commands.run(*command.arguments)
            assert again.exit_code == 0, (doom, tried[doom.effect - 1], again.err)
            assert changed(shop) == set(command.leaves), (doom, tried[doom.effect - 1])
        assert command.is_done(shop)
        shop.git("fsck", "--strict")
