"""Drafts: read one, and judge it as a controller would judge the version made of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.artifacts import draft as drafts
from controller.artifacts import walk
from controller.artifacts.bundle import BundleStatement, PreviousVersion
from controller.artifacts.draft import Draft
from controller.artifacts.layout import BundleId, draft_path, files_path
from controller.artifacts.levels import BadTree, TooLarge
from controller.artifacts.merkle import Counts, FilesSummary, NoMemory, files_root
from controller.artifacts.shards import SHARD_ADVISED_BYTES, SHARD_LINES_MAX
from controller.artifacts.wire import BadDocument
from controller.authoring.told import told
from controller.authoring.view import View
from controller.kernel.errors import Refused, Unclean
from controller.kernel.findings import ERRORS_MAX, Finding, Report, Severity
from controller.kernel.instants import Window
from controller.kernel.objects import Objects, Oid
from controller.kernel.strictjson import MalformedJson
from controller.plan.changes import table_of
from controller.policy.dataset import Place
from controller.policy.lint import (
    LintBundle,
    lint_dataset,
    lint_document,
    lint_shard,
    stray,
    widen,
)
from controller.policy.rail import Rail

FILE_SIZE_MAX_BYTES = 64 * 1024 * 1024

_JSON, _SIZE, _TWICE = "common/ENC005", "common/ENC009", "common/DUP000"


class NoDraft(Refused):
    """A bundle has no draft to read."""

    code = "authoring.no_draft"


class UnknownRail(Refused):
    """A bundle belongs to a rail that nobody has written."""

    code = "authoring.unknown_rail"

    def __init__(self, rail: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no rail {rail!r}", hint=f"known are {', '.join(sorted(known))}")
        self.rail = rail


class DraftNotClean(Unclean):
    """A draft has findings that block, so nobody signs it."""

    code = "authoring.draft_not_clean"

    def __init__(self, bundle: BundleId, report: Report) -> None:
        count = sum(one.severity is Severity.ERROR for one in report.findings)
        super().__init__(
            f"the draft of {bundle} has {count} finding{'s' * (count != 1)} that block",
            hint="mend them, then `countersign validate`",
        )
        self.bundle, self.report = bundle, report


@dataclass(frozen=True, slots=True)
class DraftFiles:
    """A draft and what its files amount to."""

    draft: Draft
    tree: Oid
    summary: FilesSummary

    def statement(
        self, repository: str, version: int, previous: PreviousVersion | None
    ) -> BundleStatement:
        """Return the statement that pins this draft as a version."""
        return BundleStatement(
            repository=repository,
            bundle=self.draft.bundle,
            version=version,
            previous=previous,
            window=self.draft.window,
            environments=self.draft.environments,
            files_root=self.summary.root,
            git_tree=self.tree,
            tables=self.summary.tables,
            documents=self.summary.documents,
        )


def read_draft(view: View, bundle: BundleId) -> Draft:
    """Return a bundle's `draft.json`."""
    path = draft_path(bundle)
    data = view.read(path)
    if data is None:
        known = ", ".join(str(one) for one in bundles_of(view))
        raise NoDraft(f"there is no {path}", hint=f"bundles here: {known or 'none'}")
    draft = drafts.parse(data)
    if draft.bundle != bundle:
        raise NoDraft(f"{path} speaks of {draft.bundle}", hint=f"its name and rail are {bundle}")
    return draft


def read_files(view: View, draft: Draft) -> DraftFiles:
    """Return a draft with the files root of its files."""
    path = files_path(draft.bundle)
    entry = view.find(path)
    if entry is None or not entry.is_tree:
        raise NoDraft(f"there is no {path}", hint="put the bundle's tables and rules there")
    return DraftFiles(draft, entry.oid, files_root(view.objects, entry.oid, path, NoMemory()))


def bundles_of(view: View) -> list[BundleId]:
    """Return every bundle that has a folder, in order."""
    return [
        BundleId(rail.name, bundle.name)
        for rail in view.children("bundles")
        if rail.is_tree
        for bundle in view.children(f"bundles/{rail.name}")
        if bundle.is_tree
    ]


def lint_draft(
    objects: Objects, tree: Oid, bundle: BundleId, rails: Mapping[str, Rail]
) -> tuple[Report, Mapping[str, Counts]]:
    """Judge a draft; return every finding, and the counts of each table.

    `tree` is the repository's. Everything that can be said about a file or a line is a finding;
    what is raised (`NoDraft`, `UnknownRail`, a `BadTree` above the bundle's files, a `TooLarge` of
    all of them) leaves nothing to look at.
    """
    view = View(objects, tree)
    rail = rails.get(bundle.rail)
    if rail is None:
        raise UnknownRail(bundle.rail, rails)
    window, found = _window(view, bundle, rail)
    entry = view.find(files_path(bundle))
    if entry is None or not entry.is_tree:
        raise NoDraft(f"there is no {files_path(bundle)}", hint="put the bundle's tables there")
    linted = lint_files(objects, entry.oid, files_path(bundle), rail)
    found += linted.findings
    if linted.whole:
        found += lint_dataset([LintBundle(str(bundle), rail, window, linted.tables)])
    return Report.of(found), linted.counts


@dataclass(frozen=True, slots=True)
class LintedFiles:
    """The rows of a files tree, and what is to be said about each file by itself.

    Unless it is `whole`, some file was not read, and comparing rows would say untrue things.
    """

    tables: Mapping[str, list[Place]]
    findings: tuple[Finding, ...]
    counts: Mapping[str, Counts]
    whole: bool


def lint_files(objects: Objects, tree: Oid, where: str, rail: Rail) -> LintedFiles:
    """Judge each file of a files tree that stands at `where`; rows are not compared yet.

    After `ERRORS_MAX` errors the rest is not looked at: whoever read on would only find more.
    """
    work = _Linting(objects, where, rail)
    for path, oid in walk.files(objects, tree, where, work.faults):
        if work.errors > ERRORS_MAX:
            work.whole = False
            break
        work.file(path, oid)
    work.say(told(fault, where) for fault in work.faults)
    whole = work.whole and not work.faults
    return LintedFiles(work.tables, tuple(work.found), work.counts, whole)


@dataclass(slots=True)
class _Linting:
    """What is found while the files of one tree are judged, one after the other."""

    objects: Objects
    where: str
    rail: Rail
    tables: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, Counts] = field(default_factory=dict)
    found: list[Finding] = field(default_factory=list)
    faults: list[BadTree | TooLarge] = field(default_factory=list)
    whole: bool = True
    errors: int = 0
    _first: dict[tuple[str | None, Oid], str] = field(default_factory=dict)

    def say(self, findings: Iterable[Finding]) -> None:
        for one in findings:
            self.errors += one.severity is Severity.ERROR
            self.found.append(one)

    def file(self, path: str, oid: Oid) -> None:
        table = table_of(path, self.where)
        # A few bytes can name one long file many times; all its rows would be there twice.
        first = self._first.setdefault((table, oid), path)
        if first != path:
            self.say([_finding(self.rail, _TWICE, path, f"the same contents as {first}")])
            return
        try:
            data = walk.read_blob(self.objects, oid, path, SHARD_ADVISED_BYTES)
        except TooLarge as error:
            self._unread(path, f"{error.size:,} bytes")
        except BadTree as error:
            self.faults.append(error)
        else:
            self._judge(path, table, data)

    def _judge(self, path: str, table: str | None, data: bytes) -> None:
        if data.count(b"\n") > SHARD_LINES_MAX:
            self._unread(path, f"more than {SHARD_LINES_MAX:,} lines")
        elif table is not None and table in self.rail.tables:
            rows, findings = lint_shard(self.rail, table, data, path)
            self.say(findings)
            wide = widen(self.rail, table, rows)
            self.tables[table] += [(cells, path, line) for line, cells in enumerate(wide, start=2)]
            counts = Counts(1, len(rows), len(data))
            self.counts[table] = self.counts.get(table, Counts()) + counts
        elif table is not None and table in self.rail.documents:
            self.say(lint_document(self.rail, table, data, path))
        else:
            self.say([stray(self.rail, path)])

    def _unread(self, path: str, about: str) -> None:
        self.whole = False
        self.say([_finding(self.rail, _SIZE, path, about)])


def check_draft(view: View, bundle: BundleId, rails: Mapping[str, Rail]) -> Report:
    """Return the report of a draft that does not block, or raise `DraftNotClean`."""
    report, _ = lint_draft(view.objects, view.tree, bundle, rails)
    if report.blocks:
        raise DraftNotClean(bundle, report)
    return report


def narrowed(draft: Draft, start: datetime | None, end: datetime | None) -> Draft:
    """Return the draft with other ends of its window; `None` leaves an end as it is."""
    window = Window(start or draft.window.start, end or draft.window.end)
    return Draft(draft.bundle, window, draft.environments)


def _window(view: View, bundle: BundleId, rail: Rail) -> tuple[Window, list[Finding]]:
    path = draft_path(bundle)
    try:
        return read_draft(view, bundle).window, []
    except MalformedJson as error:
        about = f"{error.reason} (column {error.column})"
        return Window(), [_finding(rail, _JSON, path, about, error.line, hint=error.hint)]
    except BadDocument as error:
        return Window(), [_finding(rail, _JSON, path, error.reason, error.line, error.pointer)]


def _finding(
    rail: Rail,
    rule_id: str,
    path: str,
    about: str,
    line: int = 0,
    column: str = "",
    *,
    hint: str = "",
) -> Finding:
    rule = rail.rule(rule_id)
    message = f"{rule.message}: {about}"
    return Finding(rule.id, rule.severity, path, message, line, column, hint or rule.hint)
