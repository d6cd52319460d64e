"""Compare all rows of a release with each other, before anybody signs it.

Each version was judged by itself when it was signed. What only shows when bundles stand side by
side (one card range in two of them, a reference that leads nowhere) would hold the whole release
up in the controller, so it is said here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from controller.artifacts import strictcsv, walk
from controller.artifacts.layout import BundleId, files_path
from controller.authoring.draft import FILE_SIZE_MAX_BYTES, UnknownRail
from controller.kernel.errors import Unclean
from controller.kernel.findings import Report, Severity
from controller.kernel.instants import Window
from controller.kernel.objects import Objects, Oid
from controller.policy.dataset import Place
from controller.policy.lint import LintBundle, lint_dataset, widen
from controller.policy.rail import Rail


class ReleaseNotClean(Unclean):
    """The versions of a release contradict each other."""

    code = "authoring.release_not_clean"

    def __init__(self, report: Report) -> None:
        count = sum(one.severity is Severity.ERROR for one in report.findings)
        super().__init__(
            f"{count} finding{'s' * (count != 1)} between the release's bundles block it",
            hint="mend one of the two bundles and sign its next version, or --drop one",
        )
        self.report = report


@dataclass(frozen=True, slots=True)
class Part:
    """A version as it would be live: its files and when they hold."""

    bundle: BundleId
    window: Window
    tree: Oid


def check_together(objects: Objects, parts: Iterable[Part], rails: Mapping[str, Rail]) -> Report:
    """Return what is to be said about all rows together, or raise `ReleaseNotClean`."""
    report = Report.of(lint_dataset([_bundle(objects, part, rails) for part in parts]))
    if report.blocks:
        raise ReleaseNotClean(report)
    return report


def _bundle(objects: Objects, part: Part, rails: Mapping[str, Rail]) -> LintBundle:
    rail = rails.get(part.bundle.rail)
    if rail is None:
        raise UnknownRail(part.bundle.rail, rails)
    tables: dict[str, list[Place]] = {}
    for table, places in _tables(objects, part, rail):
        tables.setdefault(table, []).extend(places)
    return LintBundle(str(part.bundle), rail, part.window, tables)


def _tables(objects: Objects, part: Part, rail: Rail) -> Iterator[tuple[str, list[Place]]]:
    where = files_path(part.bundle)
    for path, oid in walk.files(objects, part.tree, where):
        table = path.removeprefix(f"{where}/").split("/")[0].removesuffix(".csv")
        if path.endswith(".csv") and table in rail.tables:
            data = walk.read_blob(objects, oid, path, FILE_SIZE_MAX_BYTES)
            rows, _ = strictcsv.read(data, rail.tables[table].columns)
            wide = widen(rail, table, rows)
            yield table, [(cells, path, line) for line, cells in enumerate(wide, start=2)]
