"""Documents that mean harm: JSON that parsers read differently, giants, and very many of them."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from controller.artifacts.layout import BundleId
from controller.artifacts.release import LiveBundle
from controller.kernel.canonical import Digest
from controller.kernel.objects import Oid
from tests.hostile.conftest import Idle, check_cost
from tests.hostile.host import FOLDER, Attack, Host, ordered, parsed
from tests.support.trees import raw_tree
from tests.support.trust import text64

RELEASE = "environments/production/release.dsse.json"
VERSIONS = "bundles/card-bin/house-cards/versions"
MALFORMED = "trust/malformed_envelope"
SIGNATURE = {"sig": text64(b"x" * 64)}

DRAFTS = {
    "depth": b"[" * 3_000_000,
    "depth-of-objects": b'{"a":' * 500_000,
    "words": b"[" + b"[]," * 1_000_000 + b"[]]",
    "members": b"{" + b",".join(b'"%d":[]' % number for number in range(250_000)) + b"}",
    "twice": b"{" + b'"a":1,' * 400_000 + b'"a":1}',
    "huge-integer": b'{"name":' + b"9" * 3_000_000 + b"}",
    "exponent": b'{"name":1e400}',
    "nan": b'{"name":NaN}',
    "infinity": b'{"name":-Infinity}',
    "mark": b"\xef\xbb\xbf{}",
    "wide": '{"name":1}'.encode("utf-16"),
    "surrogate": b'{"name":"\\ud800"}',
    "surrogates": b'["' + b"\\ud800" * 400_000 + b'"]',
    "raw-surrogate": b'{"name":"\xed\xa0\x80"}',
    "trailing": b"{} {}",
    "unclosed": b'"' + b"\\" * 3_000_001,
    "nul": b'{"name":"a\x00b"}',
    "empty": b"",
}


def envelope(payload: bytes, signatures: Sequence[dict[str, Any]]) -> bytes:
    kind = "application/vnd.in-toto+json"
    body = {"payload": text64(payload), "payloadType": kind, "signatures": list(signatures)}
    return json.dumps(body).encode()


def files(changes: Callable[[Host], dict[str, bytes | None]]) -> Callable[[Host], Oid]:
    return lambda host: host.files(host.shop.tip, changes(host))


def instead_of_release(data: bytes) -> Callable[[Host], Oid]:
    return files(lambda _host: {RELEASE: data})


def roots(host: Host) -> dict[str, bytes | None]:
    """Return eleven hundred roots after the first: more than are followed in one pass."""
    _, data = host.shop.next_root(lambda _document: None)
    return {f"trust/root/{version}.root.json": data for version in range(2, 1102)}


def long_root(host: Host) -> dict[str, bytes | None]:
    path, data = host.shop.next_root(lambda _document: None)
    return {path: data + b" " * 600_000}


def further(folder: str, stem: str, count: int) -> Callable[[Host], Oid]:
    """Put good envelopes of a release many times where further signers add theirs."""
    return files(
        lambda host: {
            f"{folder}/{stem}s{number}.dsse.json": host.shop.read(RELEASE)
            for number in range(count)
        }
    )


def many_versions(host: Host) -> Oid:
    """Copy the first version to five thousand numbers that its statement does not name."""
    repository, tree = host.shop.repository, host.shop.tree
    folder = repository.entry(tree, VERSIONS)
    assert folder is not None
    held = parsed(repository.read(folder))
    copies = [(FOLDER, b"%d" % number, held[b"1"][1]) for number in range(2, 5000)]
    entries = ordered([(FOLDER, b"1", held[b"1"][1]), *copies])
    return host.graft(host.shop.tip, VERSIONS, host.put("tree", raw_tree(entries)))


def many_bundles(host: Host) -> Oid:
    tree = host.shop.repository.write_tree({"draft.json": b"{}", "files/participants.csv": b"id\n"})
    return host.graft(host.shop.tip, "bundles/caip", host.wide(8000, tree, mode=FOLDER))


def many_environments(host: Host) -> Oid:
    folder = host.shop.repository.entry(host.shop.tree, "environments/production")
    assert folder is not None
    held = [(FOLDER, b"production", folder)]
    held += [(FOLDER, b"q%04d" % number, folder) for number in range(8000)]
    return host.graft(host.shop.tip, "environments", host.put("tree", raw_tree(held)))


def many_live(host: Host) -> Oid:
    """Let enough owners sign a release of ten thousand bundles that are not there."""
    live = [
        LiveBundle(BundleId("card-bin", f"cards-{number}"), 1, Digest("0" * 64))
        for number in range(10_000 - len(host.shop.released[-1].bundles))
    ]
    return host.shop.release(host.shop.next_release(*live))


ATTACKS = {
    "an envelope of brackets": Attack(
        instead_of_release(b"[" * 4_000_000), (3, "nested deeper than 32"), (1, MALFORMED)
    ),
    "an envelope of words": Attack(
        instead_of_release(DRAFTS["words"]), (3, "more than the 1,000 words"), (1, MALFORMED)
    ),
    "an envelope of escapes": Attack(
        instead_of_release(b'["' + b"\\u0041" * 600_000 + b'"]'),
        (3, "the envelope is not an object"),
        (1, MALFORMED),
    ),
    "an envelope of 5 MiB": Attack(
        instead_of_release(b" " * (5 << 20)), (2, "5,242,880 bytes"), (1, "trust/walk.too_large")
    ),
    "seventeen signatures": Attack(
        instead_of_release(envelope(b"{}", [SIGNATURE] * 17)), (3, "1 to 16"), (1, MALFORMED)
    ),
    "a giant payload that nobody signed": Attack(
        instead_of_release(envelope(b"[" * 3_000_000, [SIGNATURE] * 16)),
        (3, "a signature does not verify"),
        (1, "trust/signature_invalid"),
    ),
    "a giant signature": Attack(
        instead_of_release(envelope(b"{}", [{"sig": text64(b"x" * 3_000_000)}])),
        (3, "a signature of 3000000 bytes"),
        (1, MALFORMED),
    ),
    "base64 with something in it": Attack(
        instead_of_release(
            envelope(b"", [SIGNATURE]).replace(b'""', b'"' + b"A" * 3_000_000 + b'*"')
        ),
        (3, "payload is not base64"),
        (1, MALFORMED),
    ),
    "eleven hundred roots": Attack(
        files(roots), (3, "root version 2 does not follow 2"), (1, "trust/root_version_not_next")
    ),
    "a root of 600 kB": Attack(files(long_root), (2, "524,288"), (1, "trust/walk.too_large")),
    "two thousand envelopes": Attack(
        further("environments/production", "release.", 2000),
        (3, "2,001 envelopes is more than the 16"),
        (1, "trust/signed.too_many_envelopes"),
    ),
    "two thousand acknowledgements": Attack(
        further("environments/production/acks", "", 2000), (0, ""), (1, "trust/acks.too_many")
    ),
    "a giant acknowledgement": Attack(
        files(
            lambda _host: {
                f"environments/production/acks/{n}.dsse.json": envelope(
                    b"%d" % n * 1_000_000, [SIGNATURE]
                )
                for n in range(3)
            }
        ),
        (0, ""),
        (1, "trust/walk.too_large"),
    ),
    "five thousand versions": Attack(many_versions, (0, ""), (1, "trust/signed.wrong_place")),
    "eight thousand bundles": Attack(
        many_bundles,
        (2, "bundles/caip/chains/versions/1 is not in the repository"),
        (1, "trust/authoring.too_much_wrong"),
    ),
    "eight thousand environments": Attack(
        many_environments, (0, ""), (1, "trust/authoring.too_many_environments")
    ),
    "a release of ten thousand bundles": Attack(
        many_live, (2, "is not in the repository"), (1, "trust/admit.bundle_missing")
    ),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_hostile_documents_are_refused_cheaply_at_both_doors(
    attack: Attack, meet: Callable[[Attack], None]
) -> None:
    meet(attack)


def test_every_way_to_write_a_hostile_draft_is_one_cheap_finding(host: Host, idle: Idle) -> None:
    drafts: dict[str, bytes | None] = {
        f"bundles/card-bin/{name}/draft.json": data for name, data in DRAFTS.items()
    }
    commit = host.files(host.shop.tip, drafts)

    judged = host.validate(commit)

    found = [one for one in json.loads(judged.out)["findings"] if one["file"] in drafts]
    assert sorted(one["file"] for one in found) == sorted(drafts)
    assert {one["rule"] for one in found} == {"trust/json.malformed"}
    check_cost(judged, idle.validate)


def test_acknowledgements_up_to_the_bound_are_looked_through(host: Host) -> None:
    payload = b"nobody has to be able to read this"
    acks: dict[str, bytes | None] = {
        f"environments/production/acks/{number}.dsse.json": envelope(payload, [SIGNATURE])
        for number in range(256)
    }

    assert host.validate(host.files(host.shop.tip, acks)).code == 0
