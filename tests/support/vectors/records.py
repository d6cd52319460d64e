"""Vectors of audit records, checkpoints and commits."""

import hashlib
from dataclasses import replace
from typing import Any

from controller.audit.commit import content
from controller.audit.record import AckUsed, RollbackUsed
from controller.kernel.objects import Oid
from controller.stores.control.model import RevisionKind
from controller.trust import note, sshsig
from controller.trust.checkpoint import Checkpoint
from controller.trust.commit import with_signature
from controller.trust.note import VerifierKey
from controller.trust.sign import sign_commit
from controller.trust.transparency import leaf_hash, tree_root
from tests.support.audit import digest_of, record, rolled_back
from tests.support.trust import REPOSITORY
from tests.support.vectors.people import ALICE, AUDITOR, BOB, b64


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
