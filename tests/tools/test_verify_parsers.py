"""Bytes that somebody bent: what one judge reads the other reads, and neither falls over."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.artifacts import bundle, heartbeat, release, rollback
from controller.audit.record import AuditRecord
from controller.kernel import strictjson
from controller.kernel.errors import ControllerError
from controller.trust import note
from controller.trust.checkpoint import Checkpoint
from controller.trust.commit import verify_commit
from controller.trust.envelope import parse
from controller.trust.keys import PublicKey, parse_public_line
from controller.trust.note import VerifierKey
from controller.trust.root import parse_root
from tests.support.trust import NOW
from tests.tools.test_vectors import alone_signer, load
from tools import countersign_verify as alone

Judge = Callable[[bytes], object]

COMMITS, NOTES = load("commits.json"), load("checkpoints.json")
STATEMENTS = load("statements.json")["good"]


def ours_of_note(data: bytes) -> object:
    known = VerifierKey(NOTES["origin"], parse_public_line(NOTES["key"]))
    # Whose it is, the product asks before the signature; the file that stands alone does as well.
    found = Checkpoint.parse(note.verify(data, [known]).text)
    return found if found.origin == NOTES["origin"] else refuse()


def refuse() -> object:
    raise alone.Wrong("another origin")


def theirs_of_note(data: bytes) -> object:
    key = alone.public_key(NOTES["key"], "")
    return alone.read_checkpoint(data, "", NOTES["origin"], [key], NOW)


def ours_of_commit(data: bytes) -> object:
    key = PublicKey.of(parse_public_line(COMMITS["key"]), "alice")
    return verify_commit(data, [key], NOW)


def root_payload() -> bytes:
    envelope = json.loads(load("roots.json")["cases"][0]["pin"])
    return base64.b64decode(envelope["payload"])


def whole_root() -> bytes:
    """A root that holds every member that may be left out."""
    document = json.loads(root_payload())
    key_id = document["roles"]["root"]["keys"][0]
    dates = {"not_before": "2026-01-01T00:00:00Z", "not_after": "2029-01-01T00:00:00Z"}
    document["keys"][key_id].update(dates)
    document["revoked"] = {key_id: {"at": "2026-11-19T00:00:00Z", "reason": "lost"}}
    document["floors"] = {"production": {"serial": 2}, "bundles": {"card-bin/binlist": 3}}
    document["reset"] = {"production": {"serial": 2, "sha256": "a" * 64}}
    document["grandfathered"] = ["b" * 64]
    role = {"keys": [key_id], "threshold": 1, "exclude_author": False}
    bundle = {**role, "paths": ["bundles/**"], "rails": ["card-bin"], "terminating": True}
    named = {"release": {"production": role}, "audit": {"controller": role}}
    back = {"production": {**role, "max_age": "P30D"}}
    more = dict.fromkeys(("heartbeat", "commit", "ci"), role)
    document["roles"].update(bundle=[bundle], rollback=back, **named, **more)
    return json.dumps(document).encode()


def statement(kind: str) -> bytes:
    found: str = next(one["payload"] for one in STATEMENTS if one["kind"] == kind)
    return found.encode()


FORMATS: dict[str, tuple[list[bytes], Judge, Judge]] = {
    "json": (
        [base64.b64decode(one["bytes"]) for one in load("json.json")["good"]],
        strictjson.parse,
        alone.read_json,
    ),
    "envelope": (
        [base64.b64decode(one["file"]) for one in load("envelopes.json")["good"]],
        parse,
        lambda data: alone.read_envelope(data, ""),
    ),
    "root": ([whole_root(), root_payload()], parse_root, lambda data: alone.read_root(data, "")),
    "bundle": ([statement("bundle")], bundle.parse, lambda data: alone.read_bundle(data, "")),
    "release": ([statement("release")], release.parse, lambda data: alone.read_release(data, "")),
    "rollback": (
        [statement("rollback")],
        rollback.parse,
        lambda data: alone.read_rollback(data, ""),
    ),
    "heartbeat": (
        [load("heartbeats.json")["good"][0]["payload"].encode()],
        heartbeat.parse,
        lambda data: alone.read_heartbeat(data, ""),
    ),
    "record": (
        [one["record"].encode() for one in load("audit.json")["good"]],
        AuditRecord.parse,
        alone.read_record,
    ),
    "note": ([one["note"].encode() for one in NOTES["good"]], ours_of_note, theirs_of_note),
    "commit": (
        [base64.b64decode(one["object"]) for one in COMMITS["good"]],
        ours_of_commit,
        lambda data: alone_signer(data, COMMITS["key"]),
    ),
}

WORDS = [
    *(
        b"",
        b"\0",
        b"\n",
        b" ",
        b'"',
        b",",
        b":",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\\",
        b"0",
        b"-1",
        b"1.0",
    ),
    *(b"null", b"true", b'"\\ud800"', b"\xff", "é".encode(), "\u202e".encode(), b"e9", b"=", b"=="),
    *(b'"more": 1,', b"2147483648", b"9007199254740993", b"2026-12-01T00:00:00Z", b"gpgsig x\n"),
]
BENDS = st.lists(
    st.tuples(
        st.integers(0, 1 << 20), st.integers(0, 9), st.sampled_from(WORDS) | st.binary(max_size=3)
    ),
    min_size=1,
    max_size=3,
)


def bent(data: bytes, bends: list[tuple[int, int, bytes]]) -> bytes:
    """Put words over some bytes, or between them."""
    for place, length, word in bends:
        at = place % (len(data) + 1)
        data = data[:at] + word + data[at + length :]
    return data


def said(judge: Judge, data: bytes) -> str:
    try:
        judge(data)
    except (ControllerError, alone.Refusal, alone.Wrong):
        return "refused"
    return "read"


@settings(max_examples=1_000, deadline=None)
@given(name=st.sampled_from(sorted(FORMATS)), number=st.integers(0, 9), bends=BENDS)
@example(name="json", number=0, bends=[(0, 0, b"")])
def test_both_judges_read_the_same_bytes(
    name: str, number: int, bends: list[tuple[int, int, bytes]]
) -> None:
    inputs, ours, theirs = FORMATS[name]
    data = bent(inputs[number % len(inputs)], bends)

    assert said(ours, data) == said(theirs, data)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from(["", "x", "a" * 64, "2026-12-01T00:00:00Z", "production", "P1D", "ed25519"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=3,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container of a document with each of its keys."""
    found: list[tuple[Any, Any]] = []
    keys = (
        list(value)
        if isinstance(value, dict)
        else range(len(value))
        if isinstance(value, list)
        else []
    )
    for key in keys:
        found.append((value, key))
        found += places(value[key])
    return found


@settings(max_examples=1_000, deadline=None)
@given(
    name=st.sampled_from(
        ["bundle", "envelope", "heartbeat", "record", "release", "rollback", "root"]
    ),
    place=st.integers(0, 1 << 20),
    value=VALUES,
    drop=st.booleans(),
)
def test_both_judges_read_the_same_documents(name: str, place: int, value: Any, drop: bool) -> None:
    inputs, ours, theirs = FORMATS[name]
    document = json.loads(inputs[0])
    holder, key = places(document)[place % len(places(document))]
    if drop:
        del holder[key]
    else:
        holder[key] = value
    data = alone.canonical(document) if name == "record" else json.dumps(document).encode()

    assert said(ours, data) == said(theirs, data)


DOCUMENTS = ["bundle", "envelope", "heartbeat", "record", "release", "rollback", "root"]


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("value", [None, "", 0, 1, True, [], {}, [None], "gone"], ids=json.dumps)
def test_both_judges_read_the_same_with_anything_in_any_place(name: str, value: Any) -> None:
    inputs, ours, theirs = FORMATS[name]
    whole = json.loads(inputs[0])
    assert said(ours, inputs[0]) == said(theirs, inputs[0]) == "read"
    verdicts = []
    for number in range(len(places(whole))):
        document = json.loads(inputs[0])
        holder, key = places(document)[number]
        if value == "gone":
            del holder[key]
        else:
            holder[key] = value
        data = alone.canonical(document) if name == "record" else json.dumps(document).encode()
        verdicts.append((key, said(ours, data), said(theirs, data)))

    assert [one for one in verdicts if one[1] != one[2]] == []


def test_what_a_stranger_wrote_cannot_steer_a_terminal() -> None:
    assert alone.plain("a\x1b[31mb\u202ec\n") == "a\\x1b[31mb\\u202ec\\n"
    assert alone.plain("Itaú […, …)") == "Itaú […, …)"
