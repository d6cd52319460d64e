"""A journal record as a git commit: the same record always gives the same bytes.

Orphan branch `audit/<controller>`, one commit per record, the empty tree. The message is a line
for people, the record itself, and trailers for tools; both times are the record's `applied_at`.
"""

from datetime import datetime

from controller.audit.record import AuditRecord, MalformedRecord
from controller.audit.size import SIZE_MAX_BYTES
from controller.kernel.objects import Oid
from controller.stores.control.model import RevisionKind
from controller.trust import sshsig
from controller.trust.commit import ParsedCommit, with_signature

EMPTY_TREE = Oid(bytes.fromhex("4b825dc642cb6eb9a060e54bf8d69288fbee4904"))

COMMIT_SIZE_MAX_BYTES = SIZE_MAX_BYTES + 64 * 1024
"""A record, and room for everything else that stands in its commit."""

_SUBJECTS = {
    RevisionKind.BASELINE: "Start {environment} at release {serial}",
    RevisionKind.FORWARD: "Apply release {serial} to {environment}",
    RevisionKind.ROLLBACK: "Roll {environment} back to release {serial}",
    RevisionKind.REPOLICY: "Judge release {serial} of {environment} by other rules",
    RevisionKind.REPIN: "Pin another root for {environment} at release {serial}",
    RevisionKind.HEAL: "Put {environment} right at release {serial}",
}


def reference(controller: str) -> str:
    """Return the full name of the branch that holds a controller's trail."""
    return f"refs/heads/audit/{controller}"


def identity(controller: str, applied_at: datetime) -> str:
    """Return who and when, as a commit's author and committer lines say it."""
    seconds = int(applied_at.timestamp())
    return f"{controller} <{controller}@audit.countersign.invalid> {seconds} +0000"


def trailers(record: AuditRecord) -> tuple[tuple[str, str], ...]:
    """Return what tools may read without reading the record."""
    return (
        ("Audit-Seq", str(record.seq)),
        ("Audit-Prev", f"sha256:{record.prev}"),
        ("Source-Commit", f"sha1:{record.commit.hex()}"),
        ("Release", f"sha256:{record.release_sha256}"),
        ("Serial", str(record.serial)),
        ("Result", record.result),
    )


def message(record: AuditRecord, data: bytes | None = None) -> bytes:
    """Return the commit message: subject, record, trailers; `data` are the record's bytes."""
    subject = _SUBJECTS[record.kind].format(environment=record.environment, serial=record.serial)
    lines = "\n".join(f"{name}: {value}" for name, value in trailers(record))
    return b"%s\n\n%s\n\n%s\n" % (
        subject.encode(),
        data or record.to_bytes(),
        lines.encode(),
    )


def content(record: AuditRecord, parent: Oid | None, data: bytes | None = None) -> bytes:
    """Return the commit object's bytes without a signature: what is signed.

    `data` are the record's bytes, where they are at hand.
    """
    who = identity(record.controller, record.applied_at)
    header = [f"tree {EMPTY_TREE.hex()}"]
    if parent is not None:
        header.append(f"parent {parent.hex()}")
    header += [f"author {who}", f"committer {who}"]
    return "\n".join(header).encode() + b"\n\n" + message(record, data)


def is_as_written(raw: bytes, parsed: ParsedCommit, record: AuditRecord) -> bool:
    """Whether a commit object is byte for byte the one we make of its record and signature.

    An armor wraps a signature in more than one way, and each would be another commit id.
    """
    parent = parsed.parents[0] if parsed.parents else None
    if parsed.signature is None or parsed.signed != content(record, parent):
        return False
    armored = sshsig.armor(sshsig.dearmor(parsed.signature))
    return raw == with_signature(parsed.signed, armored)


def record_in(commit_message: bytes) -> bytes:
    """Return the record's bytes out of a message; whether they may be believed is not said."""
    parts = commit_message.split(b"\n\n")
    if len(parts) != 3:
        raise MalformedRecord("the message is not subject, record and trailers")
    return parts[1]


def trailers_in(commit_message: bytes) -> tuple[tuple[str, str], ...]:
    """Return the trailers that stand in a message; raise `MalformedRecord` for other lines."""
    record_in(commit_message)
    lines = commit_message.split(b"\n\n")[2].decode("utf-8", "replace").removesuffix("\n")
    pairs = []
    for line in lines.split("\n"):
        name, colon, value = line.partition(": ")
        if not colon:
            raise MalformedRecord(f"{line[:80]!r} is not a trailer")
        pairs.append((name, value))
    return tuple(pairs)
