"""The name of every event, how grave it is, and what it says: one list for logs, tables and pages.

A name never changes once it has been written somewhere. `docs/events.md` shows this list.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Self


class Severity(StrEnum):
    """How grave an event is: for the record, to be looked at, or somebody has to act."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class _Meaning:
    name: str
    severity: Severity
    sentence: str


class Event(Enum):
    """Something that happened to a controller."""

    LEADING = _Meaning("lease.taken", Severity.INFO, "A controller leads from here on.")
    STANDING_BY = _Meaning(
        "lease.held_elsewhere", Severity.INFO, "Another controller leads; this one waits."
    )
    FENCED = _Meaning(
        "lease.lost", Severity.WARNING, "Another controller took over; what was decided is void."
    )
    APPLIED = _Meaning("revision.applied", Severity.INFO, "Production came to a new revision.")
    REFUSED = _Meaning(
        "revision.refused",
        Severity.ERROR,
        "A commit is not let into production; it stays as it was until another commit comes.",
    )
    HELD = _Meaning(
        "revision.held", Severity.WARNING, "A plan waits for a person: a guard, a hold or a window."
    )
    UNAVAILABLE = _Meaning(
        "pass.failed",
        Severity.WARNING,
        "A pass could not be finished; it is tried again by itself.",
    )
    CORRUPT = _Meaning(
        "pass.corrupt",
        Severity.ERROR,
        "Something stored is not what was written: nothing is applied until a person has looked.",
    )
    BESIDE_FAILED = _Meaning(
        "beside.failed",
        Severity.WARNING,
        "Something beside the passes could not be done: listening, watching, pushing.",
    )
    RECOVERED = _Meaning("pass.recovered", Severity.INFO, "Passes succeed again.")
    BOUNDARY = _Meaning(
        "boundary.passed", Severity.INFO, "A window began or ended: other rows are served from now."
    )
    SUSPENDED = _Meaning("hold.placed", Severity.WARNING, "A person holds new revisions back.")
    RESUMED = _Meaning("hold.lifted", Severity.INFO, "New revisions are let in again.")
    OVERRIDDEN = _Meaning(
        "hold.overridden",
        Severity.WARNING,
        "A person lets new revisions through windows and a suspension for a while.",
    )
    STALE = _Meaning(
        "heartbeat.stale", Severity.ERROR, "The heartbeat is too old: is the branch held back?"
    )
    FRESH = _Meaning("heartbeat.fresh", Severity.INFO, "The heartbeat is in time again.")
    DRIFTED = _Meaning("drift.found", Severity.ERROR, "Live rows are not what was applied.")
    DRIFT_ENDED = _Meaning("drift.ended", Severity.INFO, "Live rows are what was applied again.")

    NOTICE_LOST = _Meaning(
        "notice.lost", Severity.ERROR, "A notice was refused by its receiver, or given up."
    )

    READY = _Meaning("host.ready", Severity.INFO, "Every role of this host runs.")
    STOPPING = _Meaning("host.stopping", Severity.INFO, "Somebody asked this host to stop.")
    LISTENING = _Meaning("role.listening", Severity.INFO, "A role takes requests from here on.")
    ROLE_ENDED = _Meaning(
        "role.ended", Severity.WARNING, "A role ended by itself; it is started again after a pause."
    )
    ROLE_SILENT = _Meaning(
        "role.silent", Severity.ERROR, "A role shows no life; it is killed and started again."
    )
    ROLE_FAILED = _Meaning(
        "role.failed", Severity.ERROR, "A role cannot run as it is set up, or ended in a mistake."
    )
    DATABASE_AGAIN = _Meaning(
        "database.started_again", Severity.WARNING, "The embedded PostgreSQL ended by itself."
    )
    FELL = _Meaning(
        "error.uncaught", Severity.ERROR, "Something failed that nobody had an answer for."
    )
    LIBRARY_SAID = _Meaning("library.said", Severity.WARNING, "A library warned of something.")
    LIBRARY_FAILED = _Meaning("library.failed", Severity.ERROR, "A library told of an error.")

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        return self.value.severity

    @property
    def sentence(self) -> str:
        """What it means, in one sentence."""
        return self.value.sentence

    def __str__(self) -> str:
        """Return the name as it is written everywhere."""
        return self.value.name

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the event of a name; raise `KeyError`."""
        for one in cls:
            if one.value.name == name:
                return one
        raise KeyError(name)
