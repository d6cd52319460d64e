"""Write the frozen vectors that are not there yet: `python -m tests.support.write_vectors`.

A file that stands in `tests/vectors` is never written again: what was signed once must verify for
ever. A new format gets a new file. The keys are made of published seeds and sign nothing else.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from controller.artifacts.ack import AckStatement
from controller.artifacts.bundle import BundleStatement, PreviousVersion
from controller.artifacts.layout import BundleId
from controller.artifacts.merkle import Counts, NoMemory, files_root
from controller.artifacts.release import LiveBundle, ReleaseRef, ReleaseStatement
from controller.artifacts.rollback import RollbackStatement
from controller.artifacts.tables import row_key
from controller.audit.commit import content
from controller.audit.record import AckUsed, RollbackUsed
from controller.kernel.canonical import Json, canonical, readable, sha256
from controller.kernel.instants import Window, format_instant
from controller.kernel.objects import Oid
from controller.plan.changes import FileChange
from controller.plan.plan import make_plan
from controller.plan.rows import SourceFile, StoredRow, key_of
from controller.plan.shard import ShardChange
from controller.plan.whole import WholeFile, read_facts
from controller.stores.control.model import RevisionKind
from controller.trust import note, sshsig
from controller.trust.checkpoint import Checkpoint
from controller.trust.commit import with_signature
from controller.trust.envelope import IN_TOTO, ROOT
from controller.trust.keys import Kind, PublicLine, Scheme, sign_with_seed
from controller.trust.note import VerifierKey
from controller.trust.sign import sign_commit
from controller.trust.sshwire import string, uint32
from controller.trust.transparency import leaf_hash, tree_root
from tests.support.audit import digest_of, record, rolled_back
from tests.support.trees import MemoryObjects
from tests.support.trust import NOW, REPOSITORY, Person, document, granted, sealed

VECTORS = Path(__file__).parents[1] / "vectors"
ALICE, BOB, CAROL, AUDITOR = (
    Person.named(name, scheme=scheme)
    for name, scheme in (
        ("alice", Scheme.ED25519),
        ("bob", Scheme.SSHSIG),
        ("carol", Scheme.ED25519),
        ("auditor", Scheme.ED25519),
    )
)
PEOPLE = {"alice": ALICE, "bob": BOB, "carol": CAROL, "auditor": AUDITOR}
APPLICATION = b"ssh:countersign"
AT = format_instant(NOW)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def seed(name: str) -> bytes:
    """The seed of a person's key, as `Person.named` makes it."""
    return hashlib.sha256(b"countersign test key " + name.encode()).digest()


def security_key() -> PublicLine:
    return PublicLine(Kind.SK_ED25519, CAROL.signer.public.point, APPLICATION)


def touched(message: bytes, namespace: str, *, flags: int = 1) -> bytes:
    """An SSHSIG as a security key with carol's seed makes it."""
    application, counter = hashlib.sha256(APPLICATION).digest(), uint32(7)
    covered = hashlib.sha256(sshsig.to_be_signed(message, namespace)).digest()
    signature = sign_with_seed(seed("carol"), application + bytes([flags]) + counter + covered)
    inner = string(Kind.SK_ED25519.encode()) + string(signature) + bytes([flags]) + counter
    return sshsig.assemble(security_key().blob, inner, namespace=namespace)


def keys() -> dict[str, Any]:
    line = ALICE.signer.public.line
    kind, encoded = line.split(" ")

    def of_point(point: bytes, name: str = "ssh-ed25519") -> str:
        return f"{name} {b64(string(name.encode()) + string(point))}"

    order_2 = (2**255 - 20).to_bytes(32, "little")
    return {
        "good": [
            {
                "name": name,
                "seed": seed(name).hex(),
                "line": one.signer.public.line,
                "wire": one.signer.public.blob.hex(),
                "id": one.signer.public.id,
            }
            for name, one in PEOPLE.items()
        ]
        + [
            {
                "name": "carol's seed as a security key",
                "seed": seed("carol").hex(),
                "line": security_key().line,
                "wire": security_key().blob.hex(),
                "id": security_key().id,
            }
        ],
        "bad": [
            {"line": of_point(bytes([1] + [0] * 31)), "reason": "the neutral point: order 1"},
            {"line": of_point(order_2), "reason": "a point of order 2"},
            {"line": of_point(bytes(32)), "reason": "a point of order 4"},
            {"line": of_point(b"\xff" * 32), "reason": "not a canonical encoding"},
            {"line": of_point(bytes([2] + [0] * 31)), "reason": "not on the curve"},
            {"line": of_point(b"\1" * 31), "reason": "31 bytes"},
            {"line": of_point(b"\1" * 33, "ssh-rsa"), "reason": "another type of key"},
            {"line": f"sk-{kind}@openssh.com {encoded}", "reason": "line and key disagree"},
            {"line": f"{kind}  {encoded}", "reason": "two spaces"},
            {"line": f"no-pty {line}", "reason": "options before the type"},
            {"line": f"{line}\nmore", "reason": "two lines"},
            {"line": f"{kind} {encoded[:-1]}", "reason": "base64 that is cut"},
        ],
    }


def ssh_signatures() -> dict[str, Any]:
    message = "signed bytes, é\n".encode()
    good = sshsig.sign(message, ALICE.signer, "git")
    blob = sshsig.dearmor(good)
    inner = sign_with_seed(seed("alice"), sshsig.to_be_signed(message, "git", "sha256"))
    blob_256 = sshsig.assemble(
        ALICE.signer.public.blob,
        string(b"ssh-ed25519") + string(inner),
        namespace="git",
        hash_name="sha256",
    )

    def case(name: str, armored: str, key: PublicLine = ALICE.signer.public) -> dict[str, Any]:
        return {"name": name, "armored": armored, "key": key.line}

    return {
        "message": b64(message),
        "namespace": "git",
        "good": [
            case("SHA-512, as OpenSSH writes it", good),
            case("SHA-256", sshsig.armor(blob_256)),
            case(
                "a security key that was touched",
                sshsig.armor(touched(message, "git")),
                security_key(),
            ),
        ],
        "bad": [
            case("another key is asked", good, BOB.signer.public),
            case("another namespace", sshsig.sign(message, ALICE.signer, "file")),
            case("another message", sshsig.sign(message + b"!", ALICE.signer, "git")),
            case(
                "nobody touched the key",
                sshsig.armor(touched(message, "git", flags=0)),
                security_key(),
            ),
            case("version 2", sshsig.armor(blob.replace(b"\0\0\0\1", b"\0\0\0\2", 1))),
            case("a reserved field", sshsig.armor(blob.replace(b"git\0\0\0\0", b"git\0\0\0\1x"))),
            case("another hash", sshsig.armor(blob.replace(b"sha512", b"sha384"))),
            case("a byte behind the end", sshsig.armor(blob + b"\0")),
            case("cut", sshsig.armor(blob[:-1])),
            case("another magic", sshsig.armor(b"SSHSIX" + blob[6:])),
            case("text before the armor", "x\n" + good),
            case("lines that end with CR LF", good.replace("\n", "\r\n")),
        ],
    }


def envelopes() -> dict[str, Any]:
    payload = readable({"a": "é"})
    both = sealed(payload, by=[ALICE, BOB])
    wire = json.loads(both.to_bytes())
    one = wire["signatures"][0]
    flipped = bytes([both.signatures[0].sig[0] ^ 1]) + both.signatures[0].sig[1:]

    def file(**members: Any) -> str:
        return b64(readable({**wire, **members}))

    def case(name: str, envelope: str, *signers: str) -> dict[str, Any]:
        return {"name": name, "file": envelope, "signers": sorted(signers)}

    url_safe = {
        **wire,
        "signatures": [{**one, "sig": one["sig"].replace("+", "-").replace("/", "_")}],
    }
    return {
        "keys": [
            {**PEOPLE[name].entry, "id": PEOPLE[name].id} for name in ("alice", "bob", "carol")
        ],
        "payload": b64(payload),
        "payload_sha256": sha256(payload),
        "payloadType": IN_TOTO,
        "pae": b64(both.message()),
        "good": [
            case("alice plainly and bob by SSHSIG", b64(both.to_bytes()), ALICE.id, BOB.id),
            case("alice, in URL-safe base64", b64(readable(url_safe)), ALICE.id),
            case("no hint", file(signatures=[{"sig": one["sig"]}]), ALICE.id),
            case("a hint that is wrong", file(signatures=[{**one, "keyid": CAROL.id}]), ALICE.id),
            case("a flipped bit", file(signatures=[{**one, "sig": b64(flipped)}])),
            case(
                "bob in the scheme that is not his",
                b64(sealed(payload, by=[replace(BOB, scheme=Scheme.ED25519)]).to_bytes()),
            ),
            case("another type", file(payloadType=ROOT)),
            case("another payload", file(payload=b64(payload + b" "))),
        ],
        "bad": [
            {"name": name, "file": made}
            for name, made in {
                "not JSON": b64(b"{"),
                "an unknown member": file(more=1),
                "no type": b64(readable({k: v for k, v in wire.items() if k != "payloadType"})),
                "a type with a space": file(payloadType="a b"),
                "no signatures": file(signatures=[]),
                "17 signatures": file(signatures=[one] * 17),
                "a signature of 4,097 bytes": file(signatures=[{"sig": b64(bytes(4097))}]),
                "a signature that is no text": file(signatures=[{"sig": 1}]),
                "a hint of 201 characters": file(signatures=[{**one, "keyid": "x" * 201}]),
                "a hint that is null": file(signatures=[{**one, "keyid": None}]),
                "base64 without padding": file(payload=b64(payload).rstrip("=") + "A"),
                "base64 with spare bits": file(payload="YR=="),
                "base64 of both kinds": file(payload="+_++"),
                "base64 with a line end": file(payload="YQ==\n"),
                "a key twice": b64(both.to_bytes().replace(b"{", b'{"payloadType": "x",', 1)),
                "a byte order mark": b64(b"\xef\xbb\xbf" + both.to_bytes()),
            }.items()
        ],
    }


def json_texts() -> dict[str, Any]:
    good: list[Json] = [
        {"b": [1, True, None], "a": 'é"\n\u007f\u2028'},
        [2**53 - 1, 1 - 2**53, 0, "", {}, []],
        {"\t": "\b\f\r\\/", "~": "\u0001\u001f"},
        "𝄞",
    ]
    bad = {
        "a fraction": b"1.0",
        "an exponent": b"1e2",
        "an integer beyond 2^53 - 1": b"9007199254740992",
        "a key twice": b'{"a": 1, "a": 1}',
        "a key twice, once escaped": b'{"a": 1, "\\u0061": 1}',
        "a lone surrogate": b'"\\ud800"',
        "not UTF-8": b'"\xff"',
        "a byte order mark": b"\xef\xbb\xbf1",
        "NaN": b"NaN",
        "Infinity": b"-Infinity",
        "a control character": b'"\n"',
        "33 levels": b"[" * 33 + b"]" * 33,
        "two documents": b"1 2",
        "nothing": b"",
        "a comma too many": b"[1,]",
        "a single quote": b"'a'",
        "a comment": b"/* */ 1",
        "a leading zero": b"01",
        "a plus": b"+1",
    }
    return {
        "good": [{"bytes": b64(readable(one)), "canonical": b64(canonical(one))} for one in good]
        + [{"bytes": b64(b"[" * 32 + b"]" * 32), "canonical": b64(b"[" * 32 + b"]" * 32)}],
        "bad": [{"reason": reason, "bytes": b64(data)} for reason, data in bad.items()],
    }


def _root(made: Mapping[str, Any], *by: Person) -> str:
    return sealed(readable(made), by=by, payload_type=ROOT).to_bytes().decode()


def roots() -> dict[str, Any]:
    first = document(ALICE, BOB, roles={"root": granted(ALICE, BOB, threshold=2)})
    second = {**document(ALICE, CAROL, version=2), "expires": "2028-11-01T00:00:00Z"}
    pinned = _root(first, ALICE, BOB)
    next_one = _root(second, ALICE, BOB, CAROL)
    neutral = PublicLine(Kind.ED25519, bytes([1] + [0] * 31))
    odd_key = {"owner": "x", "public": neutral.line, "scheme": "ed25519"}

    def case(
        name: str, result: str, *later: str, at: str = AT, pin: str = pinned
    ) -> dict[str, Any]:
        return {"name": name, "at": at, "pin": pin, "later": list(later), "result": result}

    def changed(**members: Any) -> str:
        return _root({**second, **members}, ALICE, BOB, CAROL)

    digest = sha256(readable(second))
    revoked = {BOB.id: {"at": AT, "reason": "lost"}}
    return {
        "pin_sha256": sha256(readable(first)),
        "cases": [
            case("the pinned root alone", sha256(readable(first))),
            case("a root and its successor", digest, next_one),
            case(
                "an old pin leads to a root in force", digest, next_one, at="2027-11-01T00:00:00Z"
            ),
            case("the last root has expired", "trust.expired", at="2027-11-01T00:00:00Z"),
            case(
                "a successor that the old owners did not sign",
                "threshold",
                _root(second, ALICE, CAROL),
            ),
            case(
                "a successor that its own owners did not sign",
                "threshold",
                _root(second, ALICE, BOB),
            ),
            case("a pinned root that one owner signed", "threshold", pin=_root(first, ALICE)),
            case("a version is skipped", "trust.root_version_not_next", changed(version=3)),
            case(
                "another repository",
                "trust.repository_differs",
                changed(repository=REPOSITORY.replace("0", "1")),
            ),
            case("an unknown member", "trust.malformed_root", changed(more=1)),
            case(
                "a key of small order",
                "trust.malformed_root",
                changed(keys={**second["keys"], neutral.id: odd_key}),
            ),
            case(
                "a wrong key id",
                "trust.malformed_root",
                changed(keys={"SHA256:x": ALICE.entry, **second["keys"]}),
            ),
            case(
                "a threshold of none",
                "trust.malformed_root",
                changed(roles={"root": granted(ALICE, threshold=0)}),
            ),
            case(
                "a threshold above the owners",
                "trust.malformed_root",
                changed(roles={"root": granted(ALICE, threshold=2)}),
            ),
            case(
                "a role for the environment `bundles`",
                "trust.malformed_root",
                changed(roles={**second["roles"], "release": {"bundles": granted(ALICE)}}),
            ),
            case("revoked, and not a key", "trust.malformed_root", changed(revoked=revoked)),
            case(
                "not a root",
                "trust.wrong_payload_type",
                sealed(b"{}", by=[ALICE, BOB]).to_bytes().decode(),
            ),
            case(
                "a last root whose signer is revoked",
                "threshold",
                changed(revoked={CAROL.id: {"at": AT, "reason": "lost"}}),
            ),
            case(
                "a last root whose signer will be revoked",
                sha256(
                    readable(
                        {
                            **second,
                            "revoked": {CAROL.id: {"at": "2026-11-20T12:00:01Z", "reason": ""}},
                        }
                    )
                ),
                changed(revoked={CAROL.id: {"at": "2026-11-20T12:00:01Z", "reason": ""}}),
            ),
        ],
    }


def who_counts() -> dict[str, Any]:
    """Return one payload under several roots; bob was revoked, and has left the role or not."""
    payload = RELEASE.payload()
    revoked = {BOB.id: {"at": AT, "reason": "lost"}}
    three = {one.id: one.entry for one in (ALICE, BOB, CAROL)}

    def case(
        name: str,
        *counting: Person,
        role: tuple[Person, ...] = (ALICE, CAROL),
        by: tuple[Person, ...] = (ALICE, BOB),
        at: str = AT,
        **members: Any,
    ) -> dict[str, Any]:
        release = {"production": granted(*role, threshold=2)}
        made = document(ALICE, CAROL, roles={"release": release}, **{"keys": three, **members})
        return {
            "name": name,
            "at": at,
            "root": readable(made).decode(),
            "envelope": sealed(payload, by=by).to_bytes().decode(),
            "counting": sorted(one.id for one in counting) or None,
        }

    listed, everybody = [sha256(payload)], (ALICE, BOB, CAROL)
    late = {**three, ALICE.id: {**ALICE.entry, "not_before": "2026-11-20T12:00:01Z"}}
    return {
        "role": "release/production",
        "payload_sha256": listed[0],
        "cases": [
            case("enough signed", ALICE, CAROL, by=(ALICE, CAROL)),
            case("a revoked key that is still in the role", role=everybody, revoked=revoked),
            case(
                "one second before it was revoked",
                *(ALICE, BOB),
                role=everybody,
                at="2026-11-20T11:59:59Z",
                revoked=revoked,
            ),
            case("a revoked key that has left the role", revoked=revoked),
            case(
                "grandfathered, and the key has left the role",
                *(ALICE, BOB),
                revoked=revoked,
                grandfathered=listed,
            ),
            case(
                "grandfathered, and the key is still in the role",
                *(ALICE, BOB),
                role=everybody,
                revoked=revoked,
                grandfathered=listed,
            ),
            case("grandfathered, and the key was never revoked", grandfathered=listed),
            case(
                "grandfathered, and another key is revoked",
                revoked={CAROL.id: {"at": AT, "reason": "lost"}},
                grandfathered=listed,
            ),
            case(
                "grandfathered, and one owner signed",
                by=(BOB,),
                revoked=revoked,
                grandfathered=listed,
            ),
            case(
                "another payload is grandfathered",
                revoked=revoked,
                grandfathered=[digest_of("another")],
            ),
            case("a key before its time", by=(ALICE, CAROL), keys=late),
            case(
                "grandfathered, and a key before its time",
                *(ALICE, CAROL),
                by=(ALICE, CAROL),
                keys=late,
                grandfathered=listed,
            ),
        ],
    }


BUNDLE = BundleStatement(
    repository=REPOSITORY,
    bundle=BundleId("card-bin", "binlist"),
    version=2,
    previous=PreviousVersion(1, digest_of("version 1")),
    window=Window.parse("2026-12-01T00:00:00Z", None),
    environments=("production", "staging"),
    files_root=digest_of("files"),
    git_tree=Oid(b"\2" * 20),
    tables={"ranges": Counts(3, 1000, 48213)},
    documents={"rules": Counts(1, 0, 120)},
)
RELEASE = ReleaseStatement(
    repository=REPOSITORY,
    environment="production",
    serial=2,
    previous=ReleaseRef(1, digest_of("release 1")),
    rollback_of=None,
    created=NOW,
    expires=None,
    policies={"card-bin": digest_of("policies")},
    bundles=(
        LiveBundle(
            BUNDLE.bundle, 1, digest_of("version 1"), Window.parse(None, "2026-12-01T00:00:00Z")
        ),
        LiveBundle(BUNDLE.bundle, 2, sha256(BUNDLE.payload())),
    ),
)
ROLLBACK = RollbackStatement(
    REPOSITORY, "production", 1, digest_of("release 1"), "wrong ranges", NOW, NOW.replace(day=27)
)
ACK = AckStatement(REPOSITORY, "production", digest_of("plan"), "we mean it", NOW)


def statements() -> dict[str, Any]:
    good = {
        "bundle": BUNDLE.payload(),
        "release": RELEASE.payload(),
        "rollback": ROLLBACK.payload(),
        "ack": ACK.payload(),
    }

    def bent(kind: str, change: Callable[[Any], object]) -> str:
        made = json.loads(good[kind])
        change(made)
        return readable(made).decode()

    changes: dict[str, tuple[str, Callable[[Any], object]]] = {
        "another statement type": ("bundle", lambda one: one.update(_type="x")),
        "another predicate type": (
            "bundle",
            lambda one: one.update(predicateType="urn:countersign:bundle:v2"),
        ),
        "an unknown member": ("bundle", lambda one: one["predicate"].update(more=1)),
        "a member that is missing": ("bundle", lambda one: one["predicate"].pop("effective_to")),
        "a version that is true": ("bundle", lambda one: one["predicate"].update(version=True)),
        "a version of 0": ("bundle", lambda one: one["predicate"].update(version=0)),
        "a previous that is not the one before": (
            "bundle",
            lambda one: one["predicate"]["previous"].update(version=2),
        ),
        "no previous": ("bundle", lambda one: one["predicate"].update(previous=None)),
        "an environment twice": (
            "bundle",
            lambda one: one["predicate"].update(environments=["a", "a"]),
        ),
        "no environment": ("bundle", lambda one: one["predicate"].update(environments=[])),
        "a window of nothing": (
            "bundle",
            lambda one: one["predicate"].update(effective_to="2026-12-01T00:00:00Z"),
        ),
        "a day that is not": (
            "bundle",
            lambda one: one["predicate"].update(effective_to="2027-02-29T00:00:00Z"),
        ),
        "an offset": (
            "bundle",
            lambda one: one["predicate"].update(effective_to="2027-02-28T00:00:00+00:00"),
        ),
        "two subjects": ("bundle", lambda one: one["subject"].append(one["subject"][0])),
        "another folder": (
            "bundle",
            lambda one: one["subject"][0].update(name="bundles/card-bin/other/files"),
        ),
        "a digest in capitals": (
            "bundle",
            lambda one: one["subject"][0]["digest"].update(countersignTree1="A" * 64),
        ),
        "a UUID in capitals": (
            "bundle",
            lambda one: one["predicate"].update(repository=REPOSITORY.upper()),
        ),
        "a negative count": (
            "bundle",
            lambda one: one["predicate"]["tables"]["ranges"].update(rows=-1),
        ),
        "subjects out of order": ("release", lambda one: one["subject"].reverse()),
        "a subject twice": ("release", lambda one: one["subject"].insert(0, one["subject"][0])),
        "a name with a leading zero": (
            "release",
            lambda one: one["subject"][0].update(
                name="bundles/card-bin/binlist/versions/01/bundle.json"
            ),
        ),
        "annotations of nothing": ("release", lambda one: one["subject"][0].update(annotations={})),
        "an annotation that is null": (
            "release",
            lambda one: one["subject"][0].update(annotations={"effective_to": None}),
        ),
        "serial 1 with a previous": ("release", lambda one: one["predicate"].update(serial=1)),
        "serial 2 without one": ("release", lambda one: one["predicate"].update(previous=None)),
        "a previous that is later": (
            "release",
            lambda one: one["predicate"]["previous"].update(serial=2),
        ),
        "an end before the beginning": ("release", lambda one: one["predicate"].update(expires=AT)),
        "a rail that is no name": (
            "release",
            lambda one: one["predicate"].update(policies={"../x": "a" * 64}),
        ),
        "a permission without an end": (
            "rollback",
            lambda one: one["predicate"].update(expires=None),
        ),
        "a permission that ends before it is made": (
            "rollback",
            lambda one: one["predicate"].update(expires=AT),
        ),
        "another release's name": (
            "rollback",
            lambda one: one["subject"][0].update(name="environments/staging/release.json"),
        ),
        "no reason": ("rollback", lambda one: one["predicate"].update(reason="")),
        "a reason with a white edge": (
            "rollback",
            lambda one: one["predicate"].update(reason=" x"),
        ),
        "a reason with a direction mark": (
            "rollback",
            lambda one: one["predicate"].update(reason="a\u202eb"),
        ),
        "a reason of 501 characters": (
            "ack",
            lambda one: one["predicate"].update(reason="x" * 501),
        ),
        "another plan's name": (
            "ack",
            lambda one: one["subject"][0].update(name="environments/production/release.json"),
        ),
    }
    null_notes = bent("release", lambda one: one["subject"][1].update(annotations=None))
    return {
        "good": [
            {"kind": kind, "payload": payload.decode(), "sha256": sha256(payload)}
            for kind, payload in good.items()
        ]
        + [{"kind": "release", "payload": null_notes, "sha256": sha256(null_notes.encode())}],
        "bad": [
            {"kind": kind, "reason": reason, "payload": bent(kind, change)}
            for reason, (kind, change) in changes.items()
        ],
    }


def counts() -> dict[str, Any]:
    folders: list[dict[str, bytes]] = [
        {},
        {"ranges.csv": b"h\n1\n2\n", "rules/main.json": b"{}\n", "notes.v2.txt": b"\xff\x00"},
        {
            "ranges/4.csv": b"h\n1\n",
            "ranges/45/457.csv": b"h\n1\n2",
            "ranges.csv": b"",
            "ranges.md": b"x",
        },
        {"a.csv": b"h", "a.b.csv": b"h\n", "a/b/c/d.csv": b"\n\n\n"},
    ]
    found = []
    for files in folders:
        objects, nested = MemoryObjects(), dict[str, Any]()
        for path, data in files.items():
            *above, name = path.split("/")
            level = nested
            for folder in above:
                level = level.setdefault(folder, {})
            level[name] = data
        summary = files_root(objects, objects.tree(nested), "files", NoMemory())
        tables = {
            k: {"files": v.files, "rows": v.rows, "bytes": v.bytes}
            for k, v in summary.tables.items()
        }
        documents = {k: {"files": v.files, "bytes": v.bytes} for k, v in summary.documents.items()}
        encoded = {path: b64(data) for path, data in files.items()}
        found.append(
            {"files": encoded, "root": summary.root, "tables": tables, "documents": documents}
        )
    return {"good": found}


def plans() -> dict[str, Any]:
    open_, dated = Window(), Window.parse("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")
    source = SourceFile("card-bin/binlist", "bundles/card-bin/binlist/files/ranges.csv")
    cells = ("457173", "", "16", "true", "visa", "Fjord Ünì", "debit", "", "DK", "DKK", "", "", "")
    data = b"iin_start,scheme\n457173,visa\n457174,visa\n"
    objects, facts = MemoryObjects(), read_facts(data, "ranges")

    def row(first: str, window: Window) -> StoredRow:
        mine = (first, *cells[1:])
        return StoredRow("ranges", key_of("ranges", mine), window, mine, source)

    def lines(goes: list[StoredRow], comes: list[StoredRow]) -> tuple[FileChange, dict[str, Any]]:
        sides = {"goes": [_row(one) for one in goes], "comes": [_row(one) for one in comes]}
        return ShardChange(source, "ranges", tuple(goes), tuple(comes)), {"rows": sides}

    def whole(goes: list[Window], comes: list[Window]) -> tuple[FileChange, dict[str, Any]]:
        sides = {"goes": [_ends(one) for one in goes], "comes": [_ends(one) for one in comes]}
        assert facts.is_plain
        file = WholeFile(
            source, "ranges", objects.blob(data), facts, tuple(goes), tuple(comes), objects
        )
        return file, {"file": b64(data), "windows": sides}

    both = [row("457173", dated), row("457174", open_)]
    stories = [
        (None, [lines([], [row("457173", open_)])], False),
        (digest_of("release 1"), [lines([row("457173", open_)], both)], False),
        (digest_of("release 1"), [], False),
        (None, [whole([], [dated, Window.parse("2027-02-01T00:00:00Z", None)])], True),
        (digest_of("release 1"), [whole([open_], [])], True),
    ]
    found = []
    for base, changes, one_sided in stories:
        target = digest_of("release 2")
        made = make_plan(
            "production", base, target, [one for one, _ in changes], one_sided=one_sided
        )
        place = {"bundle": source.bundle, "path": source.path}
        files = [{**place, **wire} for _, wire in changes]
        story = {"environment": "production", "base": base, "target": target, "files": files}
        found.append({**story, "digest": made.digest})
    return {"good": found}


def _ends(window: Window) -> dict[str, str]:
    start, end = window.start, window.end
    return {
        "start": format_instant(start) if start else "",
        "end": format_instant(end) if end else "",
    }


def _row(row: StoredRow) -> dict[str, Any]:
    return {"table": row.table, **_ends(row.window), "cells": list(row.cells)}


def row_keys() -> dict[str, Any]:
    some = [
        ("participants", ("harbour-bank",)),
        ("identifiers", ("bic", "HARBNL2A")),
        ("ranges", ("457173000000", "457173999999")),
        ("rules", ("card-bin/binlist", "r1")),
        ("capabilities", ("e1", "", "", "", "", "pacs.008", "EUR")),
    ]
    return {
        "good": [
            {"table": table, "parts": list(parts), "key": row_key(table, parts)}
            for table, parts in some
        ]
    }


def policies() -> dict[str, Any]:
    rails = {
        "card-bin": {
            "rail.json": b"{}\n",
            "_common/rules.json": b"[]\n",
            "_codes/iso4217.json": b"{}\n",
        },
        "caip": {"rail.json": b"{ }\n", "_common/rules.json": b"[]\n"},
    }
    # The program's own version counts up; what its first one made stays as it is.
    checks = 1
    digests = {
        rail: sha256(
            canonical(
                {"checks": checks, "files": {path: sha256(data) for path, data in files.items()}}
            )
        )
        for rail, files in rails.items()
    }
    encoded = {
        rail: {path: b64(data) for path, data in files.items()} for rail, files in rails.items()
    }
    return {
        "good": [
            {
                "checks": checks,
                "rails": encoded,
                "rail_digests": digests,
                "digest": sha256(canonical(digests)),
            }
        ]
    }


def audit() -> dict[str, Any]:
    first = record(1)
    second = record(2, prev=first.sha256)
    third = replace(
        rolled_back(second),
        rollback=RollbackUsed(2, None, ("SHA256:carol",)),
        acks=(AckUsed(digest_of("ack"), ("SHA256:alice", "SHA256:bob")),),
        tables={"ranges": "3:00000000000000ff"},
    )
    fourth = replace(record(4, prev=third.sha256), kind=RevisionKind.REPOLICY)
    links, parent = [], None
    for one in (first, second, third, fourth):
        unsigned = content(one, parent)
        raw = with_signature(unsigned, sign_commit(unsigned, AUDITOR.signer))
        parent = Oid(hashlib.sha1(b"commit %d\0" % len(raw) + raw).digest())
        facts = {"record": one.to_bytes().decode(), "sha256": one.sha256}
        links.append({**facts, "signed": b64(unsigned), "object": b64(raw), "id": parent.hex()})
    text = first.to_bytes().decode()
    bad = {
        "a space": text.replace('"seq":1', '"seq": 1'),
        "members out of order": '{"seq":1,' + text[1:].replace('"seq":1,', ""),
        "a member that is missing": text.replace('"acks":[],', ""),
        "an unknown member": text.replace('{"acks"', '{"a":1,"acks"'),
        "another format": text.replace("audit:v1", "audit:v2"),
        "a sequence of 0": text.replace('"seq":1', '"seq":0'),
        "a number that is true": text.replace('"seq":1', '"seq":true'),
        "another kind": text.replace('"baseline"', '"other"'),
        "a name in capitals": text.replace('"result":"applied"', '"result":"Applied"'),
        "signers out of order": text.replace(
            '"SHA256:alice","SHA256:bob"', '"SHA256:bob","SHA256:alice"'
        ),
        "a digest of 63 digits": text.replace('"prev":"0', '"prev":"'),
        "a commit id in capitals": text.replace("01" * 20, "AB" * 20),
        "a line end": text + "\n",
    }
    return {
        "key": AUDITOR.signer.public.line,
        "good": links,
        "bad": [{"reason": reason, "record": one} for reason, one in bad.items()],
    }


def checkpoints() -> dict[str, Any]:
    records = [b"record %d" % number for number in range(9)]
    origin = f"countersign/{REPOSITORY}/one"
    sizes = [
        {"size": size, "root": b64(tree_root([leaf_hash(one) for one in records[:size]]))}
        for size in range(len(records) + 1)
    ]
    root = tree_root([leaf_hash(one) for one in records])
    signed = note.sign(Checkpoint(origin, 9, root).text(), origin, AUDITOR.signer).decode()
    witness = signed + "— witness.example/w AAAAAAAA\n"
    bad = {
        "another size": signed.replace("\n9\n", "\n8\n"),
        "a size with a zero": signed.replace("\n9\n", "\n09\n"),
        "a fourth line": signed.replace("\n\n", "\nmore\n\n"),
        "no signature": signed.partition("\n\n")[0] + "\n\n",
        "another name": signed.replace(f"— {origin} ", "— other "),
        "a control character": signed.replace("\n9\n", "\n9\r\n"),
        "no final newline": signed.rstrip("\n"),
        "a hyphen for the dash": signed.replace("—", "-"),
    }
    return {
        "origin": origin,
        "key": AUDITOR.signer.public.line,
        "verifier_key": VerifierKey(origin, AUDITOR.signer.public).vkey,
        "records": [b64(one) for one in records],
        "roots": sizes,
        "good": [
            {"note": signed, "size": 9, "root": b64(root)},
            {"note": witness, "size": 9, "root": b64(root)},
        ],
        "bad": [{"reason": reason, "note": one} for reason, one in bad.items()],
    }


def commits() -> dict[str, Any]:
    person = "A <a@example.test> 1795176000 +0000"
    tree = f"tree {'4b825dc642cb6eb9a060e54bf8d69288fbee4904'}"
    plain = f"{tree}\nauthor {person}\ncommitter {person}\n\nSubject\n\nBody é\n".encode()
    merge = plain.replace(b"\nauthor", f"\nparent {'1' * 40}\nparent {'2' * 40}\nauthor".encode())
    coded = plain.replace(b"\n\nSubject", b"\nencoding latin1\n\nSubject")
    signed = with_signature(plain, sign_commit(plain, ALICE.signer))
    header = signed[signed.index(b"gpgsig") : signed.index(b"\n\n") + 1]
    bad = {
        "no signature": plain,
        "another message": signed.replace(b"Subject", b"subject"),
        "another key": with_signature(plain, sign_commit(plain, BOB.signer)),
        "another namespace": with_signature(plain, sshsig.sign(plain, ALICE.signer, "file")),
        "two signatures": signed.replace(header, header + header),
        "an unknown header": signed.replace(b"\ngpgsig", b"\ngpgsig-sha256 x\ngpgsig"),
        "two authors": signed.replace(b"\ncommitter", f"\nauthor {person}\ncommitter".encode()),
        "committer before author": f"{tree}\ncommitter {person}\nauthor {person}\n\nx\n".encode(),
        "a NUL": signed + b"\0",
        "no empty line": signed.partition(b"\n\n")[0],
        "a person without a mail": signed.replace(b"author A <a@example.test>", b"author A"),
        "a short id": signed.replace(b"tree 4b", b"tree 4"),
        "a signature that is no SSHSIG": with_signature(
            plain, "-----BEGIN PGP SIGNATURE-----\nx\n"
        ),
    }
    return {
        "key": ALICE.signer.public.line,
        "good": [
            {
                "name": name,
                "object": b64(with_signature(raw, sign_commit(raw, ALICE.signer))),
                "signed": b64(raw),
            }
            for name, raw in (("plain", plain), ("a merge", merge), ("an encoding", coded))
        ],
        "bad": [{"reason": reason, "object": b64(raw)} for reason, raw in bad.items()],
    }


FILES: Mapping[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "keys.json": ("Keys and key ids", keys),
    "sshsig.json": ("SSHSIG", ssh_signatures),
    "envelopes.json": ("Envelopes", envelopes),
    "json.json": ("JSON", json_texts),
    "roots.json": ("Root", roots),
    "who-counts.json": ("Who counts", who_counts),
    "statements.json": ("Statements", statements),
    "counts.json": ("Bundle statement", counts),
    "plans.json": ("Plan digest", plans),
    "row-keys.json": ("Row keys", row_keys),
    "policies.json": ("Policies digest", policies),
    "audit.json": ("Audit record", audit),
    "checkpoints.json": ("Checkpoint", checkpoints),
    "commits.json": ("Git objects", commits),
}
"""By file: the heading of docs/formats.md that it is about, and what makes it."""


def render(heading: str, made: Mapping[str, Any]) -> str:
    """Return a file's text."""
    about = f"docs/formats.md, {heading}; frozen, see README.md"
    return json.dumps({"about": about, **made}, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    for name, (heading, make) in FILES.items():
        path = VECTORS / name
        if not path.exists():
            path.write_text(render(heading, make()))
