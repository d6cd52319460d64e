"""A start that dies leaves no half key; the next one succeeds, or names what to remove first."""

import contextlib
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.adapters.gitcli import run_git
from controller.app import settings
from controller.app.signers import load_public, load_signer
from tests.faults.test_command_crashes import kinds as kinds_of_a_command
from tests.faults.test_effects import Listed, listed
from tests.support import commands
from tests.support.campaign import Campaign
from tests.support.commands import Said
from tests.support.deaths import before_each, of_slice
from tests.support.mortal import Mortals

__all__ = ["listed"]

SLICE = 16
"""A run of all tests dies at every sixteenth turning point; the campaign everywhere."""

SECRET = b"-----BEGIN "


@dataclass(frozen=True)
class Start:
    """A command that makes something where nothing was, and how to see that it has."""

    arguments: tuple[str, ...]
    is_done: Callable[[Path], bool]
    makes: frozenset[str]

    @property
    def name(self) -> str:
        """What its effects are listed under."""
        return f"countersign {' '.join(word for word in self.arguments if '/' not in word)}"


def demo_is_whole(home: Path) -> bool:
    """Whether the settings are there, which come last, and what they name."""
    file = home / "keys/countersign.toml"
    if not file.exists():
        return False
    read = settings.load(file)
    run_git(["fsck", "--strict"], home / "new", timeout_seconds=60)
    return all(read.path(one).exists() for one in (read.trust.root, read.repository.path))


STARTS = (
    Start(("init", "../new", "--demo-keys", "../keys"), demo_is_whole, frozenset({"new", "keys"})),
    Start(("init", "../new"), lambda home: (home / "new/trust/root").is_dir(), frozenset({"new"})),
    Start(
        ("key", "new", "../alice"),
        lambda home: (home / "alice").exists() and (home / "alice.pub").exists(),
        frozenset({"alice", "alice.pub"}),
    ),
)

by_name = pytest.mark.parametrize("start", STARTS, ids=lambda start: start.name)


def begun(start: Start, home: Path) -> Said:
    """Run a command where its acts are run."""
    with contextlib.chdir(home / "shop"):
        return commands.run(*start.arguments)


def removed(told: Said, home: Path) -> None:
    """Remove what a refusal says, as a person would who copies its last words."""
    words = shlex.split(told.err.strip().rpartition(": ")[2])
    assert words[0] == "rm", told.err
    for word in words[1:]:
        if word != "-r":
            path = home / "shop" / word
            assert path.resolve().parent == home.resolve()
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def check_keys(home: Path) -> None:
    """Look at every private key: closed to others, whole, and beside its public one."""
    for path in home.rglob("*"):
        if path.is_file() and path.read_bytes().startswith(SECRET):
            assert path.stat().st_mode & 0o777 == 0o600, path
            assert load_public(path.with_name(f"{path.name}.pub")) == load_signer(path).public


def kinds(effects: list[str]) -> list[str]:
    """Return each kind of effect once, in order; files of drafts and statements are all alike."""
    inside = (re.sub(r"\b(bundles|environments|trust)/\S+", r"\1/…", one) for one in effects)
    return kinds_of_a_command(list(inside))


@by_name
def test_every_effect_of_a_start_is_listed(
    start: Start, tmp_path: Path, deadly: Mortals, listed: Listed
) -> None:
    (tmp_path / "shop").mkdir()
    assert not start.is_done(tmp_path)

    watched = deadly.run("command", tmp_path, arguments=list(start.arguments))

    assert start.is_done(tmp_path)
    check_keys(tmp_path)
    listed(start.name, kinds(watched.effects))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@by_name
def test_a_start_that_dies_leaves_no_half_key_and_the_next_one_knows_what_to_do(
    start: Start, tmp_path: Path, deadly: Mortals, campaign: Campaign
) -> None:
    (tmp_path / "first/shop").mkdir(parents=True)
    tried = deadly.run("command", tmp_path / "first", arguments=list(start.arguments)).tried
    dooms = list(before_each(tried)) if campaign.everywhere else of_slice(tried, SLICE)
    for number, doom in enumerate(campaign.through(start.name, tried, dooms, deadly)):
        home = tmp_path / str(number)
        (home / "shop").mkdir(parents=True)
        dead = deadly.run("command", home, doom, arguments=list(start.arguments))
        assert dead.died or doom.effect > len(dead.tried)

        check_keys(home)
        if not start.is_done(home):
            again = begun(start, home)
            if again.exit_code:
                removed(again, home)
                again = begun(start, home)
            assert again.exit_code == 0, (doom, tried[doom.effect - 1], again.err)
            check_keys(home)
        assert start.is_done(home)
        assert {one.name for one in home.iterdir()} == {"shop", *start.makes}
        shutil.rmtree(home)
