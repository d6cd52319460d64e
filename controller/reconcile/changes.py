"""What changed in production since a revision, page by page."""

from dataclasses import dataclass
from typing import Any

from controller.adapters.postgres import Connection
from controller.kernel.errors import Refused
from controller.reconcile.resolve import NothingApplied
from controller.stores.control import store as control
from controller.stores.directory import changes as directory_changes
from controller.stores.directory import store as directory
from controller.stores.directory.changes import Change, Place

LIMIT_MAX = 1_000


class UnknownRevision(Refused):
    """Somebody asks for what changed since a revision that is not there yet."""

    code = "changes.unknown_revision"

    def __init__(self, since: int, *, applied: int) -> None:
        super().__init__(
            f"production is at revision {applied}, {since} is not there",
            hint="ask with the revision that an earlier answer named; 0 is before the first",
        )
        self.since, self.applied = since, applied


@dataclass(frozen=True, slots=True)
class Page:
    """Changes up to `revision`; `following` is where the next page begins, `None` after the last.

    Production may move on between two pages: who has read the last one asks again since the
    revision of the first.
    """

    revision: int
    commit: str
    changes: tuple[Change, ...]
    following: Place | None


def changes(
    connection: Connection[Any],
    environment: str,
    since: int,
    *,
    after: Place | None = None,
    limit: int = LIMIT_MAX,
) -> Page:
    """Return which keys came, changed or went after a revision.

    `connection` must not be inside a transaction. Raises `UnknownRevision` and `NothingApplied`.
    """
    with directory.moment(connection):
        applied = control.read_applied(connection, environment)
        if applied is None:
            raise NothingApplied(environment)
        if not 0 <= since <= applied.revision:
            raise UnknownRevision(since, applied=applied.revision)
        found = tuple(directory_changes.changes(connection, since, after=after, limit=limit))
        following = found[-1].place if len(found) == limit else None
        return Page(applied.revision, applied.commit.hex(), found, following)
