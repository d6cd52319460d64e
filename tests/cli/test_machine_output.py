"""What commands print as JSON is what the page about it says; no command is left out."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.main import get_command

from controller.adapters.clock import SystemClock
from controller.app import settings, wiring
from controller.authoring.starting import CONTROLLER
from controller.cli.main import app
from controller.kernel.events import Event
from controller.stores.control import events
from controller.stores.control.events import Happened
from tests.support.commands import Desk, Said, run
from tests.support.house import ROOT
from tests.support.world import NEW_RANGE, OTHER_RANGE, RANGES, with_lines

PAGE = (ROOT / "docs" / "machine-output.md").read_text()
# The members of these are names of tables, columns, rules and roles, or another page's business.
OPEN = {
    "rows",
    "tables",
    "counts",
    "rules",
    "refused_by_rule",
    "roles",
    "cells",
    "matched",
    "participant",
    "endpoints",
    "record",
    "facts",
}
CARDS = "card-bin/house-cards"
JSON = ("-o", "json")
BINLIST = (
    "iin_start,iin_end,number_length,number_luhn,scheme,brand,type,prepaid,country,bank_name,"
    "bank_logo,bank_url,bank_phone,bank_city\n"
    "45717360,,16,,visa,Visa/Dankort,debit,,DK,Jyske Bank,,,,\n"
    "nonsense,,16,,visa,Visa/Dankort,debit,,DK,Jyske Bank,,,,\n"
)


class Scene:
    """A deploy host that has applied two releases, and owners who work in its repository."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.here = ("-C", str(desk.folder))
        self.settings = ("--config", str(desk.config))
        desk.run("reconcile", "--once")
        self.publish(NEW_RANGE)
        desk.run("reconcile", "--once")

    def publish(self, line: str) -> None:
        """Release a version with one range more."""
        shop = self.desk.shop()
        shop.released.append(shop.statement())
        shop.publish(add=[line])
        shop.sync()

    def key(self, *names: str) -> tuple[str, ...]:
        """Sign with these people's keys."""
        return tuple(word for name in names for word in ("--key", str(self.path("keys", name))))

    def path(self, *names: str) -> str:
        """Name a file of this host."""
        return str(self.desk.home.joinpath(*names))

    def edit(self) -> None:
        """Change a draft in the work tree."""
        file = self.desk.folder / RANGES
        file.write_bytes(with_lines(file.read_bytes(), add=[OTHER_RANGE]))

    def sign(self, *words: str) -> Said:
        """Sign the draft."""
        self.edit()
        return self.author("sign", CARDS, *self.key("alice", "bob"), *words)

    def commit(self) -> None:
        """Commit the work tree."""
        self.desk.shop().git("add", "-A")
        self.desk.shop().git("commit", "-qm", "Change")

    def author(self, *words: str) -> Said:
        """Run a command in the repository, with this host's settings."""
        return run(*words, *self.here, *self.settings)

    def asked(self, *words: str) -> list[Said]:
        """Run a command that only needs this host's settings."""
        return [run(*words, *self.settings, *JSON)]


def _plan(scene: Scene) -> list[Said]:
    settled = scene.asked("plan")
    scene.publish(OTHER_RANGE)
    changing = scene.asked("plan")
    assert settled[0].json.keys() == changing[0].json.keys()
    return [*settled, *changing]


def _reconcile(scene: Scene) -> list[Said]:
    scene.publish(OTHER_RANGE)
    return scene.asked("reconcile", "--once")


def _drifts(scene: Scene) -> list[Said]:
    before = scene.asked("drift")
    with wiring.database(settings.load(scene.desk.config)) as connection:
        connection.execute(b"DELETE FROM directory.range")
    return [*before, *scene.asked("drift")]


def _events(scene: Scene) -> list[Said]:
    happened = Happened(Event.LEADING, SystemClock().now(), "it leads", facts={"code": "a.b"})
    named = settings.load(scene.desk.config)
    with wiring.database(named) as connection:
        events.append(connection, named.controller.environment, happened)
    found = scene.asked("events")
    assert found[0].json["events"]
    return found


def _holds(scene: Scene, place: str, lift: tuple[str, ...]) -> list[Said]:
    placed = scene.asked(place, "--reason", "INC-17", "--for", "1h")
    scene.publish(OTHER_RANGE)
    told = [*scene.asked("plan"), *scene.asked("status")]
    for one in told:
        assert _members(one.json) - {"version"} <= _section("plan") | _section("status")
    return [*placed, *scene.asked(*lift)]


def _freezes(scene: Scene) -> list[Said]:
    here = scene.asked("freeze", "--here", "--reason", "INC-17")
    thawed = scene.asked("unfreeze", "--here")
    return [*here, *thawed, *_holds(scene, "freeze", ("unfreeze", "--reason", "solved"))]


def _windows(scene: Scene) -> list[Said]:
    with scene.desk.config.open("a") as file:
        file.write('\n[[windows]]\nkind = "deny"\nschedule = "0 0 * * *"\nminutes = 1440\n')
        file.write('zone = "Europe/Berlin"\nreason = "closed"\n')
    return scene.asked("windows")


def _sign(scene: Scene) -> list[Said]:
    bundle = scene.sign(*JSON)
    scene.commit()
    scene.author("promote", f"{CARDS}@3", *scene.key("alice"), "--partial")
    release = scene.author("sign", "release:production", *scene.key("bob"), *JSON)
    return [bundle, release]


def _promote(scene: Scene) -> list[Said]:
    scene.sign()
    scene.commit()
    people = scene.key("alice", "bob")
    return [scene.author("promote", f"{CARDS}@3", *people, "--tag", *JSON)]


def _rollback(scene: Scene) -> list[Said]:
    older = scene.author("rollback", "--to", f"{CARDS}@1", *scene.key("alice", "bob"), *JSON)
    back = scene.author("rollback", "--to", "1", *scene.key("rollback"), *JSON)
    return [older, back]


def _ack(scene: Scene) -> list[Said]:
    why = ("--reason", "merger")
    return [scene.author("ack", "ab" * 32, "--unchecked", *why, *scene.key("alice"), *JSON)]


def _heartbeat(scene: Scene) -> list[Said]:
    run("key", "new", scene.path("keys", "ci"))
    proposal, signed = scene.path("root-2.json"), scene.desk.home / "2.root.json"
    key = f"heartbeat=ci:{scene.path('keys', 'ci.pub')}"
    scene.author("root", "propose", "--add-key", key, "--out", proposal)
    run("root", "sign", proposal, *scene.key("alice", "bob"))
    shop = scene.desk.shop()
    shop.commit({"trust/root/2.root.json": signed.read_bytes()})
    shop.sync()
    return [scene.author("heartbeat", *scene.key("ci"), *JSON)]


def _import(scene: Scene) -> list[Said]:
    (scene.desk.home / "ranges.csv").write_text(BINLIST)
    named = ("--rail", "card-bin", "--name", "binlist", "--map", "binlist")
    return [scene.author("import", *named, scene.path("ranges.csv"), *JSON)]


def _root_sign(scene: Scene) -> list[Said]:
    proposal = scene.path("root-2.json")
    scene.author("root", "propose", "--floor", "production=1", "--out", proposal)
    return [run("root", "sign", proposal, *scene.key("alice"), *JSON)]


def _root_gather(scene: Scene) -> list[Said]:
    _root_sign(scene)
    return [run("root", "gather", scene.path("2.root.json"), "--out", scene.path("g.json"), *JSON)]


def _trace(scene: Scene) -> list[Said]:
    then = scene.asked("trace", "iin", "990600", "--revision", "2")
    scene.publish(OTHER_RANGE)
    shop = scene.desk.shop()
    shop.released.append(shop.statement())
    shop.publish(drop=[NEW_RANGE])
    scene.desk.run("reconcile", "--once")
    return [*then, *scene.asked("trace", "ranges/990600")]


SCENES: dict[str, Callable[[Scene], list[Said]]] = {
    "version": lambda _: [run("version", *JSON)],
    "init": lambda scene: [
        run("init", scene.path("new"), "--demo-keys", scene.path("new-keys"), *JSON)
    ],
    "key new": lambda scene: [run("key", "new", scene.path("dora"), *JSON)],
    "key show": lambda scene: [run("key", "show", scene.path("keys", "alice.pub"), *JSON)],
    "root sign": _root_sign,
    "root gather": _root_gather,
    "root show": lambda scene: [run("root", "show", *scene.here, *JSON)],
    "root verify": lambda scene: [scene.author("root", "verify", *JSON)],
    "import": _import,
    "shard": lambda scene: [run("shard", CARDS, *scene.here, *JSON)],
    "sign": _sign,
    "promote": _promote,
    "rollback": _rollback,
    "ack": _ack,
    "heartbeat": _heartbeat,
    "export": lambda scene: [scene.author("export", f"{CARDS}@1", scene.path("cards.tar"), *JSON)],
    "plan": _plan,
    "reconcile": _reconcile,
    "validate": lambda scene: scene.asked("validate", str(scene.desk.folder)),
    "diff": lambda scene: [scene.author("diff", "production", "main~3", *JSON)],
    "status": lambda scene: scene.asked("status"),
    "events": _events,
    "suspend": lambda scene: _holds(scene, "suspend", ("resume",)),
    "resume": lambda scene: _holds(scene, "suspend", ("resume",)),
    "override": lambda scene: _holds(scene, "override", ("override", "--end")),
    "freeze": _freezes,
    "unfreeze": _freezes,
    "windows": _windows,
    "history": lambda scene: scene.asked("history"),
    "resolve": lambda scene: scene.asked("resolve", "iin", "990600"),
    "trace": _trace,
    "drift": _drifts,
    "doctor": lambda scene: scene.asked("doctor"),
    "migrate": lambda scene: scene.asked("migrate"),
    "audit verify": lambda scene: scene.asked("audit", "verify"),
    "audit checkpoint": lambda scene: scene.asked("audit", "checkpoint"),
    "audit show": lambda scene: scene.asked("audit", "show"),
    "audit compare": lambda scene: scene.asked("audit", "compare", CONTROLLER),
}


def _commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every command that there is, by its words."""
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, (*words, name))
    if words and not hasattr(group, "commands"):
        yield " ".join(words), group


WITH_JSON = [
    name
    for name, command in _commands(get_command(app))
    if any("-o" in parameter.opts for parameter in command.params)
]


def _section(name: str) -> set[str]:
    """Return every word in backquotes of a section."""
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/machine-output.md has no section {name}"
    return set(re.findall(r"`([^`]+)`", found[1]))


def _members(value: Any, name: str = "") -> set[str]:
    if isinstance(value, list):
        return {found for one in value for found in _members(one, name)}
    if not isinstance(value, dict) or (name in OPEN and "table" not in value):
        return set()
    return {*value, *(found for key in value for found in _members(value[key], key))}


@pytest.mark.parametrize("name", WITH_JSON)
def test_every_member_stands_on_the_page(name: str, desk: Desk) -> None:
    for said in SCENES[name](Scene(desk)):
        members = _members(said.json) - {"version"}

        assert members, said
        assert members - _section(name) == set()


def test_the_page_describes_commands_that_there_are() -> None:
    assert sorted(re.findall(r"^## (.+)$", PAGE, re.MULTILINE)) == sorted(WITH_JSON)


@pytest.mark.parametrize("name", WITH_JSON)
def test_every_command_with_machine_output_shows_an_example(name: str) -> None:
    said = Desk.help(*name.split())

    assert said.exit_code == 0
    assert f"Example: countersign {name}" in said.out
