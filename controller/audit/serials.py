"""Which release may follow which, as far as the records of one trail tell it.

What other controllers did in between is not known: where revisions are missing here, nothing is
asked of the serials on both sides, and what was applied before is no longer known as a whole.
"""

from dataclasses import dataclass, field

from controller.audit import trail
from controller.audit.record import AuditRecord
from controller.kernel.canonical import Digest
from controller.stores.control.model import RevisionKind
from controller.trust.history import ReleaseId


@dataclass(slots=True)
class Serials:
    """The serials of one environment; `applied` are the releases by serial, as last applied."""

    high: int = 0
    applied: dict[int, Digest] = field(default_factory=dict)
    is_whole: bool = False
    rebased: ReleaseId | None = None

    def start(self, record: AuditRecord) -> None:
        """Begin with the first record of an environment."""
        self.is_whole = record.revision == 1
        self._take(record)

    def skip_to(self, record: AuditRecord) -> None:
        """Go on behind revisions that other controllers made."""
        self.is_whole = False
        self.high = 0  # Serials may have started again.
        self._take(record)

    def follow(
        self,
        here: trail.Here,
        record: AuditRecord,
        last: AuditRecord,
        *,
        reset: ReleaseId | None,
        may_reset: bool,
    ) -> None:
        """Check the release of the next revision; raise `LinkRevision`.

        `reset` is that of the record's root; `may_reset` where nobody knows that root.
        """
        match record.kind:
            case RevisionKind.FORWARD:
                self._check_forward(here, record, last, reset, may_reset=may_reset)
            case RevisionKind.ROLLBACK:
                self._check_rollback(here, record, last)
            case RevisionKind.REPOLICY | RevisionKind.REPIN | RevisionKind.HEAL:
                _check_same_release(here, record, last)
            case RevisionKind.BASELINE:
                pass  # It is the first revision, and follows none.
        self._take(record)

    def _check_forward(
        self,
        here: trail.Here,
        record: AuditRecord,
        last: AuditRecord,
        reset: ReleaseId | None,
        *,
        may_reset: bool,
    ) -> None:
        if record.release_sha256 == last.release_sha256:
            raise here.broken(trail.LinkRevision, f"release {record.serial} was applied already")
        if record.serial > self.high:
            return
        if self._obeys(record, reset):
            self.rebased = reset
        elif not may_reset:
            told = f"a forward to release {record.serial} after release {self.high}"
            raise here.broken(trail.LinkRevision, told)
        self.high = record.serial
        self.applied = {one: sha for one, sha in self.applied.items() if one < record.serial}

    def _obeys(self, record: AuditRecord, reset: ReleaseId | None) -> bool:
        """Whether serials may start again here; releases between may have come and gone unseen."""
        if reset is None or reset == self.rebased:
            return False
        return record.serial > reset[0] or (record.serial, record.release_sha256) == reset

    def _check_rollback(self, here: trail.Here, record: AuditRecord, last: AuditRecord) -> None:
        assert record.rollback is not None, "checked before: a rollback says what it left"
        if record.rollback.from_serial != last.serial:
            told = f"from release {record.rollback.from_serial}, release {last.serial} was applied"
            raise here.broken(trail.LinkRevision, told)
        if record.release_sha256 == last.release_sha256:
            raise here.broken(trail.LinkRevision, f"a rollback to release {record.serial} itself")
        if self.is_whole and self.applied.get(record.serial) != record.release_sha256:
            told = f"a rollback to release {record.serial}, which was never applied"
            raise here.broken(trail.LinkRevision, told)

    def _take(self, record: AuditRecord) -> None:
        left = record.rollback.from_serial if record.rollback is not None else 0
        self.high = max(self.high, record.serial, left)
        self.applied[record.serial] = record.release_sha256


def _check_same_release(here: trail.Here, record: AuditRecord, last: AuditRecord) -> None:
    kind = record.kind
    if (record.serial, record.release_sha256) != (last.serial, last.release_sha256):
        told = f"a {kind.value} of release {record.serial} after release {last.serial}"
        raise here.broken(trail.LinkRevision, told)
    is_other = record.policies_digest != last.policies_digest
    if is_other != (kind is RevisionKind.REPOLICY):
        told = "other" if is_other else "the same"
        raise here.broken(trail.LinkRevision, f"a {kind.value} by {told} rules")
