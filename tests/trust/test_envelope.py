"""Envelopes: other people's vectors, and every way one can be malformed."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from controller.trust.envelope import (
    IN_TOTO,
    PAYLOAD_MAX_BYTES,
    SIGNATURE_MAX_BYTES,
    SIZE_MAX_BYTES,
    MalformedEnvelope,
    PayloadsDiffer,
    decode_base64,
    merge,
    pae,
    parse,
)
from tests.support.trust import ALICE, BOB, sealed, text64


def wire(**changes: Any) -> bytes:
    made = {"payload": "e30=", "payloadType": IN_TOTO, "signatures": [{"sig": "AAAA"}], **changes}
    return json.dumps({key: value for key, value in made.items() if value is not ...}).encode()


def vectors(shared_dir: Path) -> Any:
    return json.loads((shared_dir / "vectors/dsse/vectors.json").read_bytes())


def test_the_encoding_is_that_of_the_dsse_vectors(shared_dir: Path) -> None:
    for vector in vectors(shared_dir)["pae"]:
        encoded = pae(vector["type"], vector["payload_utf8"].encode())

        assert encoded == vector["pae_utf8"].encode()


def test_sizes_in_the_encoding_count_bytes() -> None:
    assert pae("application/vnd.é+json", b"") == b"DSSEv1 23 application/vnd.\xc3\xa9+json 0 "


def test_base64_is_read_as_the_dsse_vectors_say(shared_dir: Path) -> None:
    for vector in vectors(shared_dir)["b64_payload"]:
        if vector["ok"]:
            assert decode_base64(vector["b64"], "payload").hex() == vector["hex"]
        else:
            with pytest.raises(MalformedEnvelope):
                decode_base64(vector["b64"], "payload")


def test_the_example_envelope_of_the_dsse_specification_is_read(shared_dir: Path) -> None:
    example = vectors(shared_dir)["signature"]["envelope"]

    envelope = parse(json.dumps(example).encode())

    assert envelope.payload == b"hello world"
    assert len(envelope.signatures[0].sig) == 64
    assert envelope.signatures[0].keyid is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xef\xbb\xbf" + wire(),
        wire() + b"{}",
        wire(extra=1),
        wire(payload=...),
        wire(payload=1),
        wire(payload="e30"),
        wire(payload="e31="),
        wire(payload="e3 0="),
        wire(payload="+_+_"),
        wire(payloadType=""),
        wire(payloadType="application/é"),
        wire(payloadType="a b"),
        wire(payloadType=None),
        wire(signatures=[]),
        wire(signatures={}),
        wire(signatures=[{"sig": "AAAA"}] * 17),
        wire(signatures=[{"keyid": "x"}]),
        wire(signatures=[{"sig": "AAAA", "cert": "x"}]),
        wire(signatures=[{"sig": "AAAA", "keyid": None}]),
        wire(signatures=[{"sig": "AAAA", "keyid": "x" * 201}]),
        wire(signatures=[{"sig": text64(b"x" * 4097)}]),
        wire(signatures=["AAAA"]),
        b'{"payload":"e30=","payload":"e30=","payloadType":"a","signatures":[{"sig":"AAAA"}]}',
        b" " * SIZE_MAX_BYTES + wire(),
        wire(payload=text64(b"x" * (PAYLOAD_MAX_BYTES + 1))),
    ],
    ids=range(28),
)
def test_what_two_readers_could_understand_differently_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedEnvelope):
        parse(data)


@pytest.mark.parametrize(
    "data",
    [
        wire(),
        wire(payload=base64.urlsafe_b64encode(b"\xfb\xff\xfe").decode()),
        wire(payload=""),
        wire(signatures=[{"sig": "AAAA"}] * 16),
        wire(signatures=[{"sig": "AAAA", "keyid": ""}]),
        wire(payload=text64(b"x" * (PAYLOAD_MAX_BYTES - 1024))),
    ],
    ids=range(6),
)
def test_the_nearest_good_envelopes_are_read(data: bytes) -> None:
    assert parse(data).payload_type == IN_TOTO


def test_a_written_envelope_is_read_back() -> None:
    envelope = sealed(b'{"a": 1}\n', by=[ALICE, BOB])

    assert parse(envelope.to_bytes()) == envelope


def test_envelopes_of_one_payload_become_one() -> None:
    alone, both = sealed(b"{}", by=[ALICE]), sealed(b"{}", by=[ALICE, BOB])

    assert merge([alone, both]) == both


def test_envelopes_of_two_payloads_are_refused() -> None:
    with pytest.raises(PayloadsDiffer):
        merge([sealed(b"{}", by=[ALICE]), sealed(b"[]", by=[BOB])])


def test_no_envelope_at_all_is_refused_in_the_name_of_no_file() -> None:
    with pytest.raises(MalformedEnvelope) as refusal:
        merge([])

    assert (refusal.value.path, str(refusal.value)) == ("", "there is no envelope")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"payload": "e30"}, "payload is not padded base64"),
        ({"payload": "e31="}, "payload is not canonical base64"),
        ({"signatures": [{"sig": "!"}]}, "sig is not base64"),
    ],
)
def test_a_refusal_says_which_member_is_not_base64(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedEnvelope) as refusal:
        parse(wire(**change))

    assert refusal.value.reason == reason


def test_files_that_hold_too_many_signatures_together_are_refused() -> None:
    full = parse(wire(signatures=[{"sig": text64(bytes([n]))} for n in range(16)]))
    one_more = parse(wire(signatures=[{"sig": text64(b"more")}]))

    assert len(merge([full, full]).signatures) == 16
    with pytest.raises(MalformedEnvelope):
        merge([full, one_more])


def test_a_refusal_names_the_file_where_one_is_known() -> None:
    with pytest.raises(MalformedEnvelope) as told:
        parse(b"rubbish", "a/b.dsse.json")
    with pytest.raises(MalformedEnvelope) as untold:
        parse(b"rubbish")

    assert str(told.value) == f"a/b.dsse.json: {untold.value}"
    assert (told.value.path, untold.value.path) == ("a/b.dsse.json", "")


def test_the_longest_signature_hint_and_file_are_read() -> None:
    longest = {"sig": text64(b"x" * SIGNATURE_MAX_BYTES), "keyid": "k" * 200}

    envelope = parse(wire(signatures=[longest]).ljust(SIZE_MAX_BYTES))

    assert (len(envelope.signatures[0].sig), envelope.signatures[0].keyid) == (4096, "k" * 200)


@pytest.mark.parametrize(
    "change",
    [
        {"sig": text64(b"x" * (SIGNATURE_MAX_BYTES + 1))},
        {"sig": "AAAA", "keyid": "k" * 201},
    ],
)
def test_a_longer_signature_or_hint_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(MalformedEnvelope):
        parse(wire(signatures=[change]))


def test_a_file_that_is_one_byte_longer_is_refused() -> None:
    with pytest.raises(MalformedEnvelope):
        parse(wire().ljust(SIZE_MAX_BYTES + 1))


def test_a_hint_that_is_not_there_is_written_nowhere() -> None:
    assert parse(wire()).signatures[0].keyid is None
    assert b"keyid" not in parse(wire()).to_bytes()


def test_an_envelope_of_many_small_parts_is_not_read() -> None:
    with pytest.raises(MalformedEnvelope, match="more than the 1,000 words"):
        parse(wire(signatures=[[0] * 1000]))
