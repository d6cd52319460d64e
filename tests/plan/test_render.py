"""A plan as text and as JSON."""

from controller.kernel.canonical import Digest, canonical
from controller.plan.guards import Limits, trips
from controller.plan.plan import make_plan
from controller.plan.render import as_json, as_text
from tests.support.directory import days, participant, shards

PLAN = make_plan(
    "production",
    Digest("a" * 64),
    Digest("b" * 64),
    shards(put=[participant("new", days(3, None))], drop=[participant("old")]),
)
TRIPS = trips(PLAN, {"participants": 1}, Limits(small_rows=0))


def test_the_text_shows_counts_samples_guards_and_the_digest() -> None:
    text = as_text(PLAN, TRIPS)

    assert text.splitlines() == [
        "production: aaaaaaaaaaaa -> bbbbbbbbbbbb",
        "  participants: +1 ~0 -1",
        "    - old,Old",
        "    + new,New  (from 2027-01-04T00:00:00Z)",
        "  guard: participants: 1 of 1 rows go (more than 1 % of the rows)",
        f"plan {PLAN.digest}",
    ]


def test_the_json_is_canonical_and_says_its_version() -> None:
    value = as_json(PLAN, TRIPS)

    assert canonical(value)
    assert value["version"] == 1
    assert value["tables"] == {
        "participants": {"added": 1, "modified": 0, "removed": 1, "moved": 0}
    }


def test_a_plan_without_rows_says_so() -> None:
    empty = make_plan("production", None, Digest("b" * 64), [])

    assert "no rows change" in as_text(empty)
