"""How a trail can be broken: one class for each, all of them naming the first link that fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from controller.kernel.errors import ControllerError, Corrupt, Unavailable, Untrusted
from controller.kernel.objects import Oid


class BrokenTrail(Untrusted):
    """A link of the audit branch does not hold."""

    code = "audit.broken"
    reason: ClassVar[str] = "the link does not hold"

    def __init__(
        self, controller: str, *, commit: Oid | None, seq: int | None, detail: str = ""
    ) -> None:
        place = f"commit {commit.hex()}" if commit is not None else "the branch"
        told = f"{self.reason}: {detail}" if detail else self.reason
        # Nothing tells how many links lie below the newest one where it cannot be read.
        link = f"link {seq}" if seq is not None else "newest link"
        super().__init__(
            f"audit trail of {controller}, {link}, {place}: {told}",
            hint="everything before this link is proven, nothing from it on",
        )
        self.controller, self.commit, self.seq, self.detail = controller, commit, seq, detail


class TrailMissing(BrokenTrail):
    """There is no branch: nothing is proven, which is not the same as nothing happened."""

    code = "audit.no_branch"
    reason = "there is no audit branch"


@dataclass(frozen=True, slots=True)
class Here:
    """The link that is being proven, for whoever has to say that it does not hold."""

    controller: str
    commit: Oid
    seq: int

    def broken(self, kind: type[BrokenTrail], detail: str) -> BrokenTrail:
        """Return the refusal of this link."""
        return kind(self.controller, commit=self.commit, seq=self.seq, detail=detail)

    @contextmanager
    def blaming(self, kind: type[BrokenTrail]) -> Iterator[None]:
        """Say which link a refusal is about; what may succeed later stays what it is."""
        try:
            yield
        except (BrokenTrail, Unavailable):
            raise
        except ControllerError as error:
            raise self.broken(kind, str(error)) from error


class LinkMalformed(BrokenTrail):
    """The commit is not made the way audit commits are made."""

    code = "audit.link_malformed"
    reason = "not an audit commit"


class LinkSignature(BrokenTrail):
    """No audit key of the root in force signed the commit."""

    code = "audit.link_signature"
    reason = "not signed by an audit key of the root in force"


class LinkParents(BrokenTrail):
    """The commit does not stand on the one before, and on nothing else."""

    code = "audit.link_parents"
    reason = "it does not have exactly the commit before as its parent"


class LinkForeign(BrokenTrail):
    """The record is another controller's."""

    code = "audit.link_foreign"
    reason = "the record is of another controller"


class LinkOrder(BrokenTrail):
    """A record is missing, stands twice, or stands in the wrong place."""

    code = "audit.link_order"
    reason = "the records are not numbered one after the other"


class LinkDigest(BrokenTrail):
    """The record does not name the digest of the record before."""

    code = "audit.link_digest"
    reason = "the record does not name the digest of the record before"


class LinkTrailers(BrokenTrail):
    """The trailers say something else than the record."""

    code = "audit.link_trailers"
    reason = "the trailers differ from the record"


class LinkSource(BrokenTrail):
    """The source commit, or its release, is not in the repository."""

    code = "audit.link_source"
    reason = "the source commit does not hold the release"


class LinkRelease(BrokenTrail):
    """The source commit's release is not the one the record names."""

    code = "audit.link_release"
    reason = "the source commit holds another release"


class LinkRepository(BrokenTrail):
    """The record is about another artifact repository."""

    code = "audit.link_repository"
    reason = "the record is of another repository"


class LinkRevision(BrokenTrail):
    """Revisions do not follow one another, or their kinds cannot follow one another so."""

    code = "audit.link_revision"
    reason = "the revision does not follow the one before"


class LinkTime(BrokenTrail):
    """The record is from before an earlier one, or yet to come, by more than a clock may differ."""

    code = "audit.link_time"
    reason = "no pass can have been at this instant"


class LinkAncestry(BrokenTrail):
    """The source commits of two records do not follow one another."""

    code = "audit.link_ancestry"
    reason = "the source commit does not follow the one applied before"


class LinkStatement(BrokenTrail):
    """The record says something else than the release it names."""

    code = "audit.link_statement"
    reason = "the record contradicts its release, or itself"


class LinkSigners(BrokenTrail):
    """Those whom the record names as signers did not sign, or may not."""

    code = "audit.link_signers"
    reason = "it was not signed as the record says"


class LinkRoot(BrokenTrail):
    """The record names a root that its source commit, or the root in force, contradicts."""

    code = "audit.link_root"
    reason = "it cannot have been judged by the root it names"


class TrailTruncated(BrokenTrail):
    """The database or a checkpoint knows of a published record that the branch does not hold."""

    code = "audit.truncated"
    reason = "the branch ends before a record that was published"


class TrailRewritten(BrokenTrail):
    """The branch is whole, and is not the one that a checkpoint was made of."""

    code = "audit.rewritten"
    reason = "the records are not those of a checkpoint"


class BrokenCheckpoint(Untrusted):
    """A checkpoint says nothing about the trail, whatever the trail is."""

    code = "audit.checkpoint_broken"
    reason: ClassVar[str] = "it does not hold"
    advice: ClassVar[str] = "ask whoever keeps the checkpoint for another copy"

    def __init__(self, name: str, *, detail: str) -> None:
        super().__init__(f"checkpoint {name}: {self.reason}: {detail}", hint=self.advice)
        self.name, self.detail = name, detail


class CheckpointMalformed(BrokenCheckpoint):
    """It is not a note, or the note is not a checkpoint."""

    code = "audit.checkpoint_malformed"
    reason = "not a checkpoint"


class CheckpointForeign(BrokenCheckpoint):
    """It is about another repository or another controller."""

    code = "audit.checkpoint_foreign"
    reason = "it is about another trail"
    advice = "a trail's checkpoints say countersign/<repository>/<controller>"


class CheckpointSignature(BrokenCheckpoint):
    """No audit key of the root in force signed it."""

    code = "audit.checkpoint_signature"
    reason = "not signed by an audit key of the root in force"
    advice = "keep rotated audit keys in the root; see docs/runbooks/audit-broken.md"


class RowMissing(Corrupt):
    """A record of the branch is not in the journal."""

    code = "audit.row_missing"

    def __init__(self, controller: str, *, seq: int) -> None:
        super().__init__(
            f"record {seq} of {controller} is in the audit branch, not in the database",
            hint="the database is older than the branch, or a row was removed",
        )
        self.controller, self.seq = controller, seq


class RowDiffers(Corrupt):
    """A record of the journal is not the branch's."""

    code = "audit.row_differs"

    def __init__(self, controller: str, *, seq: int, detail: str) -> None:
        super().__init__(
            f"record {seq} of {controller} in the database is not the branch's: {detail}",
            hint="the branch is signed, the row is not: somebody changed the row",
        )
        self.controller, self.seq, self.detail = controller, seq, detail


class RowExtra(Corrupt):
    """The journal holds a record that nobody owes to the branch."""

    code = "audit.row_extra"

    def __init__(self, controller: str, *, seq: int) -> None:
        super().__init__(
            f"record {seq} of {controller} is in the database alone and waits for no commit",
            hint="a row was added behind the controller's back",
        )
        self.controller, self.seq = controller, seq


class TableNotComparable(Corrupt):
    """A table's digest is not the recorded one, which another version of PostgreSQL made."""

    code = "audit.table_not_comparable"

    def __init__(self, table: str, *, made_by: str, now: str) -> None:
        super().__init__(
            f"table {table} cannot be proven: its digest is not the recorded one, which was made "
            f"by {made_by!r}, not by {now!r}",
            hint="was the server upgraded? docs/runbooks/audit-broken.md says how to go on; "
            "otherwise rows were changed outside the controller",
        )
        self.table, self.made_by, self.now = table, made_by, now


class TableDiffers(Corrupt):
    """A table's rows are not what the last record says was applied."""

    code = "audit.table_differs"

    def __init__(self, table: str, *, recorded: str, found: str) -> None:
        super().__init__(
            f"table {table} has the digest {found}, the last record says {recorded}",
            hint="rows were changed outside the controller; git holds what they were",
        )
        self.table, self.recorded, self.found = table, recorded, found
