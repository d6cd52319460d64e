"""What a record has to say beside the records before it: one repository, revision after revision.

The chain of digests fixes what was said, not that it makes sense. Whoever holds the audit key can
sign any record; here one that could not have come about after those before it is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.audit import trail
from controller.audit.claims import ROOT
from controller.audit.record import AuditRecord
from controller.audit.serials import Serials
from controller.kernel.instants import format_instant
from controller.stores.control.model import RevisionKind
from controller.trust.history import CLOCK_TOLERANCE, ReleaseId
from controller.trust.root import Root


@dataclass(frozen=True, slots=True)
class Before:
    """What was applied before a record, as far as the trail tells.

    `record` is the environment's last one, `None` in a trail that begins there; `is_next` says
    that no other controller's revisions lie between.
    """

    record: AuditRecord | None
    is_next: bool


@dataclass(slots=True)
class Course:
    """The records so far, in the order of the trail.

    `elsewhere` says whether trails of other controllers tell of some revisions of an environment;
    it is asked where they are missing here. `roots` are those that are known, by version.
    """

    repository: str
    elsewhere: Callable[[str, range], bool]
    roots: Mapping[int, Root]
    _last: AuditRecord | None = None
    _by_environment: dict[str, AuditRecord] = field(default_factory=dict)
    _serials: dict[str, Serials] = field(default_factory=dict)
    _latest: datetime | None = None

    def follow(self, here: trail.Here, record: AuditRecord) -> Before:
        """Check that a record may come next, and go on from it; return what was before it.

        Raises `LinkRepository`, `LinkTime`, `LinkRevision` or `LinkAncestry`.
        """
        if record.repository != self.repository:
            raise here.broken(
                trail.LinkRepository, f"{record.repository}, the root is of {self.repository}"
            )
        self._check_time(here, record)
        before = self._check_revision(here, record)
        self._check_serial(here, record, before)
        if record.kind is RevisionKind.REPIN:
            self._check_repin(here, record)
        if record.kind is RevisionKind.HEAL:
            _check_heal(here, record, before)
        self._last = self._by_environment[record.environment] = record
        return before

    def _check_time(self, here: trail.Here, record: AuditRecord) -> None:
        # A pass goes on with a clock that was set back a little, and no further.
        latest = self._latest
        if latest is not None and record.applied_at < latest - CLOCK_TOLERANCE:
            told = f"{format_instant(record.applied_at)} after {format_instant(latest)}"
            raise here.broken(trail.LinkTime, told)
        self._latest = max(record.applied_at, latest or record.applied_at)

    def _check_revision(self, here: trail.Here, record: AuditRecord) -> Before:
        last = self._by_environment.get(record.environment)
        is_first = record.revision == 1
        if (record.kind is RevisionKind.BASELINE) != is_first:
            told = f"revision {record.revision} is a {record.kind.value}"
            raise here.broken(trail.LinkRevision, told)
        if (record.parent_commit is None) != is_first:
            told = "no commit" if record.parent_commit is None else "a commit"
            raise here.broken(
                trail.LinkAncestry, f"revision {record.revision} names {told} before it"
            )
        if last is None:
            return Before(None, is_next=False)  # A controller may go on under a new name.
        is_next = record.revision == last.revision + 1
        if not is_next and not self._told_elsewhere(record.environment, last, record):
            told = f"it is {record.revision} after {last.revision}"
            raise here.broken(trail.LinkRevision, told)
        return Before(last, is_next)

    def _check_serial(self, here: trail.Here, record: AuditRecord, before: Before) -> None:
        serials = self._serials.setdefault(record.environment, Serials())
        if before.record is None:
            serials.start(record)
        elif not before.is_next:
            serials.skip_to(record)
        else:
            root = self.roots.get(record.root_version)
            reset = root.reset.get(record.environment) if root is not None else None
            release: ReleaseId | None = (reset.serial, reset.sha256) if reset is not None else None
            serials.follow(here, record, before.record, reset=release, may_reset=root is None)

    def _told_elsewhere(self, environment: str, last: AuditRecord, record: AuditRecord) -> bool:
        if record.revision <= last.revision:
            return False
        return self.elsewhere(environment, range(last.revision + 1, record.revision))

    def _check_repin(self, here: trail.Here, record: AuditRecord) -> None:
        if record.parent_commit != record.commit:
            raise here.broken(trail.LinkAncestry, "a repin is at the commit that was applied")
        kept = {what: keys for what, keys in record.signers.items() if what != ROOT}
        before = self._last.signers if self._last is not None else {}
        if kept != {what: keys for what, keys in before.items() if what != ROOT}:
            raise here.broken(
                trail.LinkStatement, "signers of a repin are those of the record before, and root"
            )


def _check_heal(here: trail.Here, record: AuditRecord, before: Before) -> None:
    """Refuse a heal that does not repeat what the record before it declared."""
    if record.parent_commit != record.commit:
        raise here.broken(trail.LinkAncestry, "a heal is at the commit that declared the rows")
    if before.record is None or not before.is_next:
        return
    last = before.record
    signers = {what: keys for what, keys in last.signers.items() if what != ROOT}
    said = (record.commit, record.root_version, record.signers)
    if said != (last.commit, last.root_version, signers):
        told = "commit, root and signers of a heal are those of the record before"
        raise here.broken(trail.LinkStatement, told)
