"""The draft and the four statements: what is written reads back, other things are refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.artifacts import ack, bundle, draft, release, rollback
from controller.artifacts.layout import BundleId
from controller.artifacts.merkle import Counts
from controller.artifacts.wire import PAYLOAD_SIZE_MAX_BYTES, BadDocument
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused
from controller.kernel.instants import EmptyWindow, Window
from controller.kernel.objects import Oid
from controller.kernel.strictjson import MalformedJson

REPOSITORY = "0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11"
BINLIST = BundleId("card-bin", "binlist")
ROOT, OTHER = Digest("a" * 64), Digest("b" * 64)
MAY, JUNE, JULY = (datetime(2026, month, 1, tzinfo=UTC) for month in (5, 6, 7))

BUNDLE = bundle.BundleStatement(
    repository=REPOSITORY,
    bundle=BINLIST,
    version=2,
    previous=bundle.PreviousVersion(1, OTHER),
    window=Window(MAY, None),
    environments=("production", "staging"),
    files_root=ROOT,
    git_tree=Oid(b"\1" * 20),
    tables={"ranges": Counts(3, 1000, 48213)},
    documents={"rules": Counts(1, 0, 120)},
)
LIVE = release.LiveBundle(BINLIST, 2, ROOT, Window(None, JULY))
RELEASE = release.ReleaseStatement(
    repository=REPOSITORY,
    environment="production",
    serial=43,
    previous=release.ReleaseRef(42, OTHER),
    rollback_of=None,
    created=MAY,
    expires=JUNE,
    policies={"card-bin": ROOT},
    bundles=(release.LiveBundle(BINLIST, 1, OTHER), LIVE),
)
ACK = ack.AckStatement(REPOSITORY, "production", ROOT, "the scheme left the market", MAY)
ROLLBACK = rollback.RollbackStatement(
    REPOSITORY, "production", 42, ROOT, "wrong ranges", created=MAY, expires=JUNE
)
DRAFT = draft.Draft(BINLIST, Window(MAY, JUNE), ("production",))


def changed(payload: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(payload)
    change(document)
    return json.dumps(document, indent=2).encode()


@pytest.mark.parametrize("statement", [BUNDLE, replace(BUNDLE, version=1, previous=None)])
def test_a_bundle_statement_reads_back(statement: bundle.BundleStatement) -> None:
    assert bundle.parse(statement.payload()) == statement


@pytest.mark.parametrize(
    "statement",
    [
        RELEASE,
        replace(RELEASE, serial=1, previous=None, expires=None, bundles=()),
        replace(RELEASE, rollback_of=release.ReleaseRef(40, ROOT)),
    ],
)
def test_a_release_statement_reads_back(statement: release.ReleaseStatement) -> None:
    assert release.parse(statement.payload()) == statement


def test_the_other_documents_read_back() -> None:
    assert ack.parse(ACK.payload()) == ACK
    assert rollback.parse(ROLLBACK.payload()) == ROLLBACK
    assert draft.parse(DRAFT.to_bytes()) == DRAFT


def test_a_bundle_statement_stays_under_one_kilobyte_of_json_values() -> None:
    assert len(BUNDLE.payload()) < 1400
    assert len(json.dumps(json.loads(BUNDLE.payload()), separators=(",", ":"))) < 1024


BUNDLE_FAULTS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda d: d.update(extra=1), "/extra"),
    (lambda d: d.pop("_type"), "/_type"),
    (lambda d: d.update(_type="other"), "/_type"),
    (lambda d: d.update(predicateType="urn:countersign:release:v1"), "/predicateType"),
    (lambda d: d["predicate"].update(extra=1), "/predicate/extra"),
    (lambda d: d["predicate"].update(version="2"), "/predicate/version"),
    (lambda d: d["predicate"].update(version=0), "/predicate/version"),
    (lambda d: d["predicate"].update(version=True), "/predicate/version"),
    (lambda d: d["predicate"].update(version=4), "/predicate/previous"),
    (lambda d: d["predicate"].update(previous=None), "/predicate/previous"),
    (lambda d: d["predicate"].pop("effective_to"), "/predicate/effective_to"),
    (lambda d: d["predicate"].update(effective_to="2026-01-01"), "/predicate/effective_to"),
    (
        lambda d: d["predicate"].update(effective_to="2026-01-01T00:00:00Z"),
        "/predicate/effective_to",
    ),
    (lambda d: d["predicate"].update(rail="../x"), "/predicate/rail"),
    (lambda d: d["predicate"].update(rail="other"), "/subject/0/name"),
    (lambda d: d["predicate"].update(environments=[]), "/predicate/environments"),
    (lambda d: d["predicate"].update(environments=["a", "a"]), "/predicate/environments"),
    (lambda d: d["predicate"].update(repository="x"), "/predicate/repository"),
    (lambda d: d["predicate"]["tables"].update(A=1), "/predicate/tables/A"),
    (
        lambda d: d["predicate"]["tables"]["ranges"].update(rows=-1),
        "/predicate/tables/ranges/rows",
    ),
    (lambda d: d.update(subject=[]), "/subject"),
    (lambda d: d.update(subject=d["subject"] * 2), "/subject"),
    (lambda d: d["subject"][0]["digest"].update(sha256="a" * 64), "/subject/0/digest/sha256"),
    (
        lambda d: d["subject"][0]["digest"].update(countersignTree1="A" * 64),
        "/subject/0/digest/countersignTree1",
    ),
]


@pytest.mark.parametrize(("change", "pointer"), BUNDLE_FAULTS)
def test_a_bundle_statement_that_says_something_else_is_refused(
    change: Callable[[dict[str, Any]], object], pointer: str
) -> None:
    with pytest.raises(BadDocument) as refusal:
        bundle.parse(changed(BUNDLE.payload(), change))

    assert refusal.value.pointer == pointer


RELEASE_FAULTS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda d: d["subject"].reverse(), "/subject/1/name"),
    (lambda d: d.update(subject=[d["subject"][0]] * 2), "/subject/1/name"),
    (lambda d: d["subject"][0].update(name="bundles/a"), "/subject/0/name"),
    (lambda d: d["subject"][0].update(annotations={}), "/subject/0/annotations"),
    (lambda d: d["subject"][0].update(annotations={"rows": 1}), "/subject/0/annotations/rows"),
    (
        lambda d: d["subject"][0].update(annotations={"effective_to": None}),
        "/subject/0/annotations",
    ),
    (lambda d: d["predicate"].update(serial=42), "/predicate/previous/serial"),
    (lambda d: d["predicate"].update(previous=None), "/predicate/previous"),
    (lambda d: d["predicate"].update(serial=1), "/predicate/previous"),
    (lambda d: d["predicate"].update(expires=d["predicate"]["created"]), "/predicate/expires"),
    (lambda d: d["predicate"]["policies"].update(x="y"), "/predicate/policies/x"),
]


@pytest.mark.parametrize(("change", "pointer"), RELEASE_FAULTS)
def test_a_release_statement_that_says_something_else_is_refused(
    change: Callable[[dict[str, Any]], object], pointer: str
) -> None:
    with pytest.raises(BadDocument) as refusal:
        release.parse(changed(RELEASE.payload(), change))

    assert refusal.value.pointer == pointer


def test_a_fault_is_found_on_its_line() -> None:
    payload = BUNDLE.payload()
    line = payload[: payload.index(b'"rail"')].count(b"\n") + 1

    with pytest.raises(BadDocument) as refusal:
        bundle.parse(payload.replace(b'"rail": "card-bin"', b'"rail": "Card"'))

    assert refusal.value.line == line


@pytest.mark.parametrize("reason", ["", " x", "a\nb", "a\u202eb", "x" * 501])
def test_a_reason_that_cannot_be_printed_is_refused(reason: str) -> None:
    with pytest.raises(BadDocument):
        ack.parse(changed(ACK.payload(), lambda d: d["predicate"].update(reason=reason)))


def test_a_rollback_that_names_another_environment_is_refused() -> None:
    payload = changed(ROLLBACK.payload(), lambda d: d["predicate"].update(environment="staging"))

    with pytest.raises(BadDocument) as refusal:
        rollback.parse(payload)

    assert refusal.value.pointer == "/subject/0/name"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"a":1,"a":2}', b"null", b"\xff"])
def test_what_is_no_document_at_all_is_refused(data: bytes) -> None:
    for parse in (bundle.parse, release.parse, ack.parse, rollback.parse, draft.parse):
        with pytest.raises(Refused):
            parse(data)


def test_a_release_narrows_what_was_signed() -> None:
    assert LIVE.effective(Window(MAY, None)) == Window(MAY, JULY)
    assert LIVE.effective(Window(MAY, JULY)) == Window(MAY, JULY)
    assert replace(LIVE, window=None).effective(Window(MAY, None)) == Window(MAY, None)


@pytest.mark.parametrize("said", [Window(MAY, JUNE), Window(JUNE, JULY), Window(MAY, None)])
def test_a_release_never_widens_what_was_signed(said: Window) -> None:
    narrow = said.start or MAY
    signed = Window(JUNE, None) if narrow < JUNE else Window(None, JUNE)

    with pytest.raises(release.WidensWindow):
        replace(LIVE, window=said).effective(signed)


def test_a_release_that_leaves_no_time_is_refused() -> None:
    with pytest.raises(EmptyWindow):
        replace(LIVE, window=Window(None, MAY)).effective(Window(JUNE, None))


def test_a_window_that_ends_only_is_written_and_read_back() -> None:
    ends = replace(BUNDLE, window=Window(None, JULY))

    assert bundle.parse(ends.payload()).window == Window(None, JULY)
    assert json.loads(ends.payload())["predicate"]["effective_to"] == "2026-07-01T00:00:00Z"
    assert json.loads(ends.payload())["predicate"]["effective_from"] is None


def test_a_release_may_say_the_signed_window_again() -> None:
    said = replace(LIVE, window=Window(MAY, JULY))

    assert said.effective(Window(MAY, JULY)) == Window(MAY, JULY)


def test_the_longest_document_is_read_and_no_longer_one() -> None:
    payload = ACK.payload().ljust(PAYLOAD_SIZE_MAX_BYTES)

    assert ack.parse(payload) == ACK
    with pytest.raises(MalformedJson):
        ack.parse(payload + b" ")


@pytest.mark.parametrize(
    ("window", "notes"),
    [
        (Window(JUNE, None), {"effective_from": "2026-06-01T00:00:00Z"}),
        (Window(None, JUNE), {"effective_to": "2026-06-01T00:00:00Z"}),
        (
            Window(MAY, JUNE),
            {"effective_from": "2026-05-01T00:00:00Z", "effective_to": "2026-06-01T00:00:00Z"},
        ),
    ],
)
def test_a_release_that_narrows_either_end_is_written_and_read_back(
    window: Window, notes: dict[str, str]
) -> None:
    narrowed = replace(RELEASE, bundles=(replace(LIVE, window=window),))

    payload = narrowed.payload()

    assert json.loads(payload)["subject"][0]["annotations"] == notes
    assert release.parse(payload) == narrowed


def test_a_bundle_that_a_release_does_not_narrow_has_no_annotations() -> None:
    plain = replace(RELEASE, bundles=(replace(LIVE, window=None),))

    assert "annotations" not in json.loads(plain.payload())["subject"][0]
    assert release.parse(plain.payload()) == plain


def test_a_narrowed_window_that_is_empty_is_refused_at_its_place() -> None:
    empty = {"effective_from": "2026-06-01T00:00:00Z", "effective_to": "2026-06-01T00:00:00Z"}

    with pytest.raises(BadDocument) as refusal:
        release.parse(
            changed(RELEASE.payload(), lambda d: d["subject"][1].update(annotations=empty))
        )

    assert refusal.value.pointer == "/subject/1/annotations"


@pytest.mark.parametrize("serial", [43, 44])
def test_a_release_rolls_back_to_an_earlier_one_only(serial: int) -> None:
    later = replace(RELEASE, rollback_of=release.ReleaseRef(serial, ROOT)).payload()

    with pytest.raises(BadDocument) as refusal:
        release.parse(later)

    assert refusal.value.pointer == "/predicate/rollback_of/serial"
    assert refusal.value.reason == "not before this serial"


def test_a_draft_of_many_words_is_not_read() -> None:
    with pytest.raises(MalformedJson, match="more than the 1,000 words"):
        draft.parse(b"[" + b"0," * 600 + b"0]")
