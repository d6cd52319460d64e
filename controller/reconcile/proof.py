"""Prove the audit trail as an auditor would: keys from the pinned root on, then git, then rows.

The keys are those of the newest root that the branch holds, followed from this host's pin. From
git alone no database is needed, nor anything else of the controller that wrote the trail.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.adapters.git import GitRepository
from controller.adapters.postgres import Connection, reading
from controller.audit.followed import Followed
from controller.audit.prove import DatabaseProof, Proof, verify_database, verify_git
from controller.audit.state import verify_state
from controller.audit.trail import TableDiffers, TableNotComparable
from controller.reconcile.apply import digest_texts
from controller.reconcile.roots import earlier_roots, roots_after
from controller.source.repository import Source
from controller.stores.directory import store as directory
from controller.trust import root
from controller.trust.envelope import parse
from controller.trust.root import Pin, TrustedRoot


def prove_git(
    repository: GitRepository, pin: Pin, *, branch: str, controller: str, now: datetime
) -> tuple[TrustedRoot, Proof]:
    """Prove the trail from git alone; raise the `BrokenTrail` of its first bad link."""
    trusted, followed = followed_branch(repository, pin, branch, now)
    return trusted, verify_git(repository, followed, controller, now=now)


def prove_database(
    connection: Connection[Any], repository: GitRepository, proof: Proof
) -> DatabaseProof:
    """Prove that journal, tables and state say what the proven trail says, all at one moment.

    Raises `TableNotComparable` instead of `TableDiffers` where as many rows as recorded have
    another digest, and another version of PostgreSQL made the recorded one.
    """
    with directory.moment(connection):
        try:
            proven = verify_database(
                connection,
                proof,
                table_digests=lambda: digest_texts(directory.recompute(connection)),
            )
        except TableDiffers as error:
            _check_comparable(connection, error)
            raise
        revisions = verify_state(connection, repository, proof.controller)
        return replace(proven, revisions=revisions)


def _check_comparable(connection: Connection[Any], found: TableDiffers) -> None:
    """Raise `TableNotComparable` where as many rows differ by their digest from another server."""
    kept = directory.kept(connection).get(found.table)
    now = directory.algorithm(connection)
    rows = [text.partition(":")[0] for text in (found.recorded, found.found)]
    if kept is not None and kept.algorithm != now and rows[0] == rows[1]:
        raise TableNotComparable(found.table, made_by=kept.algorithm, now=now) from found


def prove_journal(connection: Connection[Any], proof: Proof) -> DatabaseProof:
    """Prove that the journal alone says what the proven trail says, and nothing was cut off."""
    with reading(connection):
        return verify_database(connection, proof)


def branch_root(repository: GitRepository, pin: Pin, branch: str, now: datetime) -> TrustedRoot:
    """Return the newest root of a branch, followed from the pinned one."""
    return followed_branch(repository, pin, branch, now)[0]


def followed_branch(
    repository: GitRepository, pin: Pin, branch: str, now: datetime
) -> tuple[TrustedRoot, Followed]:
    """Return the newest root of a branch, and what the branch shows: its commit and its roots."""
    start = root.pin(pin.envelope, pin.sha256)
    head = Source(repository, branch).head().commit
    later = roots_after(repository, head, start.root.version, since=None)
    trusted = root.extend(start, later, now)
    known = [root.parse_root(parse(one).payload) for one in later]
    older = earlier_roots(repository, head, start.root)
    roots = {one.version: one for one in (*older, start.root, *known)}
    return trusted, Followed(head, trusted.root, roots)


def other_clone(repository: GitRepository, branch: str, ours: Followed) -> Followed:
    """Return what the branch shows in another clone, which is asked for no root."""
    return replace(ours, head=Source(repository, branch).head().commit)
