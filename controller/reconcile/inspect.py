"""Judge the rows that a release brings in, file by file, and only where files differ.

A file that was admitted before under the same rail is not read again; in one that changed, the
form of the whole file is judged and, row by row, the lines that are new.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Self

from controller.artifacts import layout, strictcsv, walk
from controller.artifacts.linediff import middle
from controller.artifacts.rowtext import Row
from controller.artifacts.shards import SHARD_ADVISED_BYTES
from controller.kernel.errors import Unclean
from controller.kernel.findings import ERRORS_MAX, Finding, Report, Severity
from controller.kernel.objects import Objects, Oid
from controller.plan import changes
from controller.plan.whole import FileFacts
from controller.policy.lint import lint_document, lint_rows, lint_shard, stray
from controller.policy.rail import Rail
from controller.reconcile import bulk
from controller.reconcile.admit import Admitted
from controller.stores.control.model import AppliedBundle

SHOWN_MAX = 20
TOGETHER_ROWS = 10_000
_FEW_LINES = 8  # each is looked for in its file; of more a set is made

FILE_SIZE_MAX_BYTES = SHARD_ADVISED_BYTES
"""A bigger file is refused: `countersign sign` refuses it, too."""


class Learnt(NamedTuple):
    """What is learnt of trees and files while they are judged: whoever plans need not look again.

    `facts` are those of whole new files.
    """

    facts: dict[Oid, FileFacts]
    compared: walk.Compared

    @classmethod
    def nothing(cls) -> Self:
        """Return what is known before anything was looked at."""
        return cls({}, walk.Compared())


class ReleaseUnclean(Unclean):
    """The rows of a release break rules of their rails; `report` says which and where."""

    code = "inspect.unclean"

    def __init__(self, report: Report) -> None:
        errors = [one for one in report.findings if one.severity.value == "error"]
        lines = "\n".join(f"  {one}" for one in errors[:SHOWN_MAX])
        more = f"\n  … and {len(errors) - SHOWN_MAX} more" if len(errors) > SHOWN_MAX else ""
        super().__init__(
            f"{len(errors)} blocking findings:\n{lines}{more}",
            hint="`countersign validate` shows them all; mend, sign and promote again",
        )
        self.report = report


def inspect(
    objects: Objects,
    admitted: Admitted,
    applied: Sequence[AppliedBundle],
    learnt: Learnt | None = None,
) -> Report:
    """Return the findings of everything new in a release; raise when one of them blocks.

    What was learnt on the way is put into `learnt`, for the plan.
    """
    learnt = Learnt.nothing() if learnt is None else learnt
    report = Report.of(_until_hopeless(_findings(objects, admitted, applied, learnt)))
    if report.blocks:
        raise ReleaseUnclean(report)
    return report


def _until_hopeless(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings up to the bound of errors; what comes behind could not help anybody."""
    errors = 0
    for one in findings:
        yield one
        errors += one.severity is Severity.ERROR
        if errors == ERRORS_MAX:
            return


def _findings(
    objects: Objects,
    admitted: Admitted,
    applied: Sequence[AppliedBundle],
    learnt: Learnt,
) -> Iterator[Finding]:
    for one in admitted.bundles:
        bundle = one.statement.bundle
        rail = admitted.rails.rail(bundle.rail)
        judged = [
            before.files_tree
            for before in applied
            if before.bundle == str(bundle) and before.policy_digest == rail.digest
        ]
        yield from inspect_files(
            objects, rail, one.live.files_tree, judged, layout.files_path(bundle), learnt
        )


def inspect_files(
    objects: Objects,
    rail: Rail,
    tree: Oid,
    judged: Iterable[Oid],
    path: str,
    learnt: Learnt,
) -> Iterator[Finding]:
    """Yield the findings of a files tree; `judged` are trees that were clean under this rail."""
    before = set(judged)
    if tree in before:
        return
    trees = sorted({tree, *before})  # as the plan asks for them
    new = trees.index(tree)

    def same(oids: tuple[Oid | None, ...]) -> bool:
        return oids[new] is None or oids.count(oids[new]) > 1

    fresh: list[bulk.TableFile] = []
    changed = _ChangedRows(rail)
    for file, oids in walk.differing(objects, trees, path, same, learnt.compared):
        oid = oids[new]
        assert oid is not None
        table = changes.table_of(file, path)
        olds = [one for one in dict.fromkeys(oids) if one is not None and one != oid]
        if table is not None and table in rail.tables and not olds:
            size_bytes = walk.check_blob(objects, oid, file, FILE_SIZE_MAX_BYTES)
            fresh.append(bulk.TableFile(file, table, oid, size_bytes))
            continue
        data = walk.read_blob(objects, oid, file, FILE_SIZE_MAX_BYTES)
        bulk.refuse_long(file, data)
        known = [walk.read_blob(objects, old, file, changes.FILE_SIZE_MAX_BYTES) for old in olds]
        yield from _inspect_file(rail, file, path, data, known, changed)
    yield from changed.judge()
    for one, (found, facts) in zip(fresh, bulk.judged(objects, rail, fresh), strict=True):
        learnt.facts[one.oid] = facts
        yield from found


def inspect_file(
    rail: Rail, file: str, path: str, data: bytes, olds: Sequence[bytes]
) -> Iterator[Finding]:
    """Yield the findings of one file of a bundle, given earlier contents that were clean."""
    changed = _ChangedRows(rail)
    yield from _inspect_file(rail, file, path, data, olds, changed)
    yield from changed.judge()


def _inspect_file(
    rail: Rail, file: str, path: str, data: bytes, olds: Sequence[bytes], changed: "_ChangedRows"
) -> Iterator[Finding]:
    table = changes.table_of(file, path)
    if table is None or (table not in rail.tables and table not in rail.documents):
        yield stray(rail, file)
    elif table in rail.documents:
        yield from lint_document(rail, table, data, file)
    elif olds and (rows := _new_rows(rail, table, file, data, olds)) is not None:
        yield from changed.add(table, rows)
    else:
        yield from lint_shard(rail, table, data, file)[1]


class _Rows(NamedTuple):
    """Rows of one file that are new, and the lines they stand on."""

    file: str
    rows: list[Row]
    lines: list[int]


class _ChangedRows:
    """New rows of many files, judged together: nearly always there is nothing to say of any."""

    def __init__(self, rail: Rail) -> None:
        self._rail = rail
        self._waiting: dict[str, list[_Rows]] = {}
        self._count = 0

    def add(self, table: str, rows: _Rows) -> Iterator[Finding]:
        """Take rows of one file; judge when there are many."""
        self._waiting.setdefault(table, []).append(rows)
        self._count += len(rows.rows)
        if self._count >= TOGETHER_ROWS:
            yield from self.judge()

    def judge(self) -> Iterator[Finding]:
        """Yield the findings of what waits, file by file where there are any."""
        for table, some in self._waiting.items():
            together = [row for one in some for row in one.rows]
            if lint_rows(self._rail, table, together, range(len(together)), ""):
                for one in some:
                    yield from lint_rows(self._rail, table, one.rows, one.lines, one.file)
        self._waiting.clear()
        self._count = 0


def _new_rows(
    rail: Rail, table: str, file: str, data: bytes, olds: Sequence[bytes]
) -> _Rows | None:
    """Return the lines that are new, in order with those around them; `None`: read the whole."""
    columns = rail.tables[table].columns
    excerpt = _excerpt(",".join(columns).encode() + b"\n", data, olds)
    if excerpt is None:
        return None
    rows, problems = strictcsv.read(excerpt.data, columns)
    if problems:
        return None
    new = [at for at, line in enumerate(strictcsv.lines(excerpt.data)) if line not in excerpt.known]
    return _Rows(file, [rows[at] for at in new], [excerpt.first_line + at for at in new])


class _Excerpt(NamedTuple):
    """A header, the lines that differ and their neighbours, as a small file of its own.

    `first_line` is where its first row stands in the whole; `known` are lines that were clean.
    """

    data: bytes
    first_line: int
    known: frozenset[bytes]


def _repeats(data: bytes, part: bytes) -> bool:
    """Whether a line of a part of a file stands twice in it; the rest was clean before."""
    some = part.split(b"\n")[:-1]
    if len(some) <= _FEW_LINES:
        return any(_stands_twice(b"\n" + data, b"\n%s\n" % line) for line in some)
    lines = data.split(b"\n")
    return len(set(lines)) != len(lines)


def _stands_twice(data: bytes, line: bytes) -> bool:
    # Both may share an LF, so `count` would miss the second one.
    return data.find(line, data.find(line) + 1) >= 0


def _excerpt(header: bytes, data: bytes, olds: Sequence[bytes]) -> _Excerpt | None:
    """Return what of a file has to be read, or `None` where only the whole will do."""
    contents = (data, *olds)
    if not all(one.startswith(header) and one.endswith(b"\n") for one in contents):
        return None
    found = middle(contents)
    if found.start < len(header):
        return None
    changed = found.parts[0]
    if _repeats(data, changed):
        return None
    before = data.rfind(b"\n", 0, found.start - 1) + 1 if found.start > len(header) else found.start
    end = found.start + len(changed)
    after = data.find(b"\n", end) + 1 or end
    neighbours = (data[before : found.start].rstrip(b"\n"), data[end:after].rstrip(b"\n"))
    known = {line for part in found.parts[1:] for line in part.split(b"\n")}
    number = found.first + 1 - (before < found.start)
    return _Excerpt(header + data[before:after], number, frozenset(known.union(neighbours)))
