"""Every parser of the pure floors, in one table: what it reads, how it refuses, what is one form.

A parser meets bytes (or a text) that strangers wrote. It answers with a value or with one of its
own errors, never with anything else. `tests/laws/test_parser_laws.py` holds the table against the
code, so a new parser has to stand here.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from controller.artifacts import (
    ack,
    bundle,
    draft,
    heartbeat,
    layout,
    levels,
    mapping,
    merkle_record,
    release,
    rollback,
    sheets,
    strictcsv,
)
from controller.artifacts.ack import AckStatement
from controller.artifacts.bundle import BundleStatement, PreviousVersion
from controller.artifacts.draft import Draft
from controller.artifacts.heartbeat import Heartbeat
from controller.artifacts.layout import BadName, BundleId
from controller.artifacts.merkle import Counts
from controller.artifacts.merkle_record import Item, Record
from controller.artifacts.release import LiveBundle, ReleaseRef, ReleaseStatement
from controller.artifacts.rollback import RollbackStatement
from controller.artifacts.tables import TABLES
from controller.artifacts.wire import BadDocument
from controller.audit import commit as audit_commit
from controller.audit.record import AuditRecord, MalformedRecord
from controller.authoring import compose
from controller.authoring.ack import NotAPlan, read_plan
from controller.kernel import canonical, instants, strictjson
from controller.kernel.canonical import Digest, NotCanonical
from controller.kernel.errors import ControllerError
from controller.kernel.instants import EmptyWindow, NotAnInstant, Window
from controller.kernel.objects import Oid
from controller.kernel.strictjson import MalformedJson
from controller.plan import lines, whole
from controller.plan.rows import RULES
from controller.policy import lint, patterns, rail
from controller.policy.patterns import BadPattern
from controller.policy.rail import BadRail
from controller.trust import (
    commit,
    envelope,
    keys,
    note,
    privatekey,
    root,
    rootfile,
    sshsig,
)
from controller.trust.checkpoint import Checkpoint, MalformedCheckpoint
from controller.trust.commit import CommitNotSigned, MalformedCommit
from controller.trust.envelope import MalformedEnvelope
from controller.trust.keys import BadPublicKey, UnsupportedKey
from controller.trust.note import MalformedNote, MalformedVerifierKey, VerifierKey
from controller.trust.privatekey import BadPrivateKey
from controller.trust.rootfile import MalformedRoot
from controller.trust.sign import sign_commit
from controller.trust.sshsig import BadSshSignature
from controller.trust.sshwire import MalformedSsh
from tests.support.audit import record as a_record
from tests.support.policies import policy_files, shipped
from tests.support.trees import MemoryObjects, raw_tree
from tests.support.trust import ALICE, BOB, REPOSITORY, document, sealed

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ZERO = Digest("0" * 64)
CARDS = BundleId("card-bin", "house-cards")
RANGES = TABLES["ranges"].columns
PARTICIPANTS = shipped()["card-bin"].tables["participants"].columns


@dataclass(frozen=True)
class Parser:
    """One way into a value: the functions it stands for, samples, and the errors it may raise.

    `again` makes of a value what the parser read, where there is one form only; `write` makes
    something that reads as the same value, where there are several.
    """

    names: tuple[str, ...]
    read: Callable[[Any], Any]
    refuses: tuple[type[ControllerError], ...]
    samples: Callable[[], Sequence[bytes | str]]
    again: Callable[[Any], bytes | str] | None = None
    write: Callable[[Any], bytes | str] | None = None


def _statements() -> dict[str, bytes]:
    version = BundleStatement(
        repository=REPOSITORY,
        bundle=CARDS,
        version=2,
        previous=PreviousVersion(1, ZERO),
        window=Window(NOW, None),
        environments=("production",),
        files_root=ZERO,
        git_tree=Oid(bytes(20)),
        tables={"ranges": Counts(1, 2, 300)},
        documents={"rules": Counts(1, 0, 20)},
    )
    live = LiveBundle(CARDS, 2, ZERO)
    declared = ReleaseStatement(
        repository=REPOSITORY,
        environment="production",
        serial=2,
        previous=ReleaseRef(1, ZERO),
        rollback_of=None,
        created=NOW,
        expires=None,
        policies={"caip": ZERO},
        bundles=(live,),
    )
    back = RollbackStatement(
        REPOSITORY, "production", 1, ZERO, "mistake", NOW, NOW.replace(year=2027)
    )
    beat = Heartbeat(REPOSITORY, "production", Oid(b"\3" * 20), NOW, NOW.replace(year=2027))
    accepted = AckStatement(REPOSITORY, "production", ZERO, "meant so", NOW)
    edited = Draft(CARDS, Window(NOW, NOW.replace(year=2027)), ("production", "staging"))
    return {
        "bundle": version.payload(),
        "release": declared.payload(),
        "rollback": back.payload(),
        "ack": accepted.payload(),
        "heartbeat": beat.payload(),
        "draft": edited.to_bytes(),
    }


def _statement(name: str, read: Callable[[bytes], Any]) -> Parser:
    return Parser(
        (f"controller.artifacts.{name}.parse", "controller.artifacts.wire.read_document"),
        read,
        (MalformedJson, BadDocument),
        lambda: [_statements()[name]],
        write=lambda value: value.to_bytes() if name == "draft" else value.payload(),
    )


def _root() -> bytes:
    made = document(ALICE, BOB)
    made["revoked"] = {BOB.id: {"at": "2026-11-02T00:00:00Z", "reason": "lost"}}
    made["floors"] = {"production": {"serial": 3}, "bundles": {"card-bin/house-cards": 2}}
    made["reset"] = {"production": {"serial": 4, "sha256": ZERO}}
    made["grandfathered"] = [ZERO]
    return canonical.readable(made)


def _envelopes() -> list[bytes]:
    both = sealed(b'{"a":1}', by=[ALICE, BOB])
    return [both.to_bytes(), sealed(_root(), by=[ALICE], payload_type=envelope.ROOT).to_bytes()]


def _commits() -> list[bytes]:
    plain = audit_commit.content(a_record(), Oid(bytes(20)))
    return [plain, commit.with_signature(plain, sign_commit(plain, ALICE.signer))]


@cache
def _armored() -> str:
    return sshsig.sign(b"message", ALICE.signer, "file")


def _verified_signature(blob: bytes) -> bytes:
    named = sshsig.key_blob(blob)
    sshsig.verify(blob, b"message", "file", ALICE.signer.public)
    return named


def _private() -> bytes:
    return privatekey.render_private_key(bytes(range(32)), "somebody", 7)


def _checkpoint() -> Checkpoint:
    return Checkpoint(f"countersign/{REPOSITORY}/controller-a", 12, bytes(32))


def _notes() -> list[bytes]:
    made = _checkpoint()
    return [note.sign(made.text(), made.origin, ALICE.signer)]


def _vkeys() -> list[str]:
    return [VerifierKey(_checkpoint().origin, ALICE.signer.public).vkey]


def _trees() -> list[bytes]:
    oid = Oid(bytes(range(20)))
    entries = [(b"100644", b"a.csv", oid), (b"40000", b"b", oid), (b"100644", b"c-d_e.json", oid)]
    return [raw_tree(entries), b""]


def _level(raw: bytes) -> Any:
    objects = MemoryObjects()
    return levels.children(objects, objects.put("tree", raw), "files")


def _csv() -> list[bytes]:
    folder = [
        b"990105,,16,true,house,Harbour Gold,credit,false,NL,EUR,harbour-bank,,",
        b'990600,990700,16,true,house,"Lagoon, ""Debit""",debit,false,NL,EUR,harbour-bank,,',
    ]
    return [
        b"\n".join([",".join(RANGES).encode(), *folder, b""]),
        ",".join(RANGES).encode() + b"\n",
    ]


def _read_csv(data: bytes) -> Any:
    rows, problems = strictcsv.read(data, RANGES)
    assert all(len(row) == len(RANGES) for row in rows)
    if not problems:
        assert strictcsv.render(RANGES, rows) == data
    return rows


def _read_sheet(data: bytes) -> Any:
    sheet = sheets.read_sheet(data, RANGES)
    if sheet is not None:
        assert (sheet.rows(), []) == strictcsv.read_closely(data, RANGES)
    return sheet


def _lint_table(data: bytes) -> Any:
    return lint.lint_shard(shipped()["card-bin"], "participants", data, "bundles/x/files/p.csv")


def _lint_rules(data: bytes) -> Any:
    return lint.lint_document(shipped()["caip"], "rules", data, "bundles/x/files/rules/a.json")


def _documents() -> list[bytes]:
    found = [data for path, data in policy_files().items() if path.endswith(".json")]
    return sorted(found, key=len)[:12]


def _located(data: bytes) -> Any:
    value = strictjson.parse(data)
    inner = list(value)[:2] if isinstance(value, dict) else ["0"]
    pointers = ["", "/nothing", *(f"/{strictjson.escape(str(one))}" for one in inner)]
    found = {pointer: strictjson.locate(data, pointer) for pointer in pointers}
    assert strictjson.locate_all(data, pointers) == found
    return value


def _mappings() -> list[bytes]:
    return [data for path, data in policy_files().items() if "/mappings/" in path]


_SOURCES = {
    "binlist": b"iin_start,iin_end,number_length,number_luhn,scheme,brand,type,prepaid,country,"
    b"bank_name,bank_logo,bank_url,bank_phone,bank_city\n"
    b"45717360,,16,true,visa,Visa/Dankort,debit,false,DK,Jyske Bank,,www.jyskebank.dk,+45,\n",
}


def _apply(data: bytes) -> Any:
    made = mapping.read_mapping(policy_files()["card-bin/mappings/binlist.json"])
    return mapping.apply_mapping(made, [("ranges.csv", data)])


def _apply_chains(data: bytes) -> Any:
    made = mapping.read_mapping(policy_files()["caip/mappings/evm-chains.json"])
    return mapping.apply_mapping(made, [("eip155-1.json", data)])


_CHAIN = json.dumps(
    {
        "name": "Ethereum Mainnet",
        "chain": "ETH",
        "rpc": ["https://rpc.example.org/"],
        "nativeCurrency": {"name": "Ether", "symbol": "ETH", "decimals": 18},
        "shortName": "eth",
        "chainId": 1,
        "networkId": 1,
    }
).encode()


def _rail_with(path: str) -> Callable[[bytes], Any]:
    files = {
        name.removeprefix("caip/"): data
        for name, data in policy_files().items()
        if name.startswith(("caip/", "_common/", "_codes/"))
    }
    return lambda data: rail.read_rail("caip", {**files, path: data})


def _rails(data: bytes) -> Any:
    return rail.read_rails({**policy_files(), "caip/rules.json": data})


def _rail(path: str) -> Parser:
    return Parser(
        ("controller.policy.rail.read_rail", "controller.policy.identifiers.read_scheme"),
        _rail_with(path),
        (BadRail,),
        lambda: [policy_files()[f"caip/{path}"]],
    )


def _line_of(data: bytes) -> Any:
    cells = tuple("x" for _ in RULES.columns)
    return lines.line_of(RULES.name, data, cells)


def _record_parts(data: bytes) -> Any:
    return merkle_record.unpack([merkle_record.pack(_items()), data])


def _items() -> Record:
    oid = Oid(bytes(20))
    return Record(
        {"a.csv": Item(False, oid, bytes(32), 1, 2, 30), "b": Item(True, oid, bytes(32), 3)}
    )


def _window(text: str) -> Any:
    start, _, end = text.partition(" ")
    return Window.parse(start, end)


def _window_text(window: Window) -> str:
    return " ".join(
        instants.format_instant(one) if one else "" for one in (window.start, window.end)
    )


_KERNEL = (
    Parser(
        ("controller.kernel.strictjson.parse",),
        _located,
        (MalformedJson,),
        _documents,
        write=lambda value: json.dumps(value, ensure_ascii=False).encode(),
    ),
    Parser(
        ("controller.kernel.strictjson.parse",),
        lambda data: strictjson.parse(data, decimals=True),
        (MalformedJson,),
        lambda: [b'{"a": [1.50, -2e3, 0.1e-5, true, null]}'],
    ),
    Parser(
        ("controller.kernel.canonical.canonical",),
        lambda data: canonical.canonical(strictjson.parse(data)),
        (MalformedJson, NotCanonical),
        lambda: [_root()],
        write=bytes,
    ),
    Parser(
        ("controller.kernel.instants.parse_instant",),
        instants.parse_instant,
        (NotAnInstant,),
        lambda: ["2026-12-01T00:00:00Z", "2100-02-28T23:59:59Z"],
        again=instants.format_instant,
    ),
    Parser(
        ("controller.kernel.instants.parse_when",),
        instants.parse_when,
        (NotAnInstant,),
        lambda: ["2026-12-01", "2026-12-01T00:00:00Z"],
        write=instants.format_instant,
    ),
    Parser(
        ("controller.kernel.instants.Window.parse",),
        _window,
        (NotAnInstant, EmptyWindow),
        lambda: ["2026-12-01T00:00:00Z 2027-12-01T00:00:00Z", " 2027-12-01T00:00:00Z"],
        write=_window_text,
    ),
)

_ARTIFACTS = (
    *(
        _statement(name, read)
        for name, read in (
            ("bundle", bundle.parse),
            ("release", release.parse),
            ("rollback", rollback.parse),
            ("ack", ack.parse),
            ("heartbeat", heartbeat.parse),
            ("draft", draft.parse),
        )
    ),
    Parser(
        ("controller.artifacts.strictcsv.read", "controller.artifacts.strictcsv.read_closely"),
        _read_csv,
        (),
        _csv,
    ),
    Parser(("controller.artifacts.sheets.read_sheet",), _read_sheet, (), _csv),
    Parser(
        ("controller.artifacts.strictcsv.parse_line",),
        lambda text: strictcsv.parse_line(text, 3),
        (strictcsv.BadRow,),
        lambda: ["a,b,c", 'a,"b, ""c""",'],
        again=strictcsv.render_row,
    ),
    Parser(
        ("controller.artifacts.levels.parse_tree",),
        levels.parse_tree,
        (levels.BadTree,),
        _trees,
        again=raw_tree,
    ),
    Parser(("controller.artifacts.levels.children",), _level, (levels.BadTree,), _trees),
    Parser(
        ("controller.artifacts.merkle_record.unpack",),
        _record_parts,
        (merkle_record.ForeignRecord,),
        lambda: [merkle_record.pack(_items())],
    ),
    Parser(
        ("controller.artifacts.layout.BundleId.parse", "controller.artifacts.layout.segment"),
        BundleId.parse,
        (BadName,),
        lambda: ["card-bin/house-cards"],
        again=str,
    ),
    Parser(
        ("controller.artifacts.layout.parse_statement_path", "controller.artifacts.layout.number"),
        layout.parse_statement_path,
        (BadName,),
        lambda: ["bundles/card-bin/house-cards/versions/12/bundle.json"],
        again=lambda found: layout.statement_path(*found),
    ),
    Parser(
        ("controller.artifacts.layout.parse_files_path",),
        layout.parse_files_path,
        (BadName,),
        lambda: ["bundles/card-bin/house-cards/files"],
        again=layout.files_path,
    ),
    Parser(
        ("controller.artifacts.layout.parse_root_path",),
        layout.parse_root_path,
        (BadName,),
        lambda: ["trust/root/12.root.json"],
        again=layout.root_path,
    ),
    Parser(
        ("controller.artifacts.mapping.read_mapping",),
        mapping.read_mapping,
        (mapping.BadMapping, MalformedJson),
        _mappings,
    ),
    Parser(
        ("controller.artifacts.mapping.apply_mapping",),
        _apply,
        (mapping.SourceMismatch,),
        lambda: list(_SOURCES.values()),
    ),
    Parser(
        ("controller.artifacts.mapping.apply_mapping",),
        _apply_chains,
        (mapping.SourceMismatch,),
        lambda: [_CHAIN],
    ),
)

_TRUST = (
    Parser(
        ("controller.trust.envelope.parse",),
        envelope.parse,
        (MalformedEnvelope,),
        _envelopes,
        write=lambda found: found.to_bytes(),
    ),
    Parser(
        ("controller.trust.envelope.decode_base64",),
        lambda text: envelope.decode_base64(text, "sig"),
        (MalformedEnvelope,),
        lambda: [base64.b64encode(bytes(range(40))).decode(), "_-8="],
        write=lambda data: base64.b64encode(data).decode(),
    ),
    Parser(
        ("controller.trust.root.parse_root", "controller.trust.rootfile.read"),
        root.parse_root,
        (MalformedRoot,),
        lambda: [_root()],
    ),
    Parser(("controller.trust.rootfile.read",), rootfile.read, (MalformedRoot,), lambda: [_root()]),
    Parser(
        ("controller.trust.commit.parse_commit",),
        commit.parse_commit,
        (MalformedCommit, CommitNotSigned),
        _commits,
    ),
    Parser(
        ("controller.trust.sshsig.dearmor",),
        sshsig.dearmor,
        (BadSshSignature,),
        lambda: [_armored()],
        write=sshsig.armor,
    ),
    Parser(
        ("controller.trust.sshsig.key_blob", "controller.trust.sshsig.verify"),
        _verified_signature,
        (BadSshSignature, MalformedSsh),
        lambda: [sshsig.dearmor(_armored())],
        again=lambda _found: sshsig.dearmor(_armored()),
    ),
    Parser(
        ("controller.trust.privatekey.parse_private_key",),
        privatekey.parse_private_key,
        (BadPrivateKey,),
        lambda: [_private(), bytes(range(32))],
    ),
    Parser(
        ("controller.trust.keys.parse_public_line",),
        keys.parse_public_line,
        (BadPublicKey, UnsupportedKey, MalformedSsh),
        lambda: [ALICE.signer.public.line, f"{BOB.signer.public.line} somebody@example.test"],
        write=lambda found: found.line,
    ),
    Parser(
        ("controller.trust.keys.parse_public_blob",),
        keys.parse_public_blob,
        (BadPublicKey, UnsupportedKey, MalformedSsh),
        lambda: [ALICE.signer.public.blob],
        again=lambda found: found.blob,
    ),
    Parser(
        ("controller.trust.checkpoint.Checkpoint.parse",),
        Checkpoint.parse,
        (MalformedCheckpoint,),
        lambda: [_checkpoint().text()],
        again=lambda found: found.text(),
    ),
    Parser(("controller.trust.note.split",), note.split, (MalformedNote,), _notes),
    Parser(
        ("controller.trust.note.VerifierKey.parse",),
        VerifierKey.parse,
        (MalformedVerifierKey, BadPublicKey, UnsupportedKey, MalformedSsh),
        _vkeys,
        again=lambda found: found.vkey,
    ),
)

_POLICY = (
    _rail("rail.json"),
    _rail("rules.json"),
    _rail("schema/participants.schema.json"),
    Parser(
        ("controller.policy.rail.read_rails",),
        _rails,
        (BadRail,),
        lambda: [policy_files()["caip/rules.json"]],
    ),
    Parser(
        ("controller.policy.patterns.compile_pattern",),
        patterns.compile_pattern,
        (BadPattern,),
        lambda: ["^[a-z]{1,3}(?:-[0-9]{1,9})*$", "^(a|bc|[^x]{2,})$", r"^\.[A-Z0-9]\$$"],
    ),
    Parser(
        ("controller.policy.lint.lint_shard",),
        _lint_table,
        (),
        lambda: [
            ",".join(PARTICIPANTS).encode() + b"\nharbour-bank,Harbour,,NL,issuer,EUR,,,active,,\n"
        ],
    ),
    Parser(
        ("controller.policy.lint.lint_document",),
        _lint_rules,
        (),
        lambda: [b'{"version": 1, "rules": []}', *_documents()[:3]],
    ),
    Parser(
        ("controller.plan.whole.read_facts",),
        lambda data: whole.read_facts(data, "ranges"),
        (),
        _csv,
    ),
    Parser(
        ("controller.plan.lines.line_of",),
        _line_of,
        (MalformedJson, NotCanonical),
        lambda: [b'{"rules": [{"a": 1}, {"b": [2]}]}'],
    ),
)

_ABOVE = (
    Parser(
        ("controller.audit.record.AuditRecord.parse",),
        AuditRecord.parse,
        (MalformedRecord,),
        lambda: [a_record().to_bytes()],
        again=lambda found: found.to_bytes(),
    ),
    Parser(
        ("controller.audit.commit.record_in", "controller.audit.commit.trailers_in"),
        lambda data: (audit_commit.record_in(data), audit_commit.trailers_in(data)),
        (MalformedRecord,),
        lambda: [audit_commit.message(a_record())],
    ),
    Parser(
        ("controller.authoring.ack.read_plan",), read_plan, (NotAPlan,), lambda: [ZERO], again=str
    ),
    Parser(
        ("controller.authoring.compose.parse_wanted",),
        compose.parse_wanted,
        (BadName,),
        lambda: ["card-bin/house-cards@2", "card-bin/house-cards"],
        again=str,
    ),
)

PARSERS = (*_KERNEL, *_ARTIFACTS, *_TRUST, *_POLICY, *_ABOVE)
"""The table."""
