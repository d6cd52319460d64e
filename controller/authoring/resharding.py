"""Shard: write a draft's tables again in the one canonical form, rows and all."""

from collections import defaultdict
from dataclasses import dataclass

from controller.artifacts import strictcsv
from controller.artifacts.layout import BundleId, files_path
from controller.artifacts.rowtext import Row
from controller.artifacts.shards import shard
from controller.artifacts.strictcsv import WARNINGS
from controller.authoring.draft import UnknownRail, read_draft
from controller.authoring.importing import replace_tables, table_files
from controller.authoring.rails import rails_of
from controller.authoring.view import Workspace
from controller.kernel.errors import Refused

FORM_RULE = "common/ENC006"
"""What is wrong with the form alone (line ends, quotes, a final newline) is mended by writing."""


class Unreadable(Refused):
    """A file cannot be read as its table, so writing it again could lose something."""

    code = "authoring.unreadable_table"


@dataclass(frozen=True, slots=True)
class Resharded:
    """The files that were written and removed; both empty when all were canonical.

    `rows` counts what is written, by table; `twice` the rows left out as they stood in an earlier
    file already, for tables that had any.
    """

    bundle: BundleId
    rows: dict[str, int]
    twice: dict[str, int]
    written: tuple[str, ...]
    removed: tuple[str, ...]


def reshard(workspace: Workspace, bundle: BundleId) -> Resharded:
    """Sort and split a draft's tables; whatever is more than form is refused, not mended."""
    view = workspace.edited()
    read_draft(view, bundle)
    rails = rails_of(view)
    rail = rails.get(bundle.rail)
    if rail is None:
        raise UnknownRail(bundle.rail, rails)
    rows: dict[str, list[Row]] = defaultdict(list)
    seen: dict[str, set[Row]] = defaultdict(set)
    twice: dict[str, int] = defaultdict(int)
    paths = table_files(workspace, bundle, rail.tables)
    for path in paths:
        table = path.removeprefix(f"{files_path(bundle)}/").split("/")[0].removesuffix(".csv")
        found, problems = strictcsv.read(
            (workspace.folder / path).read_bytes(), rail.tables[table].columns
        )
        for problem in problems:
            if problem.rule not in (FORM_RULE, *WARNINGS) or not found:
                raise Unreadable(
                    f"{path}:{problem.line}: {problem.message}", hint=problem.hint or "mend it"
                )
        # A run that died has written some rows already, and did not come to remove where they were.
        fresh = [row for row in found if row not in seen[table]]
        if len(fresh) < len(found):
            twice[table] += len(found) - len(fresh)
        rows[table] += fresh
        seen[table].update(found)
    files = {
        f"{files_path(bundle)}/{path}": data
        for table, found in rows.items()
        for path, data in shard(table, rail.tables[table].columns, found).items()
    }
    before = {path: (workspace.folder / path).read_bytes() for path in paths}
    changed = tuple(sorted(path for path, data in files.items() if before.get(path) != data))
    removed = replace_tables(workspace, bundle, rows, files)
    counts = {table: len(found) for table, found in rows.items()}
    return Resharded(bundle, counts, dict(twice), changed, removed)
