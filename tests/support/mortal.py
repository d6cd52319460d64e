"""Acts that are watched, and die where they are told to, each in a process of its own.

`Mortals` starts `python -B -m tests.support.mortal HOME` and sends it one line of JSON per act; a
fork of that process does the act under the eyes of `tracer`, and what it did comes back as one
line. Forking spares each act the imports and the reading of rails.
"""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from controller.adapters.embedded import EmbeddedPostgres
from controller.adapters.migrations import migrate
from controller.adapters.postgres import connect
from controller.adapters.shipped import shipped
from controller.kernel.errors import Refused
from controller.plan import strategy
from controller.reconcile.cycle import converge, publish_owed
from controller.reconcile.rails import Rails
from controller.reconcile.repin import repin
from tests.support import commands
from tests.support.followed import Followed, errands, live_once
from tests.support.house import ROOT
from tests.support.tracer import Doom, Watched, When, watch
from tests.support.world import Shop, open_connection

FEW, BULK, REBUILD = (1_000, 10), (0, 0), (0, 10_000)
"""Limits of `plan.strategy` that choose each way for the few rows of a test."""


class Mortals:
    """The process that acts are forked from."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self._child = child
        self.killed = 0

    def run(self, act: str, home: Path, doom: Doom | None = None, **facts: Any) -> Watched:
        """Do an act under watch and return what it did, and whether it lived."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        asked = {"act": act, "home": str(home), "doom": doom and asdict(doom), "facts": facts}
        self._child.stdin.write(f"{json.dumps(asked)}\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        assert answer, "the process that acts are forked from is gone: stderr says why"
        found = json.loads(answer)
        watched = Watched(**{**found, "unknown": set(found["unknown"])})
        assert watched.unknown == set(), "a system call that tests/support/syscalls.py lacks"
        assert watched.died or watched.status == 0, watched
        assert doom is not None or not watched.died
        self.killed += watched.died
        return watched

    def live(
        self, followed: Followed, url: str, receiver: str, doom: Doom | None = None
    ) -> Watched:
        """Let a host live until production is at the branch, all is pushed and everybody told."""
        now = followed.people.clock.now().isoformat()
        facts = {"url": url, "now": now, "receiver": receiver}
        return self.run("live", followed.state.parent, doom, **facts)

    def reconcile(
        self,
        shop: Shop,
        url: str,
        doom: Doom | None = None,
        *,
        limits: tuple[int, int] = FEW,
        rails: int = 0,
        refusal: str | None = None,
        pins: bool = False,
    ) -> Watched:
        """Run passes until production is at the branch, or until one ends with `refusal`.

        With `pins` a person records first that this host starts from the root it pins now.
        """
        now = shop.clock.now().isoformat()
        facts = {"url": url, "now": now, "limits": limits, "rails": rails}
        facts |= {"refusal": refusal, "pins": pins}
        return self.run("reconcile", shop.folder.parent, doom, **facts)


@contextmanager
def mortals(home: Path) -> Iterator[Mortals]:
    """Start the process that acts are forked from; it knows the rails of the shop in `home`."""
    with subprocess.Popen(
        [sys.executable, "-B", "-m", "tests.support.mortal", str(home)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        yield Mortals(child)
        assert child.stdin is not None
        child.stdin.close()


def retitled(number: int) -> Rails:
    """Return the shipped rails, saying something else of themselves: other policies, same rules."""
    files = dict(shipped("policies"))
    rail = json.loads(files["card-bin/rail.json"])
    rail["title"] = f"Card ranges, worded anew {number}"
    return Rails({**files, "card-bin/rail.json": json.dumps(rail).encode()})


def _reconcile(
    home: Path,
    *,
    url: str,
    now: str,
    limits: list[int],
    rails: int,
    refusal: str | None,
    pins: bool,
) -> None:
    strategy.DELTA_ROWS_MAX, strategy.STAGED_SHARE_MAX = limits
    with open_connection(url) as connection:
        shop = Shop.open(home)
        shop.clock.instant = datetime.fromisoformat(now)
        if rails:
            shop.rails = retitled(rails)
        world = shop.world(connection)
        if pins:
            repin(world)
            publish_owed(world)
        try:
            list(converge(world))
        except Refused as error:
            if error.code != refusal:
                raise
        else:
            assert refusal is None


def _live(home: Path, *, url: str, now: str, receiver: str) -> None:
    shop = Shop.open(home)
    shop.clock.instant = datetime.fromisoformat(now)
    live_once(Followed(shop, home / "state"), url, errands(home, receiver))


def _migrate(home: Path, url: str) -> None:
    del home
    with connect(url, application_name="tests", autocommit=True) as connection:
        migrate(connection)


def _serve(home: Path) -> None:
    with EmbeddedPostgres(home / "state"):
        pass


def _command(home: Path, arguments: list[str]) -> None:
    os.chdir(home / "shop")
    said = commands.run(*arguments)
    if said.exit_code:
        raise SystemExit(said.err)


def _family(home: Path, children: int) -> None:
    """Bear children while others work, all of whom hold one lock until the last has ended."""
    with (home / "held").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for number in range(children):
            if os.fork() == 0:
                (home / str(number)).touch()
                os._exit(0)
        for _ in range(children):
            os.wait()


_ACTS: dict[str, Callable[..., None]] = {
    "reconcile": _reconcile,
    "live": _live,
    "migrate": _migrate,
    "serve": _serve,
    "command": _command,
    "family": _family,
}
_WITH_CHILDREN = ("command", "family")


def main(home: Path) -> None:
    """Read the rails of some shop, then do acts as they are asked for."""
    shop = Shop.open(home)
    rails = shop.rails.at(shop.repository, shop.tree)
    for name in rails.names:
        rails.rail(name)
    for line in sys.stdin:
        asked = json.loads(line)
        where, doom = Path(asked["home"]), asked["doom"]
        watched = watch(
            partial(_ACTS[asked["act"]], where, **asked["facts"]),
            where,
            doom=doom and Doom(doom["effect"], When(doom["when"]), doom["delay_seconds"]),
            children=asked["act"] in _WITH_CHILDREN,
        )
        found = {**asdict(watched), "unknown": sorted(watched.unknown)}
        sys.stdout.write(f"{json.dumps(found)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
