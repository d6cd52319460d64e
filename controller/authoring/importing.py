"""Import: other people's CSV and JSON become a draft's tables, by a mapping.

What the rail refuses stays out and is reported by rule; nothing is cleaned in silence. What comes
in replaces the draft's tables of the same names, as canonical shards.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from controller.adapters.shipped import shipped
from controller.artifacts.draft import Draft
from controller.artifacts.layout import BundleId, draft_path, files_path
from controller.artifacts.mapping import (
    SOURCE_SIZE_MAX_BYTES,
    Mapping_,
    apply_mapping,
    read_mapping,
)
from controller.artifacts.shards import shard
from controller.artifacts.tables import TABLES
from controller.authoring.draft import UnknownRail, read_draft
from controller.authoring.rails import rails_of
from controller.authoring.view import View, Workspace
from controller.kernel.errors import Refused, Unclean
from controller.kernel.findings import Finding
from controller.kernel.instants import Window
from controller.policy.admission import Accepted, Rejected, accept

STEPS = 4
"""Read, map, judge, write."""

Note: TypeAlias = Callable[[int, int | None], None]
"""Told how many of how many steps are done."""


class NoMapping(Refused):
    """There is no mapping of this name, or it is another rail's."""

    code = "authoring.no_mapping"


class UnreadableSource(Refused):
    """A file to import cannot be read."""

    code = "authoring.unreadable_source"


class NothingAccepted(Unclean):
    """The rail refused every row."""

    code = "authoring.nothing_accepted"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import let in, what it left out, and why."""

    bundle: BundleId
    rows: Mapping[str, int]
    rejected: tuple[Rejected, ...]
    unmapped: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    refused_by_rule: Mapping[str, int]
    written: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def refused(self) -> int:
        """Return how many rows stayed out."""
        return len(self.rejected) + len(self.unmapped)

    def refusals(self) -> Iterator[Finding]:
        """Yield everything that was said against rows that stayed out."""
        yield from self.unmapped
        for one in self.rejected:
            yield from one.findings


def import_files(
    workspace: Workspace,
    bundle: BundleId,
    mapping: str,
    files: Sequence[Path],
    *,
    environment: str,
    note: Note = lambda _done, _total: None,
) -> Imported:
    """Write a draft's tables from files; raise `NothingAccepted` when every row was refused."""
    view = workspace.edited()
    rails = rails_of(view)
    rail = rails.get(bundle.rail)
    if rail is None:
        raise UnknownRail(bundle.rail, rails)
    wanted = find_mapping(view, bundle.rail, mapping)
    sources = [(file.name, _source(file)) for file in files]
    note(1, STEPS)
    mapped = apply_mapping(wanted, sources)
    note(2, STEPS)
    is_new = view.find(draft_path(bundle)) is None
    draft = Draft(bundle, Window(), (environment,)) if is_new else read_draft(view, bundle)
    accepted = accept(rail, mapped.tables, draft.window)
    note(3, STEPS)
    rows = {table: len(found) for table, found in accepted.tables.items()}
    if not any(rows.values()):
        raise NothingAccepted(
            f"rail {rail.name} refused every row: {_said(_by_rule(accepted, mapped.findings))}",
            hint="is it the right mapping? --rejects FILE shows each row and why",
        )
    changes = {draft_path(bundle): draft.to_bytes()} if is_new else {}
    for table, found in accepted.tables.items():
        for path, data in shard(table, rail.tables[table].columns, found).items():
            changes[f"{files_path(bundle)}/{path}"] = data
    removed = replace_tables(workspace, bundle, accepted.tables, changes)
    note(4, STEPS)
    return Imported(
        bundle,
        rows=rows,
        rejected=tuple(accepted.rejected),
        unmapped=tuple(mapped.findings),
        notes=tuple(accepted.findings),
        refused_by_rule=_by_rule(accepted, mapped.findings),
        written=tuple(sorted(changes)),
        removed=removed,
    )


def find_mapping(view: View, rail: str, named: str) -> Mapping_:
    """Return a mapping by path, or by name: the repository's own, then those that are shipped."""
    path = Path(named)
    if path.suffix == ".json" or len(path.parts) > 1:
        mapping = read_mapping(_source(path))
    else:
        below = f"{rail}/mappings/{named}.json"
        data = view.read(f"policies/{below}") or shipped("policies").get(below)
        if data is None:
            known = ", ".join(sorted(_names(rail))) or "none"
            raise NoMapping(
                f"rail {rail} has no mapping {named!r}",
                hint=f"shipped are: {known}; or name a file: --map mapping.json",
            )
        mapping = read_mapping(data)
    if mapping.rail != rail:
        raise NoMapping(f"{named} maps to rail {mapping.rail}, not {rail}")
    return mapping


def replace_tables(
    workspace: Workspace, bundle: BundleId, tables: Iterable[str], changes: Mapping[str, bytes]
) -> tuple[str, ...]:
    """Write files and remove the other files of these tables; return what was removed."""
    gone = [path for path in table_files(workspace, bundle, tables) if path not in changes]
    for path, data in changes.items():
        workspace.write(path, data)
    for path in gone:
        (workspace.folder / path).unlink()
    return tuple(gone)


def table_files(workspace: Workspace, bundle: BundleId, tables: Iterable[str]) -> list[str]:
    """Return the CSV files of some of a draft's tables, by path, in order."""
    folder = workspace.folder / files_path(bundle)
    wanted = set(tables)
    found = []
    for file in folder.rglob("*.csv"):
        parts = file.relative_to(folder).parts
        if parts[0].removesuffix(".csv") in wanted:
            found.append(f"{files_path(bundle)}/{'/'.join(parts)}")
    return sorted(found)


def rejects(imported: Imported) -> Iterator[str]:
    """Yield each row that stayed out as a line of JSON: the row, its source, and why."""
    for one in imported.rejected:
        columns = TABLES[one.table].columns
        yield json.dumps(
            {
                "table": one.table,
                "file": one.row.source,
                "line": one.row.line,
                "row": {
                    name: cell for name, cell in zip(columns, one.row.cells, strict=True) if cell
                },
                "findings": [_said_of(spoken) for spoken in one.findings],
            },
            ensure_ascii=False,
        )
    for spoken in imported.unmapped:
        yield json.dumps(
            {"file": spoken.file, "line": spoken.line, "findings": [_said_of(spoken)]},
            ensure_ascii=False,
        )


def _said_of(one: Finding) -> dict[str, str]:
    return {"rule": one.rule, "column": one.column, "message": one.message}


def _by_rule(accepted: Accepted, unmapped: Sequence[Finding]) -> dict[str, int]:
    return dict(
        sorted((Counter(accepted.counts()) + Counter(one.rule for one in unmapped)).items())
    )


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{rule} {count:,}" for rule, count in counts.items()) or "there was none"


def _names(rail: str) -> Iterator[str]:
    for path in shipped("policies"):
        if path.startswith(f"{rail}/mappings/"):
            yield path.rsplit("/", 1)[1].removesuffix(".json")


def _source(file: Path) -> bytes:
    try:
        if file.stat().st_size > SOURCE_SIZE_MAX_BYTES:
            raise UnreadableSource(
                f"{file} is larger than {SOURCE_SIZE_MAX_BYTES:,} bytes", hint="split it"
            )
        return file.read_bytes()
    except OSError as error:
        raise UnreadableSource(f"{file}: {error.strerror}") from None
