"""Frozen vectors: what they say is what the product does, and what the file that stands alone does.

The files are compared and never made anew here; `tests/vectors/README.md` says how others use them.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from controller.artifacts import ack, bundle, heartbeat, release, rollback
from controller.artifacts.merkle import NoMemory, files_root
from controller.artifacts.tables import row_key
from controller.audit.commit import content
from controller.audit.record import AuditRecord
from controller.kernel import strictjson
from controller.kernel.canonical import Digest, canonical, sha256
from controller.kernel.errors import ControllerError
from controller.kernel.instants import parse_instant
from controller.kernel.objects import Oid
from controller.policy.rail import rail_digest
from controller.trust import note, root, sshsig
from controller.trust.checkpoint import Checkpoint
from controller.trust.commit import parse_commit, verify_commit
from controller.trust.envelope import IN_TOTO, pae, parse
from controller.trust.keys import (
    KeyId,
    PublicKey,
    Scheme,
    parse_public_line,
    public_of_seed,
)
from controller.trust.note import VerifierKey
from controller.trust.transparency import leaf_hash, tree_root
from controller.trust.verify import accepted, verify
from tests.support.house import ROOT
from tests.support.trees import MemoryObjects
from tests.support.trust import NOW
from tests.support.write_vectors import FILES, render
from tests.tools.verdicts import family
from tools import countersign_verify as alone

VECTORS = ROOT / "tests" / "vectors"
REFUSED = (ControllerError, alone.Wrong, alone.Refusal)
"""Both judges' ways to say no; anything else would be a fault of theirs."""


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())


def cases(name: str, part: str) -> list[Any]:
    """A file's cases, each with a name that a report can show."""
    return [
        pytest.param(one, id=str(one.get("name") or one.get("reason") or number))
        for number, one in enumerate(load(name)[part])
    ]


def unb64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def refuses(judge: Callable[[], object]) -> bool:
    try:
        judge()
    except REFUSED:
        return True
    return False


def test_every_file_is_listed_and_no_file_is_made_anew() -> None:
    there = {path.name for path in VECTORS.glob("*.json")}
    about = (VECTORS / "README.md").read_text()

    assert there == {*FILES, "files-root.json", "trust.json"}
    assert sorted(name for name in there if f"`{name}`" not in about) == []


@pytest.mark.parametrize("name", FILES)
def test_what_we_write_today_is_what_was_frozen(name: str) -> None:
    heading, make = FILES[name]

    assert (VECTORS / name).read_text() == render(heading, make())


@pytest.mark.parametrize("one", cases("keys.json", "good"))
def test_a_key_has_this_wire_form_and_this_id(one: dict[str, str]) -> None:
    ours, theirs = parse_public_line(one["line"]), alone.public_key(one["line"], "")

    assert ours.blob.hex() == theirs.blob.hex() == one["wire"]
    assert ours.id == theirs.id == one["id"]
    assert public_of_seed(bytes.fromhex(one["seed"])).point == ours.point


@pytest.mark.parametrize("one", cases("keys.json", "bad"))
def test_a_bad_key_is_refused(one: dict[str, str]) -> None:
    assert refuses(lambda: parse_public_line(one["line"]))
    assert refuses(lambda: alone.public_key(one["line"], ""))


def ssh_judges(one: dict[str, str]) -> tuple[bool, bool]:
    frozen = load("sshsig.json")
    message, namespace = unb64(frozen["message"]), frozen["namespace"]
    key, other = parse_public_line(one["key"]), alone.public_key(one["key"], "")
    return (
        refuses(lambda: sshsig.verify(one["armored"], message, namespace, key)),
        refuses(
            lambda: alone.check_sshsig(other, alone.dearmor(one["armored"]), message, namespace)
        ),
    )


@pytest.mark.parametrize("one", cases("sshsig.json", "good"))
def test_an_ssh_signature_verifies(one: dict[str, str]) -> None:
    assert ssh_judges(one) == (False, False)


@pytest.mark.parametrize("one", cases("sshsig.json", "bad"))
def test_a_bad_ssh_signature_does_not(one: dict[str, str]) -> None:
    assert ssh_judges(one) == (True, True)


def test_signers_sign_exactly_these_bytes() -> None:
    frozen = load("envelopes.json")
    payload = unb64(frozen["payload"])

    assert pae(frozen["payloadType"], payload) == unb64(frozen["pae"])
    assert alone.Envelope(frozen["payloadType"], payload, ()).message == unb64(frozen["pae"])
    assert sha256(payload) == frozen["payload_sha256"]


@pytest.mark.parametrize("one", cases("envelopes.json", "good"))
def test_an_envelope_was_signed_by_these(one: dict[str, Any]) -> None:
    entries = load("envelopes.json")["keys"]
    ours = [
        PublicKey.of(parse_public_line(each["public"]), each["owner"], Scheme(each["scheme"]))
        for each in entries
    ]
    theirs = [
        replace(alone.public_key(each["public"], ""), scheme=each["scheme"]) for each in entries
    ]
    data = unb64(one["file"])

    assert sorted(accepted(parse(data), ours)) == one["signers"]
    assert sorted(alone.read_envelope(data, "").good(theirs)) == one["signers"]


@pytest.mark.parametrize("one", cases("envelopes.json", "bad"))
def test_a_bad_envelope_is_refused(one: dict[str, str]) -> None:
    assert refuses(lambda: parse(unb64(one["file"])))
    assert refuses(lambda: alone.read_envelope(unb64(one["file"]), ""))


@pytest.mark.parametrize("one", cases("json.json", "good"))
def test_json_has_one_canonical_form(one: dict[str, str]) -> None:
    data = unb64(one["bytes"])

    assert canonical(strictjson.parse(data)) == unb64(one["canonical"])
    assert alone.canonical(alone.read_json(data)) == unb64(one["canonical"])


@pytest.mark.parametrize("one", cases("json.json", "bad"))
def test_json_that_two_could_read_differently_is_refused(one: dict[str, str]) -> None:
    assert refuses(lambda: strictjson.parse(unb64(one["bytes"])))
    assert refuses(lambda: alone.read_json(unb64(one["bytes"])))


@pytest.mark.parametrize("one", cases("roots.json", "cases"))
def test_a_chain_of_roots_leads_here(one: dict[str, Any]) -> None:
    pinned, at = load("roots.json")["pin_sha256"], parse_instant(one["at"])
    pin, later = one["pin"].encode(), [text.encode() for text in one["later"]]

    def ours() -> str:
        return root.extend(root.pin(pin, Digest(pinned)), later, at).root.digest

    def theirs() -> str:
        last = alone.pinned_root(pin, pinned, "")
        for envelope in later:
            last = alone.next_root(last, envelope, "")
        last.check_in_force(at, "")
        return last.digest

    expected = {"threshold": "trust.threshold_not_met"}.get(one["result"], one["result"])
    assert verdict(ours) == verdict(theirs) == expected


def verdict(judge: Callable[[], object]) -> object:
    try:
        return judge()
    except (ControllerError, alone.Refusal) as error:
        return family(error.code)


@pytest.mark.parametrize("one", cases("who-counts.json", "cases"))
def test_these_keys_count_for_a_payload(one: dict[str, Any]) -> None:
    at, envelope = parse_instant(one["at"]), one["envelope"].encode()
    found = alone.read_envelope(envelope, "")

    def ours() -> list[str]:
        role = root.parse_root(one["root"].encode()).release_role("production")
        return sorted(verify([parse(envelope)], role, payload_type=IN_TOTO, now=at).signers)

    def theirs() -> list[str]:
        judging = alone.read_root(one["root"].encode(), "")
        role = judging.release["production"]
        role, dates = judging.role_for(role, found.payload, (at, at))
        return sorted(key.id for key in role.require(found.good(role.keys), dates, ""))

    expected = one["counting"] or "trust.threshold_not_met"
    assert verdict(ours) == verdict(theirs) == expected
    assert sha256(found.payload) == load("who-counts.json")["payload_sha256"]


OURS: dict[str, Callable[[bytes], object]] = {
    "bundle": bundle.parse,
    "release": release.parse,
    "rollback": rollback.parse,
    "ack": ack.parse,
}
THEIRS: dict[str, Callable[[bytes], object]] = {
    "bundle": lambda payload: alone.read_bundle(payload, ""),
    "release": lambda payload: alone.read_release(payload, ""),
    "rollback": lambda payload: alone.read_rollback(payload, ""),
}
"""An auditor judges no plans, and so reads no acknowledgements."""


@pytest.mark.parametrize("one", cases("statements.json", "good"))
def test_a_statement_is_read(one: dict[str, str]) -> None:
    payload = one["payload"].encode()

    OURS[one["kind"]](payload)
    THEIRS.get(one["kind"], len)(payload)
    assert sha256(payload) == one["sha256"]


@pytest.mark.parametrize("one", cases("heartbeats.json", "good"))
def test_a_heartbeat_is_read(one: dict[str, str]) -> None:
    payload = one["payload"].encode()

    ours, theirs = heartbeat.parse(payload), alone.read_heartbeat(payload, "")
    assert (ours.commit.hex(), ours.expires) == (theirs["commit"], theirs["expires"])
    assert sha256(payload) == one["sha256"]


@pytest.mark.parametrize("one", cases("heartbeats.json", "bad"))
def test_a_bad_heartbeat_is_refused(one: dict[str, str]) -> None:
    payload = one["payload"].encode()

    assert refuses(lambda: heartbeat.parse(payload))
    assert refuses(lambda: alone.read_heartbeat(payload, ""))


@pytest.mark.parametrize("one", cases("statements.json", "bad"))
def test_a_bad_statement_is_refused(one: dict[str, str]) -> None:
    payload = one["payload"].encode()

    assert refuses(lambda: OURS[one["kind"]](payload))
    if one["kind"] in THEIRS:
        assert refuses(lambda: THEIRS[one["kind"]](payload))


class Memory:
    """Git objects in a dictionary, as the file that stands alone asks for them."""

    def __init__(self, objects: MemoryObjects) -> None:
        self.objects = objects

    def read(self, oid: str, kind: str, most: int, _where: str) -> bytes:
        found, data = self.objects.held[Oid(bytes.fromhex(oid))]
        assert (found, len(data) <= most) == (kind, True)
        return data

    def level(self, oid: str, where: str) -> tuple[alone.Entry, ...]:
        raw = alone.raw_entries(self.read(oid, "tree", alone.TREE_MOST, where), where)
        return tuple(alone.Entry(name.decode(), mode == b"40000", at) for mode, name, at in raw)


def folder(files: dict[str, bytes]) -> tuple[MemoryObjects, Oid]:
    objects, nested = MemoryObjects(), dict[str, Any]()
    for path, data in files.items():
        *above, last = path.split("/")
        level = nested
        for part in above:
            level = level.setdefault(part, {})
        level[last] = data
    return objects, objects.tree(nested)


@pytest.mark.parametrize("one", cases("counts.json", "good"))
def test_a_folder_has_this_root_and_these_counts(one: dict[str, Any]) -> None:
    objects, tree = folder({path: unb64(data) for path, data in one["files"].items()})

    ours = files_root(objects, tree, "files", NoMemory())
    theirs = alone.FilesRoots(Memory(objects)).of(tree.hex(), "files")  # type: ignore[arg-type]

    assert ours.root == theirs.node.hex() == one["root"]
    tables = {key: (two["files"], two["rows"], two["bytes"]) for key, two in one["tables"].items()}
    documents = {key: (two["files"], two["bytes"]) for key, two in one["documents"].items()}
    assert {k: (v.files, v.rows, v.bytes) for k, v in ours.tables.items()} == tables
    assert {k: (v.files, v.bytes) for k, v in ours.documents.items()} == documents
    assert (theirs.tables, theirs.documents) == (tables, documents)


@pytest.mark.parametrize("one", cases("files-root.json", "vectors"))
def test_the_first_vectors_of_the_files_root_hold_for_both(one: dict[str, Any]) -> None:
    objects, tree = folder({path: text.encode() for path, text in one["files"].items()})

    theirs = alone.FilesRoots(Memory(objects)).of(tree.hex(), "files")  # type: ignore[arg-type]

    assert theirs.node.hex() == one["root"]
    assert files_root(objects, tree, "files", NoMemory()).root == one["root"]


@pytest.mark.parametrize("one", cases("plans.json", "good"))
def test_a_plan_has_this_digest(one: dict[str, Any]) -> None:
    """What we make of the same rows, `test_what_we_write_today_is_what_was_frozen` compares."""
    hashed = b"".join(hashlib.sha256(words_of(file).encode()).digest() for file in one["files"])
    facts = {name: one[name] for name in ("environment", "base", "target")}
    changes = hashlib.sha256(hashed).hexdigest()

    by_the_page = alone.sha256(alone.canonical({**facts, "changes": changes, "version": 2}))

    assert by_the_page == one["digest"]


def words_of(file: dict[str, Any]) -> str:
    """A file's change as docs/formats.md writes it down."""
    words = [f"{file['bundle']}\x1f{file['path']}"]
    if "file" in file:
        words.append("=" + hashlib.sha256(unb64(file["file"])).hexdigest())
    for sign, side in (("-", "goes"), ("+", "comes")):
        words += [
            f"{sign}{each['start']}\x1f{each['end']}" for each in sides(file, "windows", side)
        ]
        words += [
            sign + "\x1f".join([each["table"], each["start"], each["end"], *each["cells"]])
            for each in sides(file, "rows", side)
        ]
    return "\x1e".join(words)


def sides(file: dict[str, Any], kind: str, side: str) -> list[Any]:
    found: list[Any] = file.get(kind, {}).get(side, [])
    return found


@pytest.mark.parametrize("one", cases("row-keys.json", "good"))
def test_a_row_has_this_key(one: dict[str, Any]) -> None:
    text = "\x1f".join([one["table"], *one["parts"]])
    first = hashlib.sha256(text.encode()).digest()[:8]

    assert row_key(one["table"], one["parts"]) == one["key"]
    assert int.from_bytes(first, "big", signed=True) == one["key"]


@pytest.mark.parametrize("one", cases("policies.json", "good"))
def test_policies_have_this_digest(one: dict[str, Any]) -> None:
    for rail, files in one["rails"].items():
        data = {path: unb64(text) for path, text in files.items()}

        assert rail_digest(data, checks=one["checks"]) == one["rail_digests"][rail]
        assert by_checks(one["checks"], data) == one["rail_digests"][rail]
    assert alone.sha256(alone.canonical(one["rail_digests"])) == one["digest"]


def by_checks(version: int, files: dict[str, bytes]) -> str:
    """A rail's digest as docs/formats.md writes it down."""
    plain = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    return alone.sha256(alone.canonical({"checks": version, "files": plain}))


@pytest.mark.parametrize("number", range(4))
def test_an_audit_record_becomes_exactly_this_commit(number: int) -> None:
    frozen = load("audit.json")
    one, parent = frozen["good"][number], frozen["good"][number - 1]["id"] if number else None
    data, raw = one["record"].encode(), unb64(one["object"])
    record, key = AuditRecord.parse(data), parse_public_line(frozen["key"])
    theirs = alone.read_record(data)

    ours = content(record, Oid(bytes.fromhex(parent)) if parent else None)

    assert ours == alone.commit_of(data, theirs, parent) == unb64(one["signed"])
    assert record.sha256 == alone.sha256(data) == one["sha256"]
    assert verify_commit(raw, [PublicKey.of(key, "controller")], NOW) == key.id
    assert alone_signer(raw, frozen["key"]) == key.id
    assert hashlib.sha1(b"commit %d\0" % len(raw) + raw).hexdigest() == one["id"]


def alone_signer(raw: bytes, line: str) -> str:
    key = alone.public_key(line, "")
    return alone.commit_signer(alone.read_commit(raw, ""), [key], (NOW, NOW), "").id


@pytest.mark.parametrize("one", cases("audit.json", "bad"))
def test_a_bad_record_is_refused(one: dict[str, str]) -> None:
    assert refuses(lambda: AuditRecord.parse(one["record"].encode()))
    assert refuses(lambda: alone.read_record(one["record"].encode()))


@pytest.mark.parametrize("one", cases("commits.json", "good"))
def test_a_signed_commit_covers_these_bytes(one: dict[str, str]) -> None:
    raw, line = unb64(one["object"]), load("commits.json")["key"]
    key = PublicKey.of(parse_public_line(line), "alice")

    assert parse_commit(raw).signed == alone.read_commit(raw, "").covered == unb64(one["signed"])
    assert verify_commit(raw, [key], NOW) == KeyId(alone_signer(raw, line))


@pytest.mark.parametrize("one", cases("commits.json", "bad"))
def test_a_badly_signed_commit_is_refused(one: dict[str, str]) -> None:
    raw, line = unb64(one["object"]), load("commits.json")["key"]
    key = PublicKey.of(parse_public_line(line), "alice")

    assert refuses(lambda: verify_commit(raw, [key], NOW))
    assert refuses(lambda: alone_signer(raw, line))


def test_a_list_of_records_has_these_roots() -> None:
    frozen = load("checkpoints.json")
    records = [unb64(one) for one in frozen["records"]]

    for one in frozen["roots"]:
        some = records[: one["size"]]
        assert tree_root([leaf_hash(each) for each in some]) == unb64(one["root"])
        assert alone.tree_root(some) == unb64(one["root"])


def read_by_both(text: str) -> tuple[Any, Any]:
    frozen = load("checkpoints.json")
    known = VerifierKey(frozen["origin"], parse_public_line(frozen["key"]))
    assert known.vkey == frozen["verifier_key"]
    key = alone.public_key(frozen["key"], "")

    def ours() -> tuple[int, bytes]:
        found = Checkpoint.parse(note.verify(text.encode(), [known]).text)
        return found.size, found.root

    def theirs() -> tuple[int, bytes]:
        found = alone.read_checkpoint(text.encode(), "", frozen["origin"], [key], NOW)
        return found.size, found.root

    return ours, theirs


@pytest.mark.parametrize("one", cases("checkpoints.json", "good"))
def test_a_checkpoint_says_this(one: dict[str, Any]) -> None:
    ours, theirs = read_by_both(one["note"])

    assert ours() == theirs() == (one["size"], unb64(one["root"]))


@pytest.mark.parametrize("one", cases("checkpoints.json", "bad"))
def test_a_bad_checkpoint_is_refused(one: dict[str, str]) -> None:
    ours, theirs = read_by_both(one["note"])

    assert refuses(ours)
    assert refuses(theirs)
