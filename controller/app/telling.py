"""Who is told, as the settings of a host say: targets to decide for, senders to deliver with."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from controller.adapters.forge import Forge, ForgeKind
from controller.adapters.outbound import Route
from controller.adapters.pagerduty import PagerDuty
from controller.adapters.senders import Place, Sender
from controller.adapters.slack import Slack
from controller.adapters.webhook import Webhook
from controller.app.host import artifact_repository
from controller.app.settings import NotifySection, Settings
from controller.kernel.errors import Refused
from controller.kernel.events import Severity
from controller.kernel.notices import Notice, NoticeKind
from controller.kernel.objects import Oid
from controller.reconcile import notices
from controller.reconcile.notices import Target, Topic
from controller.reconcile.turn import Owe
from controller.reconcile.world import World
from controller.stores.control.conditions import Condition
from controller.stores.control.events import Happened

PAGERDUTY, GITHUB = "https://events.pagerduty.com", "https://api.github.com"
TEST = "Test"


class NoSuchTarget(Refused):
    """No `[[notify]]` of the settings has this name."""

    code = "telling.no_such_target"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        names = ", ".join(known) or "none"
        super().__init__(f"no [[notify]] is called {name!r}", hint=f"there are: {names}")
        self.name = name


def targets(settings: Settings) -> tuple[Target, ...]:
    """Return who is told what."""
    return tuple(_target(one) for one in settings.notify)


def senders(settings: Settings) -> Mapping[str, Sender]:
    """Return who carries a notice to each target; no secret is read before it is needed."""
    return {one.name: _sender(one, settings) for one in settings.notify}


def owe(settings: Settings) -> Owe:
    """Return what owes notices in the transaction that writes conditions and events."""
    told = targets(settings)

    def owe_all(
        world: World, now: datetime, _told: Sequence[Happened], said: Sequence[Condition]
    ) -> None:
        notices.owe(world.connection, world.environment, told, said, now)

    return owe_all


def test(settings: Settings, name: str, now: datetime, delivery: str) -> None:
    """Send a test to a target at once, past the queue; raise what keeps it from getting there."""
    sender = senders(settings).get(name)
    if sender is None:
        raise NoSuchTarget(name, [one.name for one in settings.notify])
    notice = Notice(
        kind=NoticeKind.TEST,
        environment=settings.controller.environment,
        subject=TEST,
        reason=TEST,
        severity=Severity.INFO,
        at=now,
        message="somebody tries whether notices arrive here",
        commit=_tip(settings) if isinstance(sender, Forge) else None,
    )
    sender.send(notice, delivery=delivery, now=now)


def _tip(settings: Settings) -> Oid | None:
    return artifact_repository(settings).target(f"refs/heads/{settings.repository.branch}")


def _target(section: NotifySection) -> Target:
    repeat = timedelta(minutes=section.repeat_minutes) if section.repeat_minutes else None
    return Target(
        section.name,
        frozenset(Topic(one) for one in section.on),
        Severity(section.min_severity),
        repeat,
        is_forge=section.kind in {"github", "gitea"},
    )


def place(section: NotifySection, settings: Settings) -> Place:
    """Return where a receiver is."""
    route = Route(section.name, file_of(settings, section.ca_file), section.proxy)
    return Place(route, section.url or _usual(section), file_of(settings, section.url_file))


def file_of(settings: Settings, path: Path | None) -> Path | None:
    """Return where a file is; not resolved: a secret that is a link is refused, and said so."""
    return settings.folder / path.expanduser() if path is not None else None


def _sender(section: NotifySection, settings: Settings) -> Sender:
    where = place(section, settings)
    secret, token = (file_of(settings, one) for one in (section.secret_file, section.token_file))
    match section.kind:
        case "webhook":
            assert secret is not None, "the settings were checked"
            return Webhook(where, secret)
        case "slack":
            return Slack(where)
        case "pagerduty":
            assert token is not None, "the settings were checked"
            return PagerDuty(where, token)
        case "github" | "gitea":
            assert token is not None, "the settings were checked"
            assert section.repository is not None, "the settings were checked"
            return Forge(
                ForgeKind(section.kind),
                where,
                token,
                section.repository,
                section.context or f"countersign/{settings.controller.environment}",
                section.target_url,
            )


def _usual(section: NotifySection) -> str:
    return {"pagerduty": PAGERDUTY, "github": GITHUB}.get(section.kind, "")
