"""Each way to say a notice: failure, recovery and success, at a real receiver."""

import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters import pagerduty, slack, webhook
from controller.adapters.forge import DESCRIPTION_MAX, Forge, ForgeKind
from controller.adapters.forge import body as status_body
from controller.adapters.keyfiles import UnsafeKeyFile
from controller.adapters.outbound import ReceiverRefused
from controller.adapters.pagerduty import SUMMARY_MAX, PagerDuty
from controller.adapters.senders import BadSecretFile, Sender, secret_line
from controller.adapters.slack import Slack
from controller.adapters.webhook import Webhook
from controller.kernel.errors import ControllerError
from controller.kernel.events import Severity
from controller.kernel.notices import Notice, NoticeKind
from tests.support.control import MINUTE, NOON, some_oid
from tests.support.house import ROOT
from tests.support.receivers import SECRET, Received, Receiver, receiver, secret_file

ID = "0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11"
FAILURE = Notice(
    kind=NoticeKind.FAILURE,
    environment="production",
    subject="Stalled",
    reason="trust.threshold_not_met",
    severity=Severity.ERROR,
    at=NOON,
    message="role 'routing' needs 2 keys, 1 signed",
    hint="another owner signs",
    commit=some_oid(1),
    since=NOON,
)
RECOVERY = replace(
    FAILURE,
    kind=NoticeKind.RECOVERY,
    severity=Severity.INFO,
    at=NOON + MINUTE,
    message="production is at commit 2",
    hint="",
    commit=some_oid(2),
)
SUCCESS = Notice(
    kind=NoticeKind.SUCCESS,
    environment="production",
    subject="Applied",
    reason="Applied",
    severity=Severity.INFO,
    at=NOON,
    message="revision 7 (forward): release 7",
    commit=some_oid(3),
    revision=7,
)
TEST = replace(SUCCESS, kind=NoticeKind.TEST, subject="Test", reason="Test")
KINDS = ("webhook", "slack", "pagerduty", "github", "gitea")


def sender(kind: str, to: Receiver, folder: Path) -> Sender:
    """Return a sender of a kind to a receiver; its secret is in a file."""
    secret = secret_file(folder)
    match kind:
        case "webhook":
            return Webhook(to.place("/hook"), secret)
        case "slack":
            address = secret_file(folder, "address", f"{to.url}/services/{SECRET}")
            return Slack(replace(to.place(), url="", url_file=address))
        case "pagerduty":
            return PagerDuty(to.place(), secret)
        case _:
            forge = ForgeKind(kind)
            return Forge(forge, to.place(), secret, "bank/artifacts", "countersign/production")


def sent(kind: str, notice: Notice, folder: Path) -> Received:
    """Send a notice and return what came in."""
    with receiver() as to:
        sender(kind, to, folder).send(notice, delivery=ID, now=NOON)
    (got,) = to.got
    return got


@pytest.mark.parametrize("notice", [FAILURE, RECOVERY, SUCCESS], ids=lambda one: one.kind.value)
def test_a_webhook_says_everything_and_signs_it(notice: Notice, tmp_path: Path) -> None:
    got = sent("webhook", notice, tmp_path)

    assert got.is_signed(SECRET)
    assert not got.is_signed("another")
    assert got.headers["x-countersign-delivery"] == got.json["id"] == ID
    assert got.json["version"] == 1
    assert {name: got.json[name] for name in ("kind", "subject", "reason", "message")} == {
        "kind": notice.kind.value,
        "subject": notice.subject,
        "reason": notice.reason,
        "message": notice.message,
    }


def test_a_webhook_is_what_the_page_of_formats_shows() -> None:
    data = webhook.body(SUCCESS, ID)

    assert data == (
        b'{"at":"2026-11-20T12:00:00Z","commit":"0000000000000000000000000000000000000003",'
        b'"environment":"production","hint":"","id":"0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11",'
        b'"kind":"success","message":"revision 7 (forward): release 7","reason":"Applied",'
        b'"repeated":false,"revision":7,"severity":"info","since":null,"subject":"Applied",'
        b'"title":"production: applied","version":1}'
    )


def test_the_example_on_the_page_of_formats_is_right() -> None:
    signed = webhook.signature(b"secret", "1795176000", b'{"version":1}')

    assert signed in (ROOT / "docs/formats.md").read_text()


def test_another_body_or_another_time_has_another_signature(tmp_path: Path) -> None:
    got = sent("webhook", FAILURE, tmp_path)

    assert not replace(got, body=got.body.replace(b"2 keys", b"1 keys")).is_signed(SECRET)
    later = {**got.headers, "x-countersign-timestamp": "1"}
    assert not replace(got, headers=later).is_signed(SECRET)


@pytest.mark.parametrize("notice", [FAILURE, RECOVERY, SUCCESS], ids=lambda one: one.kind.value)
def test_slack_is_told_at_its_secret_address(notice: Notice, tmp_path: Path) -> None:
    got = sent("slack", notice, tmp_path)

    assert got.path == f"/services/{SECRET}"
    assert notice.title in got.json["text"]
    assert notice.message in strangers(got.json)


def strangers(document: Any) -> list[str]:
    """Return the texts of a Slack message that stand where nothing is interpreted."""
    (block,) = document["blocks"]
    assert block["type"] == "rich_text"
    verbatim = [one for one in block["elements"] if one["type"] == "rich_text_preformatted"]
    return [words["text"] for one in verbatim for words in one["elements"]]


def kinds_in(value: Any) -> set[str]:
    """Return every type of block and element that a Slack message is made of."""
    if isinstance(value, dict):
        inner = set[str]().union(*(kinds_in(one) for one in value.values()))
        return inner | ({value["type"]} if "type" in value else set())
    if isinstance(value, list):
        return set[str]().union(*(kinds_in(one) for one in value))
    return set()


@given(st.text(max_size=300), st.text(max_size=300))
def test_nothing_that_a_stranger_wrote_does_anything_at_slack(message: str, hint: str) -> None:
    document = json.loads(slack.body(replace(FAILURE, message=message, hint=hint)))

    assert kinds_in(document) == {
        "rich_text",
        "rich_text_section",
        "text",
        *(["rich_text_preformatted"] if message or hint else []),
    }
    assert document["text"] == json.loads(slack.body(FAILURE))["text"]
    assert document["mrkdwn"] is False
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", "".join(strangers(document)))


def test_a_mention_and_a_link_are_shown_as_they_were_written() -> None:
    evil = "<!channel> <@U1> <https://evil.example|here> *bold* &lt;"
    document = json.loads(slack.body(replace(FAILURE, message=evil, hint="")))

    (shown,) = strangers(document)
    assert shown == (
        "&lt;!channel&gt; &lt;@U1&gt; &lt;https://evil.example|here&gt; *bold* &amp;lt;"
    )


def test_pagerduty_triggers_and_resolves_one_incident(tmp_path: Path) -> None:
    failure, recovery = (sent("pagerduty", one, tmp_path) for one in (FAILURE, RECOVERY))

    assert failure.path == recovery.path == "/v2/enqueue"
    assert (failure.json["event_action"], recovery.json["event_action"]) == ("trigger", "resolve")
    assert failure.json["dedup_key"] == recovery.json["dedup_key"] != ""
    assert failure.json["routing_key"] == SECRET
    assert failure.json["payload"]["severity"] == "error"
    assert FAILURE.message in failure.json["payload"]["summary"]


def test_pagerduty_learns_of_a_success_as_a_change(tmp_path: Path) -> None:
    got = sent("pagerduty", SUCCESS, tmp_path)

    assert got.path == "/v2/change/enqueue"
    assert "event_action" not in got.json
    assert SUCCESS.message in got.json["payload"]["summary"]


def test_two_subjects_are_two_incidents() -> None:
    one, other = (
        json.loads(pagerduty.body(replace(FAILURE, subject=subject), "key"))["dedup_key"]
        for subject in ("Stalled", "Stale")
    )

    assert one != other


def test_a_summary_fits_whatever_it_says() -> None:
    long = replace(FAILURE, message="x" * 5_000)
    payload = json.loads(pagerduty.body(long, "key"))["payload"]

    assert len(payload["summary"]) <= SUMMARY_MAX
    assert len(json.loads(status_body(long, "c", None))["description"]) <= DESCRIPTION_MAX


@pytest.mark.parametrize("kind", ["github", "gitea"])
@pytest.mark.parametrize(
    ("notice", "state"),
    [
        (FAILURE, "failure"),
        (SUCCESS, "success"),
        (RECOVERY, "success"),
        (replace(SUCCESS, kind=NoticeKind.PENDING), "pending"),
    ],
    ids=lambda one: one.kind.value if isinstance(one, Notice) else one,
)
def test_a_forge_shows_what_became_of_a_commit(
    kind: str, notice: Notice, state: str, tmp_path: Path
) -> None:
    got = sent(kind, notice, tmp_path)
    assert notice.commit is not None

    root = "" if kind == "github" else "/api/v1"
    word = "Bearer" if kind == "github" else "token"
    assert got.path == f"{root}/repos/bank/artifacts/statuses/{notice.commit.hex()}"
    assert got.headers["authorization"] == f"{word} {SECRET}"
    assert got.json == {
        "state": state,
        "context": "countersign/production",
        "description": notice.message,
    }


def test_a_status_may_link_to_a_page_of_ours() -> None:
    linked = json.loads(status_body(FAILURE, "c", "https://console.example/"))

    assert linked["target_url"] == "https://console.example/"


def test_a_test_at_a_forge_has_a_status_of_its_own() -> None:
    assert json.loads(status_body(TEST, "c", None))["context"] == "c/test"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_sent_again_is_the_same_to_the_letter(kind: str, tmp_path: Path) -> None:
    with receiver() as to:
        one = sender(kind, to, tmp_path)
        one.send(FAILURE, delivery=ID, now=NOON)
        one.send(FAILURE, delivery=ID, now=NOON + 60 * MINUTE)

    first, second = to.got
    assert (first.path, first.body) == (second.path, second.body)
    assert first.headers.get("x-countersign-delivery") == second.headers.get(
        "x-countersign-delivery"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_no_sender_tells_its_secret(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    with receiver("400", "500", "redirect", "garbage") as to:
        one = sender(kind, to, tmp_path)
        for _ in range(4):
            with pytest.raises(ControllerError) as caught:
                one.send(FAILURE, delivery=ID, now=NOON)
            said.append(f"{caught.value} {caught.value.hint} {vars(caught.value)}")

    assert len(to.got) == 4
    assert SECRET not in f"{said}{one!r}{caplog.text}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_that_was_changed_counts_at_once(kind: str, tmp_path: Path) -> None:
    with receiver("401") as to:
        one = sender(kind, to, tmp_path)
        with pytest.raises(ReceiverRefused):
            one.send(FAILURE, delivery=ID, now=NOON)
        secret_file(tmp_path, text="fresh")
        secret_file(tmp_path, "address", f"{to.url}/services/fresh")
        one.send(FAILURE, delivery=ID, now=NOON)

    first, second = (f"{got.path}{got.headers}{got.body!r}" for got in to.got)
    assert "fresh" not in first
    assert "fresh" in second or to.got[1].is_signed("fresh")


def test_a_secret_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    secret_file(tmp_path).chmod(0o644)

    with pytest.raises(UnsafeKeyFile):
        secret_line(tmp_path / "secret")


@pytest.mark.parametrize("text", ["", "two\nlines", "a b", "ä"])
def test_a_file_that_holds_something_else_than_a_secret_is_refused(
    text: str, tmp_path: Path
) -> None:
    file = secret_file(tmp_path, text=text)

    with pytest.raises(BadSecretFile):
        secret_line(file)


TELLERS: dict[str, Callable[[Notice], bytes]] = {
    "webhook": lambda notice: webhook.body(notice, ID),
    "slack": slack.body,
    "pagerduty": lambda notice: pagerduty.body(notice, "key"),
    "forge": lambda notice: status_body(notice, "c", None),
}


@given(st.sampled_from(sorted(TELLERS)), st.text(), st.text())
def test_every_text_can_be_told_plainly(kind: str, message: str, hint: str) -> None:
    data = TELLERS[kind](replace(FAILURE, message=message, hint=hint))

    told = data.decode()
    json.loads(told)
    assert all(one.isprintable() for one in told)
