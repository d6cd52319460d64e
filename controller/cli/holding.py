"""What the commands that hold revisions back share: options, how long, and what is printed."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from controller.cli.output import Output, emit, emit_json
from controller.kernel.errors import Refused

if TYPE_CHECKING:
    from controller.adapters.postgres import Connection
    from controller.app.settings import Settings
    from controller.reconcile.holds import Holding
    from controller.stores.control.holds import Hold, HoldKind, Wanted

ReasonOption: TypeAlias = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Say why.")]
LiftReasonOption: TypeAlias = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Say why, for the record.")
]
UntilOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--until", metavar="INSTANT", help="It ends then: 2026-12-01T00:00:00Z, or a day in UTC."
    ),
]
ForOption: TypeAlias = Annotated[
    str | None, typer.Option("--for", metavar="TIME", help="It ends after so long: 90m, 2h, 1d12h.")
]
ActorOption: TypeAlias = Annotated[
    str | None, typer.Option("--actor", metavar="NAME", help="Who; by default you, as USER@HOST.")
]

_DURATION = re.compile(
    r"(?=\d)(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,7})s)?", re.ASCII
)


class NotADuration(Refused):
    """A text is not a time span as people type it."""

    code = "cli.not_a_duration"

    def __init__(self, text: str) -> None:
        super().__init__(f"{text[:40]!r} is not a time span", hint="write it as 90m, 2h or 1d12h")


class OneEnd(Refused):
    """A hold ends once: `--until` and `--for` were both named."""

    code = "cli.one_end"

    def __init__(self) -> None:
        super().__init__("it ends once", hint="name --until or --for, not both")


def parse_duration(text: str) -> timedelta:
    """Read `1d12h`, `90m` or `45s`; raise `NotADuration`."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise NotADuration(text)
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    found = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not found:
        raise NotADuration(text)
    return found


def ends(now: datetime, until: str | None, for_: str | None) -> datetime | None:
    """Return when a hold ends; `None` where neither option was named."""
    from controller.kernel.instants import parse_when

    if until is not None and for_ is not None:
        raise OneEnd
    if for_ is not None:
        return now + parse_duration(for_)
    return parse_when(until) if until is not None else None


def present() -> datetime:
    """Return the present instant, in whole seconds as a hold is written."""
    from controller.adapters.clock import SystemClock

    return SystemClock().now().replace(microsecond=0)


def who(actor: str | None) -> str:
    """Return who acts."""
    from controller.app.holding import person

    return actor if actor is not None else person()


@contextmanager
def _database(named: "Settings") -> "Iterator[Connection[Any]]":
    """Open the database that holds are written to; no repository and no key is needed for that."""
    from controller.adapters import migrations
    from controller.app import wiring

    with wiring.database(named) as connection:
        migrations.check(connection)
        yield connection


def put(named: "Settings", wanted: "Wanted") -> "tuple[Hold, bool, tuple[Holding, ...]]":
    """Place a hold in the database.

    Return it, whether nothing that was begun before it can be let in any more, and all that holds.
    """
    from controller.adapters.postgres import DatabaseBusy
    from controller.app import holding
    from controller.stores.control import holds

    environment = named.controller.environment
    with _database(named) as connection:
        hold = holds.place(connection, environment, wanted)
        try:
            holds.wait_for_applies(connection, environment)
            is_quiet = True
        except DatabaseBusy:
            is_quiet = False
        return hold, is_quiet, holding.in_force(named, connection, wanted.placed_at)


def take(
    named: "Settings", kind: "HoldKind", by: str, reason: str
) -> "tuple[Hold, tuple[Holding, ...]]":
    """Lift a hold in the database; return it, and all that still holds."""
    from controller.app import holding
    from controller.stores.control import holds

    now = present()
    with _database(named) as connection:
        environment = named.controller.environment
        hold = holds.lift(connection, environment, kind, by=by, reason=reason, now=now)
        return hold, holding.in_force(named, connection, now)


def tell(
    named: "Settings",
    hold: "Hold | Wanted",
    still: "Iterable[Holding]",
    output: Output,
    *,
    file: str | None = None,
) -> None:
    """Print what was placed or lifted, and all that holds now."""
    from controller.reconcile.holds import as_json
    from controller.stores.control.holds import Hold

    lifted = hold if isinstance(hold, Hold) and hold.lifted_at is not None else None
    still = list(still)
    environment = named.controller.environment
    if output is Output.JSON:
        document: dict[str, Any] = {
            "environment": environment,
            "kind": hold.kind.value,
            "actor": hold.actor,
            "reason": hold.reason,
            "placed_at": _instant(hold.placed_at),
            "until": _instant(hold.expires_at),
            "lifted_at": _instant(lifted.lifted_at) if lifted is not None else None,
            "lifted_by": lifted.lifted_by if lifted is not None else None,
            "file": file,
            "holds": [as_json(one) for one in still],
        }
        emit_json(document)
        return
    where = f" ({file})" if file is not None else ""
    if lifted is None:
        until = f" until {_instant(hold.expires_at)}" if hold.expires_at is not None else ""
        emit(f"{environment}: {hold.kind} by {hold.actor}{until}{where}: {hold.reason}")
    else:
        emit(f"{environment}: the {hold.kind} of {hold.actor} is lifted ({hold.reason})")
    emit_still(still, was_lifted=lifted is not None)


def emit_still(still: "list[Holding]", *, was_lifted: bool) -> None:
    """Print what holds after something was lifted."""
    if was_lifted and not still:
        emit("New revisions are let in.")
    for one in still if was_lifted else ():
        emit(f"Still held: {one}")


def _instant(instant: datetime | None) -> str | None:
    from controller.kernel.instants import format_instant

    return format_instant(instant) if instant is not None else None
