"""A plan as text and as JSON."""

from controller.kernel.canonical import Digest, canonical
from controller.plan.guards import Limits, trips
from controller.plan.plan import make_plan
from controller.plan.render import as_json, as_text, nothing_json
from controller.plan.rows import SourceFile, StoredRow, key_of
from tests.support.directory import FILE, day, days, participant, shards

OTHER_FILE = SourceFile("card-bin/tests", "bundles/card-bin/tests/files/other.csv")

PLAN = make_plan(
    "production",
    Digest("a" * 64),
    Digest("b" * 64),
    shards(put=[participant("new", days(3, None))], drop=[participant("old")]),
    now=day(0),
)
TRIPS = trips(PLAN, {"participants": 1}, Limits(small_rows=0))


def test_the_text_shows_counts_samples_guards_and_the_digest() -> None:
    text = as_text(PLAN, TRIPS)

    assert text.splitlines() == [
        "production: aaaaaaaaaaaa -> bbbbbbbbbbbb",
        "  participants: +1 ~0 -1 (1 from 2027-01-04T00:00:00Z)",
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
        "participants": {"added": 1, "modified": 0, "ending": 0, "removed": 1, "moved": 0}
    }


def test_a_plan_without_rows_says_so() -> None:
    empty = make_plan("production", None, Digest("b" * 64), [])

    assert "no rows change" in as_text(empty)


HANDED_OVER = make_plan(
    "production",
    Digest("a" * 64),
    Digest("b" * 64),
    shards(
        put=[
            participant("alpha", days(None, 9)),
            participant("alpha", days(9, None), name="Better"),
            participant("omega", days(None, 9)),
        ],
        drop=[participant("alpha"), participant("omega")],
    ),
    now=day(0),
)


def test_the_text_shows_what_is_live_until_a_date_and_what_from_then_on() -> None:
    held = trips(HANDED_OVER, {"participants": 50}, Limits(small_rows=0))

    assert as_text(HANDED_OVER, held).splitlines()[1:-1] == [
        "  participants: +0 ~2 -0 (1 ending, 1 from 2027-01-10T00:00:00Z)",
        "    ~ - omega,Omega",
        "      + omega,Omega  (until 2027-01-10T00:00:00Z)",
        "    ~ - alpha,Alpha",
        "      + alpha,Alpha  (until 2027-01-10T00:00:00Z)",
        "      + alpha,Better  (from 2027-01-10T00:00:00Z)",
        "  guard: participants: 0 of 50 rows go and 1 end (more than 1 % of the rows)",
    ]


def test_the_json_holds_every_row_of_a_changed_key() -> None:
    samples = as_json(HANDED_OVER)["samples"]
    assert isinstance(samples, list)

    found = [
        (one["ending"], [row["effective_to"] for row in one["after"]], len(one["before"]))
        for one in samples
        if isinstance(one, dict)
    ]

    end = "2027-01-10T00:00:00Z"
    assert found == [(True, [end], 1), (False, [end, None], 1)]


def test_the_json_of_no_plan_has_the_members_of_one() -> None:
    nothing = nothing_json("production", Digest("b" * 64))

    assert nothing.keys() == as_json(PLAN).keys()
    assert (nothing["base"], nothing["digest"], nothing["tables"]) == ("b" * 64, None, {})


def test_the_json_of_a_change_says_all_of_it() -> None:
    before = participant("alpha", days(None, 20))
    after = participant("alpha", days(3, 9), OTHER_FILE, name="Better")
    plan = make_plan("production", None, Digest("b" * 64), shards([after], [before]), now=day(0))
    held = trips(plan, {"participants": 1}, Limits(small_rows=0))

    value = as_json(plan, held)

    assert value == {
        "version": 1,
        "environment": "production",
        "base": None,
        "target": "b" * 64,
        "digest": plan.digest,
        "tables": {
            "participants": {"added": 0, "modified": 1, "ending": 1, "removed": 0, "moved": 0}
        },
        "samples": [
            {
                "change": "M",
                "table": "participants",
                "key": ["alpha"],
                "ending": True,
                "before": [
                    {
                        "cells": ["alpha", "Alpha", *[""] * 9],
                        "effective_from": None,
                        "effective_to": "2027-01-21T00:00:00Z",
                        "bundle": "card-bin/tests",
                        "path": FILE.path,
                    }
                ],
                "after": [
                    {
                        "cells": ["alpha", "Better", *[""] * 9],
                        "effective_from": "2027-01-04T00:00:00Z",
                        "effective_to": "2027-01-10T00:00:00Z",
                        "bundle": "card-bin/tests",
                        "path": OTHER_FILE.path,
                    }
                ],
            }
        ],
        "guards": [
            {
                "table": "participants",
                "removed": 0,
                "ending": 1,
                "of": 1,
                "limit": "the table would be empty once all ends have passed",
            }
        ],
    }


def test_the_json_of_no_plan_says_the_release_twice() -> None:
    release = Digest("b" * 64)

    assert nothing_json("production", release) == {
        "version": 1,
        "environment": "production",
        "base": release,
        "target": release,
        "digest": None,
        "tables": {},
        "samples": [],
        "guards": [],
    }


def test_the_text_says_later_moved_and_both_ends() -> None:
    put = [
        participant("alpha", days(3, 9)),
        participant("beta", days(4, None)),
        participant("gamma", source=OTHER_FILE),
    ]
    some = shards(put, [participant("gamma")])
    plan = make_plan("production", None, Digest("b" * 64), some, now=day(0))

    assert as_text(plan).splitlines() == [
        "production: nothing -> bbbbbbbbbbbb",
        "  participants: +2 ~0 -0 (2 from 2027-01-04T00:00:00Z or later, 1 moved to another file)",
        "    + alpha,Alpha  (from 2027-01-04T00:00:00Z until 2027-01-10T00:00:00Z)",
        "    + beta,Beta  (from 2027-01-05T00:00:00Z)",
        f"plan {plan.digest}",
    ]


def test_the_text_shows_of_a_rule_its_name_and_of_a_row_no_dates() -> None:
    dated = participant("alpha", days(3, None), effective_from="2027-01-04T00:00:00Z")
    cells = ("card-bin/tests", "first", "1", "{}", "", "")
    rule = StoredRow("rules", key_of("rules", cells), days(None, None), cells, FILE)
    some = shards([dated, rule])
    plan = make_plan("production", None, Digest("b" * 64), some, now=day(0))

    assert as_text(plan).splitlines()[1:-1] == [
        "  participants: +1 ~0 -0 (1 from 2027-01-04T00:00:00Z)",
        "    + alpha,Alpha  (from 2027-01-04T00:00:00Z)",
        "  rules: +1 ~0 -0",
        "    + first",
    ]
