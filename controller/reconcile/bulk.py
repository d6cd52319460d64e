"""Very many rows at once: files are judged, and made ready for COPY, by several processes.

What comes out is what one process alone would have said, in the same order. Below `FORKED_BYTES`
it is one process: starting others costs more than they bring.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from controller.adapters.forks import forks_wanted, shared_out
from controller.artifacts import levels
from controller.artifacts.shards import SHARD_LINES_MAX
from controller.artifacts.sheets import read_sheet
from controller.kernel.findings import Finding
from controller.kernel.objects import Objects, Oid
from controller.plan.whole import FileFacts, facts_of
from controller.policy.lint import lint_shard, lint_sheet
from controller.policy.rail import Rail
from controller.stores.directory.copytext import FileText, Render, rendered_here

FORKED_BYTES = 8 * 1024 * 1024
_BATCH_BYTES = 512 * 1024

Item = TypeVar("Item")


class TableFile(NamedTuple):
    """A file of a table that nobody has judged before; `path` as findings name it."""

    path: str
    table: str
    oid: Oid
    size_bytes: int


def judged(
    objects: Objects, rail: Rail, files: Sequence[TableFile]
) -> Iterator[tuple[list[Finding], FileFacts]]:
    """Read and judge whole files; yield what is to be said of each, and its facts."""

    def work(some: Sequence[TableFile]) -> Iterator[tuple[list[Finding], FileFacts]]:
        contents = objects.read_many(file.oid for file in some)
        for file, data in zip(some, contents, strict=True):
            yield _judge(rail, file, data)

    size_bytes = sum(file.size_bytes for file in files)
    forks = forks_wanted() if size_bytes >= FORKED_BYTES else 0
    return shared_out(work, _batches(files, lambda file: file.size_bytes), forks)


def rendering(objects: Objects) -> Render:
    """Return what reads whole files and makes their text for COPY."""
    alone = rendered_here(objects)

    def run(files: Sequence[FileText]) -> Iterator[bytes]:
        size_bytes = sum(file.size_bytes for file in files)
        forks = forks_wanted() if size_bytes >= FORKED_BYTES else 0
        return shared_out(alone, _batches(files, lambda file: file.size_bytes), forks)

    return run


def refuse_long(path: str, data: bytes) -> None:
    """Refuse a file of more lines than anybody would write."""
    lines = data.count(b"\n")
    if lines > SHARD_LINES_MAX:
        raise levels.TooLarge(path, size=lines, size_max=SHARD_LINES_MAX, unit="lines")


def _judge(rail: Rail, file: TableFile, data: bytes) -> tuple[list[Finding], FileFacts]:
    refuse_long(file.path, data)
    sheet = read_sheet(data, rail.tables[file.table].columns)
    if sheet is None:
        found = lint_shard(rail, file.table, data, file.path)[1]
    else:
        found = lint_sheet(rail, file.table, sheet, file.path)
    return found, facts_of(data, file.table, sheet)


def _batches(items: Sequence[Item], size_of: Callable[[Item], int]) -> list[list[Item]]:
    """Cut items into batches of some size in bytes, in order."""
    batches: list[list[Item]] = [[]]
    size_bytes = 0
    for item in items:
        batches[-1].append(item)
        size_bytes += size_of(item)
        if size_bytes >= _BATCH_BYTES:
            batches.append([])
            size_bytes = 0
    return [batch for batch in batches if batch]
