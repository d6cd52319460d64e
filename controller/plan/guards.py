"""Never delete much by accident: a plan over a limit waits until somebody signs for exactly it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction

from controller.kernel.canonical import Digest
from controller.kernel.errors import Held
from controller.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a table one plan may remove unasked; up to `small_rows` it always may."""

    removed_share: Fraction = Fraction(1, 100)
    removed_rows: int = 1_000
    small_rows: int = 20


@dataclass(frozen=True, slots=True)
class Trip:
    """One table of which a plan removes more than it may: `removed` of `of` rows."""

    table: str
    removed: int
    of: int
    limit: str


class GuardTripped(Held):
    """A plan removes more than a limit, and no ack names it."""

    code = "plan.guard_tripped"

    def __init__(self, trips: tuple[Trip, ...], *, plan: Digest) -> None:
        said = "; ".join(
            f"{trip.table}: {trip.removed} of {trip.of} rows go ({trip.limit})" for trip in trips
        )
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


def trips(plan: Plan, sizes: Mapping[str, int], limits: Limits) -> tuple[Trip, ...]:
    """Return each limit the plan is over; `sizes` are the rows each table holds now."""
    found = []
    for table, counts in plan.counts.items():
        size, removed = sizes.get(table, 0), counts.removed
        if not removed:
            continue
        if size + counts.rows_put - counts.rows_dropped <= 0:
            limit = "the table would be empty"
        elif removed <= limits.small_rows:
            continue
        elif removed > limits.removed_rows:
            limit = f"more than {limits.removed_rows} rows"
        elif removed > limits.removed_share * size:
            limit = f"more than {float(limits.removed_share * 100):g} % of the rows"
        else:
            continue
        found.append(Trip(table, removed, size, limit))
    return tuple(found)


def check(
    plan: Plan, sizes: Mapping[str, int], limits: Limits, acked: Collection[Digest] = ()
) -> None:
    """Raise `GuardTripped` when the plan is over a limit and no ack names its digest."""
    tripped = trips(plan, sizes, limits)
    if tripped and plan.digest not in acked:
        raise GuardTripped(tripped, plan=plan.digest)
