"""The least that a change of ten rows can be, by hand: what is read, what is made durable.

The same bytes are read and hashed, which is every object that the commit brought and the blobs that
it replaces; ten rows change by key in one transaction that is synced, and one signed commit is
written and synced. Nothing is looked for, compared, parsed, judged or remembered.
"""

import hashlib
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.publish import TenRows, key
from benchmarks.world import oid
from controller.adapters.git import Author, GitRepository, commit_content
from controller.adapters.postgres import Connection, transaction
from controller.audit.commit import EMPTY_TREE
from controller.kernel.objects import Oid
from controller.trust.sign import sign_commit

REF = "refs/heads/floor"
_WHEN = datetime(2026, 11, 20, tzinfo=UTC)


def bytes_of(repository: Path, ten: TenRows) -> tuple[Oid, ...]:
    """Return what a commit makes anybody read: what is new with it, and the blobs it replaces.

    They are in the machine's cache afterwards, as they are when somebody has just pushed them; so
    it makes no difference who reads them first.
    """
    git = ["git", "-C", str(repository)]
    command = [*git, "rev-list", "--objects", "--no-object-names", ten.commit, f"^{ten.commit}~"]
    new = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    names = list(dict.fromkeys([*new, *(change.old_blob for change in ten.changes)]))
    command = [*git, "cat-file", "--batch"]
    subprocess.run(command, check=True, input="\n".join(names).encode(), capture_output=True)
    return tuple(map(oid, names))


def ten_rows(
    repository: GitRepository,
    connection: Connection[Any],
    ten: TenRows,
    objects: Iterable[Oid],
    tip: Oid | None,
) -> Oid:
    """Do the floor's work for one commit; return the floor's own commit."""
    digests = [hashlib.sha256(repository.read(one)).hexdigest() for one in objects]
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
    content = commit_content(EMPTY_TREE, parents, author, "\n".join(digests))
    commit = repository.write_commit(content, sign_commit(content, key("audit")))
    repository.move(REF, tip, commit)
    return commit
