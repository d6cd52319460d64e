"""Never delete much by accident: a plan over a limit waits until somebody signs for exactly it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction

from controller.kernel.canonical import Digest
from controller.kernel.errors import Held
from controller.plan.plan import Plan, TableCounts


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a table one plan may remove unasked; up to `small_rows` it always may.

    Rows that will end count like rows that go at once: a date does not make it less.
    """

    removed_share: Fraction = Fraction(1, 100)
    removed_rows: int = 1_000
    small_rows: int = 20


@dataclass(frozen=True, slots=True)
class Trip:
    """One table of which a plan removes more than it may, `removed` and `ending` of `of` rows."""

    table: str
    removed: int
    ending: int
    of: int
    limit: str

    def __str__(self) -> str:
        """Say it to people."""
        ends = f" and {self.ending} end" if self.ending else ""
        return f"{self.table}: {self.removed} of {self.of} rows go{ends} ({self.limit})"


class GuardTripped(Held):
    """A plan removes more than a limit, and no ack names it."""

    code = "plan.guard_tripped"

    def __init__(self, trips: tuple[Trip, ...], *, plan: Digest) -> None:
        said = "; ".join(map(str, trips))
        super().__init__(
            f"plan {plan} stops: {said}",
            hint=f"if that is meant, sign an ack that names the plan: countersign ack {plan}",
        )
        self.trips, self.plan = trips, plan
        first = trips[0]
        self.table, self.removed, self.of, self.limit = (
            first.table,
            first.removed,
            first.of,
            first.limit,
        )


def trips(
    plan: Plan,
    sizes: Mapping[str, int],
    limits: Limits,
    endless: Mapping[str, int] | None = None,
) -> tuple[Trip, ...]:
    """Return each limit the plan is over.

    `sizes` are the rows each table holds now, `endless` those of them that have no end; where that
    is not known, all of them.
    """
    found = []
    for table, counts in plan.counts.items():
        if not counts.removed and not counts.ending:
            continue
        size = sizes.get(table, 0)
        lasting = size if endless is None else endless.get(table, size)
        limit = _emptied(counts, size, lasting, plan.endless[table]) or _over(counts, size, limits)
        if limit is not None:
            found.append(Trip(table, counts.removed, counts.ending, size, limit))
    return tuple(found)


def _emptied(counts: TableCounts, size: int, endless: int, change: int) -> str | None:
    """Say when nothing is left, or will be: no row without an end, or every row ends earlier."""
    if size + counts.rows_put - counts.rows_dropped <= 0:
        return "the table would be empty"
    stays = counts.added + counts.moved + counts.modified - counts.ending
    ends_earlier = size <= counts.rows_dropped and not stays
    if endless + change <= 0 < endless or ends_earlier:
        return "the table would be empty once all ends have passed"
    return None


def _over(counts: TableCounts, size: int, limits: Limits) -> str | None:
    """Say which number of rows that go or end is too high."""
    going = counts.removed + counts.ending
    if going <= limits.small_rows:
        return None
    if going > limits.removed_rows:
        return f"more than {limits.removed_rows} rows"
    if going > limits.removed_share * size:
        return f"more than {float(limits.removed_share * 100):g} % of the rows"
    return None


def check(
    plan: Plan,
    sizes: Mapping[str, int],
    limits: Limits,
    acked: Collection[Digest] = (),
    *,
    endless: Mapping[str, int] | None = None,
) -> None:
    """Raise `GuardTripped` when the plan is over a limit and no ack names its digest."""
    tripped = trips(plan, sizes, limits, endless)
    if tripped and plan.digest not in acked:
        raise GuardTripped(tripped, plan=plan.digest)
