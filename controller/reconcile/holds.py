"""What keeps a new revision out although every check is good: a person, a file, or a window.

The strongest speaks: a freeze, of this host or of the environment, then a suspension, then a
window. An override lets revisions through windows and a suspension; nothing passes a freeze.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from controller.adapters.postgres import Connection
from controller.kernel.canonical import Json
from controller.kernel.errors import Held
from controller.kernel.instants import format_instant
from controller.reconcile import hostfreeze
from controller.reconcile.windows import Windows
from controller.reconcile.world import World
from controller.stores.control import holds as stored
from controller.stores.control.holds import Hold, HoldKind

HOST_FREEZE, FREEZE, SUSPEND, WINDOW = "host-freeze", "freeze", "suspend", "window"
_FREEZES = frozenset({HOST_FREEZE, FREEZE})


@dataclass(frozen=True, slots=True)
class Holding:
    """Why nothing new is let in: who or what says so, and until when, if that is known."""

    kind: str
    reason: str
    actor: str = ""
    until: datetime | None = None
    since: datetime | None = None

    @property
    def is_freeze(self) -> bool:
        """Whether nobody passes it."""
        return self.kind in _FREEZES

    def __str__(self) -> str:
        """Return it as people read it."""
        by = f" by {self.actor}" if self.actor else ""
        until = f" until {format_instant(self.until)}" if self.until else ""
        return f"{self.kind}{by}{until}: {self.reason}"


class HeldBack(Held):
    """A hold or a window keeps a good revision out."""

    code = "holds.held_back"

    def __init__(self, holding: Holding) -> None:
        super().__init__(
            f"new revisions are held back, {holding}",
            hint=_HINTS.get(holding.kind, _HINTS[WINDOW]),
        )
        self.holding = holding


_HINTS = {
    HOST_FREEZE: "what is applied is served; `countersign unfreeze --here` on this host lets new "
    "revisions in again",
    FREEZE: "what is applied is served; `countersign unfreeze` lets new revisions in again",
    SUSPEND: "what is applied is served; `countersign resume` lets new revisions in again",
    WINDOW: "what is applied is served; `countersign windows` says when it opens, "
    "`countersign override --reason` lets revisions through",
}


@dataclass(frozen=True, slots=True)
class Holds:
    """Everything that holds at an instant, the strongest first, and who lets revisions through."""

    all: tuple[Holding, ...] = ()
    override: Holding | None = None
    expired: tuple[Hold, ...] = ()
    """Holds that are over and not yet written down as lifted."""

    @property
    def holding(self) -> Holding | None:
        """What keeps a new revision out, if anything does."""
        for one in self.all:
            if one.is_freeze or self.override is None:
                return one
        return None


def look(
    connection: Connection[Any] | None,
    environment: str,
    windows: Windows,
    host_folder: Path | None,
    now: datetime,
) -> Holds:
    """Return everything that holds now. Without a connection: this host's file and the windows."""
    kept = stored.unlifted(connection, environment) if connection is not None else ()
    active = [one for one in kept if one.is_active(now)]
    override = [one for one in active if one.kind is HoldKind.OVERRIDE]
    return Holds(
        (*_of_host(host_folder, now), *_of_people(active), *_of_windows(windows, now)),
        _holding(override[0]) if override else None,
        tuple(one for one in kept if not one.is_active(now)),
    )


def holding(
    connection: Connection[Any] | None,
    environment: str,
    windows: Windows,
    host_folder: Path | None,
    now: datetime,
) -> Holding | None:
    """Return what keeps a new revision out now. Where a file decides no database is asked."""
    frozen = next(_of_host(host_folder, now), None)
    if frozen is not None:
        return frozen
    return look(connection, environment, windows, host_folder, now).holding


def held_by(world: World, now: datetime) -> Holding | None:
    """Return what keeps a new revision out of a world."""
    return holding(world.connection, world.environment, world.windows, world.host_folder, now)


def check_holds(world: World, now: datetime) -> None:
    """Raise `HeldBack` when something keeps a new revision out."""
    found = held_by(world, now)
    if found is not None:
        raise HeldBack(found)


def all_of(world: World, now: datetime) -> Holds:
    """Return everything that holds in a world."""
    return look(world.connection, world.environment, world.windows, world.host_folder, now)


def as_json(one: Holding | None) -> dict[str, Json] | None:
    """Return what machines read of a hold."""
    if one is None:
        return None
    return {
        "kind": one.kind,
        "reason": one.reason,
        "actor": one.actor or None,
        "since": format_instant(one.since) if one.since is not None else None,
        "until": format_instant(one.until) if one.until is not None else None,
    }


def _of_host(folder: Path | None, now: datetime) -> Iterator[Holding]:
    found = hostfreeze.read(folder, now) if folder is not None else None
    if found is not None:
        yield Holding(HOST_FREEZE, found.reason, found.actor, found.expires_at, found.placed_at)


def _of_people(active: list[Hold]) -> Iterator[Holding]:
    for kind in (HoldKind.FREEZE, HoldKind.SUSPEND):
        yield from (_holding(one) for one in active if one.kind is kind)


def _of_windows(windows: Windows, now: datetime) -> Iterator[Holding]:
    found = windows.at(now)
    if not found.is_open:
        yield Holding(WINDOW, found.reason, until=found.until)


def _holding(hold: Hold) -> Holding:
    return Holding(hold.kind.value, hold.reason, hold.actor, hold.expires_at, hold.placed_at)
