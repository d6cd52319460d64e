"""Every route over real HTTP: a process of the role, a real database, a plain client."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.postgres import connect
from controller.kernel.events import Event
from controller.kernel.objects import Oid
from controller.reconcile.answer import document
from controller.reconcile.resolve import Question, resolve
from controller.stores.control import conditions, events, holds
from controller.stores.control.conditions import Condition, ConditionStatus, ConditionType
from controller.stores.control.events import Happened
from controller.stores.control.holds import HoldKind, Wanted
from controller.stores.directory.model import Reach
from controller.web import models
from tests.support.api import Api
from tests.support.directory import day, row
from tests.support.resolving import ENVIRONMENT, Town

CARD = "4111111111111111"
JSON = {"content-type": "application/json"}


def without_instant(found: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without the instant that it is of."""
    return {**found, "query": {**found["query"], "at": ""}}


@pytest.mark.allows("api.card-number")
@pytest.mark.parametrize(
    ("target", "scheme", "value", "reach"),
    [
        ("bic/ALDRDEFF", "bic", "ALDRDEFF", Reach()),
        ("bic/aldrdeff%20", "bic", "ALDRDEFF", Reach()),
        ("bic/OLDRDEFF", "bic", "OLDRDEFF", Reach()),
        ("iin/40001234", "iin", "40001234", Reach()),
        ("bic/ALDRDEFF?capability=pacs.008", "bic", "ALDRDEFF", Reach(capability="pacs.008")),
        ("bic/ALDRDEFF?currency=USD", "bic", "ALDRDEFF", Reach(currency="USD")),
        ("bic/ALDRDEFF?rail=card-bin", "bic", "ALDRDEFF", Reach(rail="card-bin")),
    ],
)
def test_an_answer_is_what_the_database_would_say(
    api: Api, town_url: str, target: str, scheme: str, value: str, reach: Reach
) -> None:
    asked = Question(scheme, value, SystemClock().now(), reach)
    with connect(town_url, application_name="tests", autocommit=True) as connection:
        wanted = resolve(connection, ENVIRONMENT, asked)
    assert wanted is not None

    one = api.get(f"/v1/resolve/{target}")  # on a plain connection, the hot route
    other = api.get(f"/v1/resolve/{target}", upgrade="nothing")  # which the application answers

    assert (one.status, other.status) == (200, 200)
    assert without_instant(one.json) == without_instant(document(wanted))
    assert without_instant(other.json) == without_instant(document(wanted))
    assert one.headers["etag"] == other.headers["etag"]
    assert one.headers["cache-control"] == other.headers["cache-control"]


def test_an_answer_is_of_the_instant_that_was_asked(api: Api) -> None:
    before = api.get("/v1/resolve/bic/BRCHNL2A?at=2027-01-05T23:59:59Z")
    after = api.get("/v1/resolve/bic/BRCHNL2A?at=2027-01-06")

    assert (before.status, after.status) == (404, 200)
    assert after.json["participant"]["id"] == "birch-bank"
    assert before.json["code"] == "resolve.unknown"


def test_one_redirect_is_followed_and_named(api: Api) -> None:
    found = api.get("/v1/resolve/bic/OLDRDEFF").json

    assert found["matched"]["value"] == "ALDRDEFF"
    assert found["redirected_from"]["value"] == "OLDRDEFF"


def test_who_was_removed_is_gone_and_the_answer_names_the_successor(api: Api) -> None:
    got = api.get("/v1/resolve/bic/GONEDEFF")

    assert got.status == 410
    assert got.json["state"] == "removed"
    assert got.json["matched"]["successor"] == {"scheme": "bic", "value": "ALDRDEFF"}


def test_who_is_unknown_is_unknown_for_a_few_seconds_only(api: Api) -> None:
    got = api.get("/v1/resolve/bic/NOBODYXX")

    assert got.status == 404
    assert got.headers["cache-control"] == "max-age=5"
    assert "etag" not in got.headers
    assert api.get("/v1/resolve/x-nothing/A").json["hint"] == "no scheme of this name is registered"


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (f"/v1/resolve/iin/{CARD}", "resolve.too_many_digits"),
        ("/v1/resolve/iin/4111%201111-1111.1111", "resolve.too_many_digits"),
        (f"/v1/resolve/bic/A?rail={CARD}", "resolve.too_many_digits"),
        (f"/v1/participants/{CARD}", "resolve.too_many_digits"),
        ("/v1/resolve/iin/12345", "directory.not_an_iin"),
        ("/v1/resolve/iin/abcdefg", "directory.not_an_iin"),
        ("/v1/resolve/bic/A?at=tomorrow", "instant.malformed"),
        ("/v1/resolve/bic/A?at=2027-02-30", "instant.malformed"),
        ("/v1/resolve/bic/A?curency=EUR", "api.bad_request"),
        ("/v1/resolve/bic/A?rail=a&rail=b", "api.bad_request"),
        ("/v1/resolve/bic/%00", "api.bad_request"),
        ("/v1/resolve/bic/", "api.bad_request"),
        ("/v1/participants/%1b", "api.bad_request"),
        ("/v1/changes", "api.bad_request"),
        ("/v1/changes?since=-1", "api.bad_request"),
        ("/v1/changes?since=1.0", "api.bad_request"),
        ("/v1/changes?since=0&limit=0", "api.bad_request"),
        ("/v1/changes?since=0&after=ranges", "api.bad_request"),
        ("/v1/changes?since=0&after=nothing.0000000000000000", "api.bad_request"),
        ("/v1/events?after=-1", "api.bad_request"),
        ("/v1/status?x=1", "api.bad_request"),
    ],
)
def test_a_bad_question_is_refused_as_a_problem_that_repeats_nothing(
    api: Api, target: str, code: str
) -> None:
    got = api.get(target)

    assert (got.status, got.json["code"]) == (400, code)
    assert got.json["type"] == "about:blank"
    assert got.headers["cache-control"] == "no-store"
    assert "4111" not in got.body.decode()
    assert "curency" not in got.body.decode()


def test_a_copy_that_a_client_has_already_is_not_sent_again(api: Api) -> None:
    for target in ("/v1/resolve/bic/ALDRDEFF", "/v1/participants/alder-bank"):
        for more in ({}, {"upgrade": "nothing"}):
            tag = api.get(target).headers["etag"]
            same = api.get(target, if_none_match=f'"x", {tag}', **more)
            other = api.get(target, if_none_match='W/"x"', **more)

            assert (same.status, same.body, same.headers["etag"]) == (304, b"", tag)
            assert other.status == 200


def test_gone_is_said_again_to_a_client_that_has_it(api: Api) -> None:
    tag = api.get("/v1/resolve/bic/GONEDEFF").headers["etag"]

    assert api.get("/v1/resolve/bic/GONEDEFF", if_none_match=tag).status == 410


def test_a_participant_comes_with_all_it_is_known_by(api: Api) -> None:
    found = api.get("/v1/participants/alder-bank").json

    assert found["participant"]["name"] == "Alder Bank"
    assert [one["value"] for one in found["identifiers"]] == ["ALDRDEFF", "GONEDEFF", "OLDRDEFF"]
    assert [one["id"] for one in found["endpoints"]] == ["alder-as4", "alder-mq"]
    assert api.get("/v1/participants/nobody").status == 404


def test_a_batch_answers_each_question_for_itself_and_all_of_one_revision(api: Api) -> None:
    questions = [
        {"scheme": "bic", "value": "aldrdeff"},
        {"scheme": "bic", "value": "NOBODYXX"},
        {"scheme": "bic", "value": "GONEDEFF"},
        {"scheme": "iin", "value": CARD},
        {"scheme": "bic", "value": "BRCHNL2A", "at": "2027-01-06"},
        {"scheme": "bic", "value": "A", "at": "never"},
    ]

    got = api.post("/v1/resolve:batch", {"questions": questions})

    assert got.status == 200
    assert [one["status"] for one in got.json["answers"]] == [200, 404, 410, 400, 200, 400]
    answered = [number for number, one in enumerate(got.json["answers"]) if one["answer"]]
    assert answered == [0, 2, 4]
    assert got.json["answers"][3]["problem"]["code"] == "resolve.too_many_digits"
    assert got.json["answers"][0]["answer"]["matched"]["value"] == "ALDRDEFF"
    assert CARD not in got.body.decode()


def test_a_thousand_questions_are_answered_and_one_more_is_refused(api: Api) -> None:
    one = {"scheme": "iin", "value": "400012"}

    full = api.post("/v1/resolve:batch", {"questions": [one] * 1_000})
    over = api.post("/v1/resolve:batch", {"questions": [one] * 1_001})

    assert full.status == 200
    assert {item["status"] for item in full.json["answers"]} == {200}
    assert (over.status, over.json["code"]) == (400, "api.bad_request")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", JSON, 400),
        (b'{"questions": [], "more": 1}', JSON, 400),
        (b'{"questions": [], "questions": []}', JSON, 400),
        (b'{"questions": [{"scheme": "bic", "value": 4111111111111111}]}', JSON, 400),
        (b"[" * 10_000, JSON, 400),
        (b"\xff", JSON, 400),
        (b'{"questions": []}', {"content-type": "text/plain"}, 415),
        (b'{"questions": []}', {}, 415),
        (b" " * (512 * 1024 + 1), JSON, 413),
        (b'{"questions": []}', {"content-type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_a_body_has_to_be_what_the_route_takes(
    api: Api, body: bytes, headers: dict[str, str], status: int
) -> None:
    got = api.ask("POST", "/v1/resolve:batch", body, headers)

    assert got.status == status
    assert b"4111" not in got.body


def test_a_body_in_pieces_is_refused_as_soon_as_it_is_too_large(api: Api) -> None:
    head = (
        b"POST /v1/resolve:batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"

    assert api.raw(head + chunk * 8 + b"1\r\n \r\n").startswith(b"HTTP/1.1 413 ")


def test_what_is_not_served_is_a_problem_and_says_what_is(api: Api) -> None:
    absent, wrong = api.get("/v1/nothing"), api.ask("DELETE", "/v1/status")
    options = api.ask("OPTIONS", "/v1/resolve/bic/ALDRDEFF")
    posted = api.ask("OPTIONS", "/v1/resolve:batch")

    assert (absent.status, absent.json["code"]) == (404, "api.no_such_route")
    assert (wrong.status, wrong.json["code"]) == (405, "api.method_not_allowed")
    assert wrong.headers["allow"] == "GET, HEAD, OPTIONS"
    assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert (posted.status, posted.headers["allow"]) == (204, "POST, OPTIONS")
    assert api.get("/v1/status/").status == 404
    assert api.get("/docs").status == 404


def test_a_head_has_the_headers_of_a_get_and_no_body(api: Api) -> None:
    for target in ("/v1/resolve/bic/ALDRDEFF", "/v1/participants/alder-bank", "/healthz"):
        head, got = api.ask("HEAD", target), api.get(target)
        same = {"content-type", "cache-control", "content-length"}

        assert (head.status, head.body) == (200, b"")
        assert {name: head.headers[name] for name in same} == {
            name: got.headers[name] for name in same
        }


def test_a_body_where_none_belongs_is_refused(api: Api) -> None:
    assert api.ask("GET", "/v1/status", b"x").status == 400
    assert api.ask("GET", "/v1/status", b"", {"content-length": "0"}).status == 200


def test_a_long_target_and_large_headers_are_problems(api: Api) -> None:
    target = api.get("/v1/participants/" + "a" * 9_000)
    headers = api.get("/healthz", x_much="a" * 33_000)

    assert (target.status, target.json["code"]) == (414, "api.target_too_long")
    assert (headers.status, headers.json["code"]) == (431, "api.headers_too_large")


def test_every_answer_of_the_application_names_its_request(api: Api) -> None:
    one, other = api.get("/healthz"), api.get("/v1/nothing")

    assert one.headers["x-request-id"] != other.headers["x-request-id"]
    assert other.json["instance"].endswith(other.headers["x-request-id"])
    assert other.headers["x-content-type-options"] == "nosniff"
    assert "server" not in other.headers


def test_changes_are_told_page_by_page_and_then_as_they_come(town: Town, own_api: Api) -> None:
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = own_api.get(f"/v1/changes?since=0&limit=3{after}").json
        found += page["changes"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"

    assert len(found) == 10
    assert {one["change"] for one in found} == {"A"}
    assert page["revision"] == town.revision

    new = row("identifiers", participant_id="birch-bank", scheme="bic", value="NEWXNL2A")
    gone = next(one for one in town.rows.values() if "OLDRDEFF" in one.cells)
    town.apply([new], [gone])
    own_api.until(
        lambda: own_api.get("/v1/resolve/bic/NEWXNL2A").status == 200, "the revision is served"
    )
    page = own_api.get(f"/v1/changes?since={page['revision']}").json

    assert {(one["change"], *one["key"]) for one in page["changes"]} == {
        ("A", "bic", "NEWXNL2A"),
        ("D", "bic", "OLDRDEFF"),
    }
    assert own_api.get(f"/v1/changes?since={page['revision']}").json["changes"] == []
    ahead = own_api.get("/v1/changes?since=99")
    assert (ahead.status, ahead.json["code"]) == (409, "changes.unknown_revision")
    assert own_api.get("/v1/resolve/bic/OLDRDEFF").status == 404


def test_events_are_told_in_order_and_after_one_that_is_known(town: Town, own_api: Api) -> None:
    happened = [Happened(Event.LEADING, day(0), f"the {n}. time") for n in range(5)]
    for one in happened:
        events.append(town.connection, ENVIRONMENT, one)

    newest = own_api.get("/v1/events?limit=2").json
    first = own_api.get("/v1/events?after=0&limit=2").json
    rest = own_api.get(f"/v1/events?after={first['next']}").json

    assert [one["message"] for one in newest["events"]] == ["the 3. time", "the 4. time"]
    assert [one["message"] for one in (*first["events"], *rest["events"])] == [
        one.message for one in happened
    ]
    assert newest["events"][0]["name"] == "lease.taken"
    assert own_api.get("/v1/events?after=999").json == {"events": [], "next": 999}


def test_the_status_of_a_production_that_nobody_leads_is_unknown(api: Api) -> None:
    found = api.get("/v1/status").json

    assert (found["environment"], found["sync"]) == (ENVIRONMENT, "Unknown")
    assert found["applied"]["revision"] == found["serving"]["revision"]
    assert found["serving"]["is_current"]
    assert found["controller"]["leader"] is None
    assert found["holds"] == []


def test_the_status_shows_who_holds_new_revisions_back(town: Town, own_api: Api) -> None:
    now = SystemClock().now()
    holds.place(
        town.connection, ENVIRONMENT, Wanted(HoldKind.FREEZE, "ops@here", "an incident", now)
    )

    (held,) = own_api.get("/v1/status").json["holds"]

    assert (held["kind"], held["actor"], held["reason"]) == ("freeze", "ops@here", "an incident")
    assert models.Status.model_validate_json(own_api.get("/v1/status").body, strict=True)


def test_what_the_leader_last_found_is_told_for_as_long_as_it_leads(
    town: Town, own_api: Api
) -> None:
    now, connection = SystemClock().now(), town.connection
    connection.execute(
        "INSERT INTO controller.lease (environment, holder, epoch, expires_at, process)"
        " VALUES (%s, 'one', 1, now() + interval '1 hour', 'here')",
        [ENVIRONMENT],
    )

    def say(status: ConditionStatus) -> str:
        commit = Oid(bytes(20))
        said = Condition(ConditionType.READY, status, "Why", "words", observed_commit=commit)
        conditions.put(connection, ENVIRONMENT, [said], now)
        found = own_api.get("/v1/status").json
        assert found["controller"]["leader"]["process"] == "here"
        return str(found["sync"])

    assert say(ConditionStatus.TRUE) == "Synced"
    assert say(ConditionStatus.FALSE) == "OutOfSync"
    assert say(ConditionStatus.UNKNOWN) == "Unknown"
    assert say(ConditionStatus.TRUE) == "Synced"
    connection.execute("UPDATE controller.lease SET expires_at = now()")
    assert own_api.get("/v1/status").json["sync"] == "Unknown"


def test_counters_name_routes_and_never_a_value(api: Api) -> None:
    api.get("/v1/participants/somebody-by-name")
    api.get("/v1/resolve/bic/ALDRDEFF")

    text = api.get("/metrics").body.decode()

    assert 'route="/v1/participants/{id}",status="404"' in text
    assert 'route="/v1/resolve/{scheme}/{value}",status="200"' in text
    assert "countersign_resolver_stale 0.0" in text
    assert "somebody" not in text
    assert "ALDRDEFF" not in text


def test_many_clients_at_once_are_all_answered(api: Api) -> None:
    statuses: list[int] = []

    def ask() -> None:
        statuses.extend(api.get("/v1/changes?since=0").status for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 100


@pytest.fixture
def cut(database_url: str, server_url: str) -> Iterator[Any]:
    """Return what takes the database away and what gives it back."""
    with connect(database_url, application_name="tests") as connection:
        (name,) = connection.execute("SELECT current_database()").fetchone() or ("",)
    with connect(server_url, application_name="tests", autocommit=True) as administrator:

        def away(*, allowed: bool) -> None:
            words = "true" if allowed else "false"
            administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {words}".encode())
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                " AND application_name LIKE 'countersign%%'",
                [name],
            )

        yield away
        away(allowed=True)


def test_answers_go_on_while_the_database_is_away_and_say_that_they_may_be_old(
    own_api: Api, cut: Any
) -> None:
    cut(allowed=False)
    own_api.until(
        lambda: "stale_since" in own_api.get("/v1/resolve/bic/ALDRDEFF").json, "it is stale"
    )

    stale = own_api.get("/v1/resolve/bic/ALDRDEFF")
    batch = own_api.post("/v1/resolve:batch", {"questions": []})
    status, ready = own_api.get("/v1/status"), own_api.get("/readyz")

    assert stale.status == 200
    assert stale.headers["countersign-stale-since"] == stale.json["stale_since"]
    assert stale.headers["cache-control"] == "no-store"
    assert "etag" not in stale.headers
    assert batch.json["stale_since"] == stale.json["stale_since"]
    assert (status.status, status.headers["retry-after"]) == (503, "5")
    assert "host" not in status.json["detail"]
    assert (ready.status, ready.json["reasons"][0]["of"]) == (200, "copy")
    assert "countersign_resolver_stale 1.0" in own_api.get("/metrics").body.decode()

    cut(allowed=True)
    own_api.until(own_api.is_current, "it is current again")
    assert own_api.get("/v1/status").status == 200
    assert "stale_since" not in own_api.get("/v1/resolve/bic/ALDRDEFF").json


def test_the_page_describes_every_route_and_reaches_for_nothing(api: Api) -> None:
    page = json.loads(api.get("/openapi.json").body)

    assert page["openapi"].startswith("3.1")
    assert set(page["paths"]) == {
        "/v1/resolve/{scheme}/{value}",
        "/v1/resolve:batch",
        "/v1/participants/{id}",
        "/v1/changes",
        "/v1/status",
        "/v1/events",
        "/v1/hooks/{provider}",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    assert "http://" not in json.dumps(page)
    assert "https://" not in json.dumps(page)
