"""A deploy host that follows people's repository as its remote, through a mirror of its own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from secrets import SystemRandom
from typing import Any

from controller.adapters.mirror import Mirror
from controller.adapters.outbound import Route
from controller.adapters.remoteaddress import Remote
from controller.adapters.senders import Place, Sender
from controller.adapters.webhook import Webhook
from controller.app import looking
from controller.audit.commit import reference
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.events import Severity
from controller.reconcile import notices, vigil
from controller.reconcile.notices import Target, Topic
from controller.reconcile.standing import Facts
from controller.reconcile.turn import Eyes
from controller.reconcile.world import World
from controller.roles.controller import Controller, Watchers
from controller.roles.deliver import Postman
from controller.roles.doorbell import Cause, Doorbell
from controller.source.follow import Follower, push_branch
from controller.stores.control.events import Happened
from tests.support.receivers import HASTE, secret_file
from tests.support.running import Running, running
from tests.support.world import Shop, open_connection

HOLDER = "countersign@here"
TARGET = Target("on-call", frozenset(Topic), Severity.WARNING)


@dataclass
class Followed:
    """The repository of people, and one host that follows it. `more` is how the remote is asked."""

    people: Shop
    state: Path
    address: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def remote(self) -> Remote:
        """Where the branch is fetched from."""
        return Remote("remote", self.address or f"file://{self.people.folder}", **self.more)

    @property
    def git_dir(self) -> Path:
        """Where the mirror is kept."""
        return self.state / "mirror.git"

    @property
    def host(self) -> Shop:
        """The same people and the same database, with the mirror as their repository."""
        return replace(self.people, repository=Mirror.open(self.git_dir).repository)

    def follower(self) -> Follower:
        """Open the mirror, making it at first."""
        return Follower(Mirror.made(self.git_dir, self.people.branch), "main", self.remote)

    def eyes(self, *targets: Target) -> Eyes:
        """Return what a turn of this host looks with, and whom it owes notices."""
        follower = self.follower()

        def look(world: World, expects_news: bool) -> None:
            looking.look(follower, world, expects_news=expects_news)

        def owe(world: World, now: datetime, _told: object, said: Any) -> None:
            notices.owe(world.connection, world.environment, targets, said, now)

        return Eyes(look=look, checks=(vigil.is_fresh, vigil.clock_is_right), owe=owe)

    @contextmanager
    def running(self, url: str, **changes: Any) -> Iterator[Running]:
        """Run its controller while the block runs."""
        given = {"eyes": self.eyes(), "git_dir": self.git_dir, **changes}
        with running(self.people, url, **given) as loop:
            yield loop


@dataclass(frozen=True)
class Errands:
    """What a host does beside its passes: whom it tells, and how."""

    targets: tuple[Target, ...] = ()
    senders: Mapping[str, Sender] = field(default_factory=dict)


def errands(home: Path, address: str) -> Errands:
    """Return who tells one receiver of everything, by signed webhooks."""
    secret = home / "webhook.secret"
    if not secret.exists():
        secret_file(home, secret.name)
    place = Place(Route(TARGET.name, bounds=HASTE), address)
    return Errands((TARGET,), {TARGET.name: Webhook(place, secret)})


def live_once(followed: Followed, url: str, errands: Errands = Errands()) -> None:
    """Start, take turns until production is at the branch, push the trail, tell, and stop.

    What threads do beside the loop is done after it, so that effects come in one order.
    """
    people, bell = followed.people, Doorbell()

    def seen(facts: Facts) -> None:
        if facts.error is not None:
            raise facts.error
        if facts.settled:
            bell.ring(Cause.STOP)

    eyes = followed.eyes(*errands.targets)
    Controller(
        open_world=_opens(followed, url),
        clock=people.clock,
        process="test",
        holder=HOLDER,
        bell=bell,
        chance=SystemRandom(),
        eyes=eyes,
        watchers=Watchers(seen=seen),
    ).run()
    push_branch(followed.follower().mirror, followed.remote, reference(people.controller))
    with open_connection(url) as connection:
        postman = Postman(ENVIRONMENT, errands.senders, people.clock, SystemRandom(), _say_nothing)
        postman.deliver_due(connection)


def _opens(followed: Followed, url: str) -> Callable[[], Any]:
    @contextmanager
    def opened() -> Iterator[World]:
        with open_connection(url) as connection:
            repository = Mirror.open(followed.git_dir).repository
            yield followed.people.world(connection, repository=repository)

    return opened


def _say_nothing(_happened: Happened) -> None:
    """Nobody listens."""
