"""The least that a change of ten rows can be, by hand: what is read, what is made durable.

The same blobs are read and the new ones hashed, ten rows change by key in one transaction that is
synced, and one signed commit is written and synced. Nothing is looked for, compared, parsed,
judged or remembered.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

from benchmarks.publish import TenRows, key
from benchmarks.world import oid
from controller.adapters.git import Author, GitRepository, commit_content
from controller.adapters.postgres import Connection, transaction
from controller.kernel.objects import Oid
from controller.trust.sign import sign_commit

REF = "refs/heads/floor"
_WHEN = datetime(2026, 11, 20, tzinfo=UTC)


def ten_rows(
    repository: GitRepository, connection: Connection[Any], ten: TenRows, tip: Oid | None
) -> Oid:
    """Do the floor's work for one commit; return the floor's own commit."""
    for blob in {change.old_blob for change in ten.changes}:
        repository.read(oid(blob))
    digests = [
        hashlib.sha256(repository.read(oid(blob))).hexdigest()
        for blob in {change.new_blob for change in ten.changes}
    ]
    with transaction(connection), connection.pipeline():
        for change in ten.changes:
            where = " AND ".join(
                f'"{name}" IS NOT DISTINCT FROM %s' if not value else f'"{name}" = %s'
                for name, value in change.key.items()
            )
            connection.execute(
                f'UPDATE {change.table} SET "{change.column}" = %s WHERE {where}'.encode(),
                [change.value, *(value or None for value in change.key.values())],
            )
    author = Author("Floor", "floor@localhost", _WHEN)
    parents = [tip] if tip is not None else []
    content = commit_content(repository.empty_tree(), parents, author, "\n".join(digests))
    commit = repository.write_commit(content, sign_commit(content, key("audit")))
    repository.move(REF, tip, commit)
    return commit
