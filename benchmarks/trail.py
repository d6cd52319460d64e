"""A long audit trail: records that follow one another, as signed commits and as journal rows.

Each record says what an ordinary pass would say, about the same source commit. The commits are
written as packs, which is what a repository holds whose loose objects were packed now and then;
writing them one by one takes a hundred times as long.
"""

import hashlib
import struct
import subprocess
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.publish import CONTROLLER, ENVIRONMENT, key
from controller.adapters.git import GitRepository
from controller.adapters.gitcli import child_environment, git_program
from controller.adapters.postgres import Connection, transaction
from controller.audit import commit as commits
from controller.audit.record import GENESIS, AuditRecord
from controller.kernel.canonical import Digest, sha256
from controller.kernel.objects import Oid
from controller.stores.control.model import OutboxKind, RevisionKind
from controller.trust import sshsig
from controller.trust.commit import with_signature

_REPOSITORY_ID = "6f0f6a52-92a1-4d0c-8c33-6f4d5ad0be1c"
_START = datetime(2026, 11, 1, tzinfo=UTC)
_RELEASED, _POLICIES = sha256(b"release"), sha256(b"policies")
_SIGNERS = tuple(sorted(key(name).public.id for name in ("alice", "bob")))
_COMMIT_TYPE = 1
_PACK_MAGIC = b"PACK"
_PACK_VERSION = 2


@dataclass(frozen=True, slots=True)
class Link:
    """A record, its bytes, and the commit that publishes it."""

    record: AuditRecord
    data: bytes
    commit: Oid
    raw: bytes


def record(seq: int, prev: Digest, source: Oid) -> AuditRecord:
    """Return the record of an ordinary revision: ten rows changed in two bundles."""
    return AuditRecord(
        seq=seq,
        prev=prev,
        controller=CONTROLLER,
        environment=ENVIRONMENT,
        repository=_REPOSITORY_ID,
        revision=seq,
        kind=RevisionKind.BASELINE if seq == 1 else RevisionKind.FORWARD,
        commit=source,
        parent_commit=None if seq == 1 else source,
        release_sha256=_RELEASED,
        serial=seq,
        root_version=1,
        policies_digest=_POLICIES,
        plan_digest=sha256(b"plan %d" % seq),
        signers=dict.fromkeys(
            ("release", f"card-bin/binlist@{seq}", f"swift-iso20022/directory@{seq}"), _SIGNERS
        ),
        counts={
            table: {"added": 0, "modified": 5, "removed": 0} for table in ("participants", "ranges")
        },
        applied_at=_START + timedelta(minutes=seq),
        tables=dict.fromkeys(("endpoints", "participants", "ranges"), f"1000:{seq:016x}"),
    )


def links(source: Oid) -> Iterator[Link]:
    """Yield one record after the other with its commit, without end."""
    prev, parent, seq = GENESIS, None, 1
    signer = key("audit")
    while True:
        made = record(seq, prev, source)
        data = made.to_bytes()
        content = commits.content(made, parent, data)
        raw = with_signature(content, sshsig.sign(content, signer, sshsig.COMMIT_NAMESPACE))
        parent = Oid(hashlib.sha1(b"commit %d\0" % len(raw) + raw).digest())
        yield Link(made, data, parent, raw)
        prev, seq = sha256(data), seq + 1


def write_pack(repository: GitRepository, some: Sequence[Link]) -> None:
    """Store commits in one pack, and point the audit branch at the last."""
    _store(repository, some, "index-pack", "--stdin")


def write_loose(repository: GitRepository, some: Sequence[Link]) -> None:
    """Store commits as a file each, and point the audit branch at the last."""
    _store(repository, some, "unpack-objects", "-q")


def _store(repository: GitRepository, some: Sequence[Link], *command: str) -> None:
    repository.empty_tree()
    subprocess.run(
        [git_program(), f"--git-dir={repository.git_dir}", *command],
        input=pack([link.raw for link in some]),
        check=True,
        stdout=subprocess.DEVNULL,
        env=child_environment(),
    )
    ref = commits.reference(CONTROLLER)
    repository.move(ref, repository.target(ref), some[-1].commit)


def pack(raws: Iterable[bytes]) -> bytes:
    """Return a git pack (version 2) of whole commits: no deltas."""
    some = list(raws)
    parts = [_PACK_MAGIC, struct.pack(">II", _PACK_VERSION, len(some))]
    for raw in some:
        parts += [_entry_header(_COMMIT_TYPE, len(raw)), zlib.compress(raw, 1)]
    body = b"".join(parts)
    return body + hashlib.sha1(body).digest()


def _entry_header(kind: int, size: int) -> bytes:
    """Return an entry's type and size: four bits of size first, then seven at a time."""
    rest, byte = size >> 4, kind << 4 | size & 0x0F
    header = bytearray()
    while rest:
        header.append(byte | 0x80)
        rest, byte = rest >> 7, rest & 0x7F
    header.append(byte)
    return bytes(header)


def write_journal(connection: Connection[Any], some: Sequence[Link]) -> None:
    """Put records into the journal as if each had been applied and published."""
    journal = "COPY controller.journal (controller, seq, prev_sha256, sha256, record) FROM STDIN"
    outbox = "COPY controller.outbox (kind, controller, journal_seq, state, due_at) FROM STDIN"
    with transaction(connection):
        # What the triggers would check of each row is right by construction.
        connection.execute("SET LOCAL session_replication_role = replica")
        with connection.cursor().copy(journal) as copy:
            for link in some:
                one, text = link.record, link.data.decode()
                copy.write_row((one.controller, one.seq, one.prev, sha256(link.data), text))
        with connection.cursor().copy(outbox) as copy:
            for link in some:
                one = link.record
                copy.write_row(
                    (OutboxKind.AUDIT_COMMIT, one.controller, one.seq, "done", one.applied_at)
                )
