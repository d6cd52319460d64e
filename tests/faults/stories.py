"""The passes that die: what people change before each, and which way the change is applied."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from controller.artifacts import layout
from controller.artifacts.rollback import RollbackStatement
from controller.audit.commit import reference
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import sha256
from controller.kernel.errors import Refused
from controller.kernel.instants import Window
from controller.plan.guards import GuardTripped
from controller.reconcile.cycle import converge
from controller.reconcile.repin import NothingToRecord, repin
from controller.reconcile.resolve import IIN, Question, resolve
from controller.trust.core import ThresholdNotMet
from tests.support.mortal import BULK, FEW, REBUILD, retitled
from tests.support.world import CARDS, NEW_RANGE, RANGES, TWO, Shop

MANY = 100  # the campaign adds them well over a hundred times, and a file has 1 MiB
GUARDED = 21  # one more than the guards let go unasked
OWED = 3
_DAY = timedelta(days=1)


def _always(shop: Shop) -> bool:
    del shop
    return True


@dataclass(frozen=True)
class Story:
    """A kind of pass. `change` takes a number that is never the same twice, from 1 up.

    `refusal` is the code that the pass ends with where it is refused, and `holds` what is true of
    the shop when it has ended, besides what is true after every pass.
    """

    name: str
    change: Callable[[Shop, int], None]
    limits: tuple[int, int] = FEW
    revisions: int = 1
    own_rails: bool = False
    pins: bool = False
    refusal: type[Refused] | None = None
    holds: Callable[[Shop], bool] = _always

    def begin(self, shop: Shop, number: int) -> None:
        """Make the change that a pass will apply."""
        self.change(shop, number)
        if self.own_rails:
            shop.rails = retitled(number)

    def facts(self, number: int) -> dict[str, Any]:
        """Return what the watched pass has to know: its way, its rails, and how it ends."""
        return {
            "limits": self.limits,
            "rails": number if self.own_rails else 0,
            "refusal": self.refusal.code if self.refusal is not None else None,
            "pins": self.pins,
        }

    def finish(self, shop: Shop) -> None:
        """Do all of it once more, as whoever runs it does when it died."""
        if self.pins:
            with suppress(NothingToRecord):
                repin(shop.world())
        if self.refusal is None:
            shop.reconcile()
            return
        with pytest.raises(self.refusal):
            shop.reconcile()


# What is served changes


def _range(number: int) -> str:
    """Return the line of a card range that only one story has."""
    return NEW_RANGE.replace("990600", f"{number:06}")


def one_range(shop: Shop, number: int) -> None:
    """Publish one more card range, and take the one before it away."""
    line, before = _range(991000 + number), _range(991000 + number - 1)
    there = before in shop.read(RANGES).decode().splitlines()
    shop.publish(add=[line], drop=[before] if there else [])


def many_ranges(shop: Shop, number: int, count: int = MANY) -> None:
    """Publish up to a thousand card ranges more."""
    shop.publish(
        add=[NEW_RANGE.replace("990600", f"98{number:03}{n:03}") for n in range(count)],
    )


def _nothing(shop: Shop, number: int) -> None:
    del shop, number


def _other_file(shop: Shop, number: int) -> None:
    shop.commit({"README.md": f"{number}\n".encode()})


# Back


def _revert(shop: Shop, number: int) -> None:
    one_range(shop, number)
    shop.reconcile()
    shop.revert_release(shop.released[0])


def _permit(shop: Shop, number: int) -> None:
    """Go back by an unsigned commit and a statement that the rollback key signed."""
    one_range(shop, number)
    shop.reconcile()
    now, to = shop.clock.now(), shop.released[0]
    digest = sha256(to.payload())
    made = RollbackStatement(
        shop.root.repository, ENVIRONMENT, to.serial, digest, "meant so", now, now + _DAY
    )
    shop.revert_release(to, by=None)
    sealed = shop.sealed(made.payload(), ["rollback"])
    shop.commit({layout.rollback_path(ENVIRONMENT): sealed})


# Dates


def _schedule(shop: Shop, number: int) -> None:
    """Release a version from tomorrow on, and the one in force until then."""
    shop.clock.advance(_DAY)
    tomorrow = shop.clock.now() + _DAY
    shop.edit(add=[_range(992000 + number)])
    last = max(
        (one for one in shop.released[-1].bundles if one.bundle == CARDS),
        key=lambda one: one.version,
    )
    now = replace(last, window=Window(last.window.start if last.window else None, tomorrow))
    later = shop.sign(shop.next_version(window=Window(tomorrow)))
    release = shop.next_release(later)
    others = tuple(one for one in release.bundles if one.bundle != CARDS)
    shop.release(replace(release, bundles=(*others, now, later)))


def _comes(shop: Shop, number: int) -> None:
    """Let the date of a version come that was applied before it."""
    _schedule(shop, number)
    shop.reconcile()
    assert not _newest_is_served(shop)
    shop.clock.advance(_DAY)


def _newest_is_served(shop: Shop) -> bool:
    """Whether production answers with the newest of the scheduled ranges."""
    lines = shop.read(RANGES).decode().splitlines()
    newest = max(line for line in lines if line.startswith("992"))
    asked = Question(IIN, newest[:6], shop.clock.now())
    world = shop.world()
    return resolve(world.connection, world.environment, asked) is not None


# Guards


def _hold(shop: Shop, number: int) -> None:
    """Release the removal of more than may go unasked."""
    lines = [_range(993000 + n) for n in range(GUARDED)]
    if number == 1:
        shop.publish(add=lines)
        shop.reconcile()
        shop.publish(drop=lines)
    else:
        _other_file(shop, number)


def _acknowledge(shop: Shop, number: int) -> None:
    """Release a removal, be told that it is held, and sign for it."""
    lines = [_range(993000 + n) for n in range(GUARDED)]
    shop.publish(add=lines)
    shop.reconcile()
    shop.publish(drop=lines)
    with pytest.raises(GuardTripped) as held:
        shop.reconcile()
    _other_file(shop, number)
    shop.ack(held.value.plan)


# Roots


def _another_root(shop: Shop, change: Callable[[dict[str, Any]], None]) -> None:
    path, envelope = shop.next_root(change)
    shop.commit({path: envelope})


def _same(document: dict[str, Any]) -> None:
    """Change only a root's version."""
    del document


def _roots(shop: Shop, number: int) -> None:
    _another_root(shop, _same)
    one_range(shop, number)


def _refused_beside_a_root(shop: Shop, number: int) -> None:
    """Commit one more root, beside a release that lacks a signature."""
    _another_root(shop, _same)
    if number == 1:
        live = shop.sign(shop.next_version())
        shop.release(shop.next_release(live), by=TWO[:1])


def _newest_root_is_held(shop: Shop) -> bool:
    path, _ = shop.next_root(_same)
    return path == layout.root_path(shop.held_root_version() + 1)


def _reset(shop: Shop, number: int) -> None:
    """Apply a release that nobody wanted; a root starts the serials again before it."""
    good = shop.released[-1]
    one_range(shop, 2 * number)
    shop.reconcile()
    shop.released.append(good)

    def change(document: dict[str, Any]) -> None:
        last = {"serial": good.serial, "sha256": sha256(good.payload())}
        document["reset"] = {ENVIRONMENT: last}

    _another_root(shop, change)
    one_range(shop, 2 * number + 1)


def _pin(shop: Shop, number: int) -> None:
    """Pin a root of new owners: nobody who owned the one before has signed it."""
    names = (f"dora-{number}", f"erin-{number}")
    people = {name: shop.new_person(name).public for name in names}

    def change(document: dict[str, Any]) -> None:
        for name, key in people.items():
            document["keys"][key.id] = {"owner": name, "public": key.line, "scheme": "ed25519"}
        owners = sorted(key.id for key in people.values())
        document["roles"]["root"] = {"keys": owners, "threshold": 2}

    path, envelope = shop.next_root(change, by=names)
    shop.commit({path: envelope})
    (shop.keys / "1.root.json").write_bytes(envelope)


# The trail


def _owe(shop: Shop, number: int) -> None:
    """Apply releases on a host that has no key for the trail."""
    for n in range(OWED):
        one_range(shop, OWED * number + n)
        list(converge(shop.world(signer=None)))


def _lose_trail(shop: Shop, number: int) -> None:
    """Restore the trail from an older copy."""
    for n in (1, 2):
        one_range(shop, OWED * number - n)
        shop.reconcile()
    branch = reference(shop.controller)
    shop.git("update-ref", branch, f"{branch}~2")
    one_range(shop, OWED * number)


RELEASE = Story("a release, few rows", one_range)
STORIES = (
    RELEASE,
    Story("a release, many rows", many_ranges, BULK),
    Story("a release, a table built anew", many_ranges, REBUILD),
    Story("a rollback", _revert),
    Story("a rollback by statement", _permit),
    Story("other rails", _nothing, own_rails=True),
    Story("a release with windows", _schedule),
    Story("an effective date that comes", _comes, revisions=0, holds=_newest_is_served),
    Story("a held plan", _hold, revisions=0, refusal=GuardTripped),
    Story("a held plan that people signed for", _acknowledge),
    Story("a new root", _roots, holds=_newest_root_is_held),
    Story(
        "a new root beside a refused release",
        _refused_beside_a_root,
        revisions=0,
        refusal=ThresholdNotMet,
        holds=_newest_root_is_held,
    ),
    Story("a reset", _reset, holds=_newest_root_is_held),
    Story("another pin", _pin, pins=True, holds=_newest_root_is_held),
    Story("several audit commits that are owed", _owe, revisions=0),
    Story("a trail from an older copy", _lose_trail),
    Story("a commit that changes nothing served", _other_file, revisions=0),
    Story("an unchanged world", _nothing, revisions=0),
)
