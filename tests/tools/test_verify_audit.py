"""The file that stands alone says of an audit trail what the product says of it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.artifacts import levels, walk
from controller.audit.checkpoint import sign_checkpoint
from controller.audit.commit import COMMIT_SIZE_MAX_BYTES, content, record_in, reference
from controller.audit.record import AckUsed, AuditRecord, RollbackUsed
from controller.audit.size import SIZE_MAX_BYTES
from controller.authoring.starting import AUDIT, ROLLBACK
from controller.kernel.canonical import Digest, readable, sha256
from controller.kernel.objects import Oid
from controller.reconcile.proof import prove_git
from controller.stores.control.model import RevisionKind
from controller.trust.commit import parse_commit, with_signature
from controller.trust.envelope import parse as parse_envelope
from controller.trust.sign import SeedSigner, Signer, sign_commit
from tests.support.audit import digest_of
from tests.support.trail import Trail, renumbered, repinned, rewrapped
from tests.support.trees import git
from tests.support.world import NEW_RANGE, OTHER_RANGE, TWO, Shop
from tests.tools.changes import DAY, with_root
from tests.tools.verdicts import fresh_copy, judge_audit, prove_audit, reconcile

ELSEWHERE = "00000000-0000-0000-0000-000000000000"
STRANGER = SeedSigner.of(b"stranger".ljust(32, b"."))
ROOT_OWNERS = TWO
RELEASE = "environments/production/release.json"
ENVELOPE = "environments/production/release.dsse.json"


@dataclass
class Branch:
    """A shop's audit branch of three links, in the hands of whoever holds the audit key."""

    shop: Shop
    trail: Trail
    records: list[AuditRecord]
    signers: dict[int, Signer] = field(default_factory=dict)

    @classmethod
    def of(cls, shop: Shop) -> "Branch":
        raws = [shop.repository.raw_commit(one) for one in shop.audit_commits()]
        records = [AuditRecord.parse(record_in(parse_commit(raw).message)) for raw in raws]
        return cls(shop, Trail(shop.repository), records)

    def write(
        self,
        records: list[AuditRecord],
        *,
        signers: dict[int, Signer] | None = None,
        bend: Callable[[int, bytes], bytes] = lambda _, made: made,
    ) -> list[Oid]:
        """Make the branch hold exactly these records, signed with the audit key or another."""
        mine: dict[int, Signer] = dict.fromkeys(range(1, 10), self.shop.signer(AUDIT))
        by = {**mine, **(signers or {})}
        return self.trail.rewrite(records, controller=self.shop.controller, signers=by, bend=bend)

    def bend(self, change: Callable[[bytes], bytes], at: int = 2) -> None:
        self.write(self.records, bend=lambda seq, made: change(made) if seq == at else made)

    def last_raw(self, change: Callable[[bytes], bytes]) -> None:
        """Put another object in the place of the last commit, signature and all."""
        tip = self.trail.tip(self.shop.controller)
        raw = change(self.shop.repository.raw_commit(tip))
        self.trail.point_at(self.shop.repository.write_commit(raw, None), self.shop.controller)

    def checkpoint(self) -> bytes:
        """What a witness keeps now."""
        shop, now = self.shop, self.shop.clock.instant
        trusted, proof = prove_git(
            shop.repository, shop.pin, branch="main", controller=shop.controller, now=now
        )
        return sign_checkpoint(proof, trusted.root, shop.signer(AUDIT), now=now).note

    def root_digest(self, version: int) -> Digest:
        """The SHA-256 of a root that stands on the branch."""
        envelope = self.shop.read(f"trust/root/{version}.root.json")
        return parse_envelope(envelope).digest

    def repinned(self, version: int = 2, **members: Any) -> list[AuditRecord]:
        """The records, and one more that says that the host starts from a root of the branch."""
        signers = tuple(sorted(self.shop.signer(name).public.id for name in ROOT_OWNERS))
        facts = {
            "signers": {**self.records[-1].signers, "root": signers},
            "plan_digest": self.root_digest(version),
            "root_version": version,
            **members,
        }
        return repinned(self.records, **facts)


def three_links(shop: Shop) -> Branch:
    """Apply two more releases."""
    for line in (NEW_RANGE, OTHER_RANGE):
        shop.publish(add=[line])
        assert reconcile(shop) == "accepted"
    return Branch.of(shop)


@pytest.fixture(scope="session")
def third_day(
    audited_day: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory, server_url: str
) -> Path:
    """Return the home of a shop with three links; its database is gone."""
    home = tmp_path_factory.mktemp("third-day")
    with fresh_copy(audited_day, home, server_url) as shop:
        three_links(shop)
    return home


@pytest.fixture
def branch(third_day: Path, tmp_path: Path) -> Branch:
    return Branch.of(Shop.copy(third_day, tmp_path))


def twice_signed(raw: bytes) -> bytes:
    """Put a second signature header behind the first."""
    headers, gap, message = raw.partition(b"\n\n")
    signature = headers[headers.index(b"\ngpgsig ") :]
    return headers + signature + gap + message


def key_of(branch: Branch, name: str) -> str:
    return branch.shop.signer(name).public.id


def signed_by(branch: Branch, what: str, *keys: str) -> dict[str, tuple[str, ...]]:
    """The signers of the second record, one list of them another."""
    return {**branch.records[1].signers, what: tuple(sorted(keys))}


def then(branch: Branch, **members: Any) -> list[AuditRecord]:
    """The records and one more, which follows the last."""
    last = branch.records[-1]
    facts = {"revision": last.revision + 1, "parent_commit": last.commit, **members}
    return renumbered([*branch.records, replace(last, **facts)])


def other_rules(**members: Any) -> dict[str, Any]:
    """The members of a record that judges the last release by other rules."""
    return {"kind": RevisionKind.REPOLICY, "policies_digest": digest_of("other rules"), **members}


def committed(
    branch: Branch, files: dict[str, bytes], *parents: Oid, onto: str | None = None
) -> Oid:
    """Commit files on top of the first parent, and move a branch there or none."""
    repository = branch.shop.repository
    tree = repository.write_tree(dict(files), repository.tree_of(parents[0]))
    above = "".join(f"parent {one.hex()}\n" for one in parents)
    who = "mallory <mallory@example> 1795176000 +0000"
    raw = f"tree {tree.hex()}\n{above}author {who}\ncommitter {who}\n\nWork\n"
    commit = repository.write_commit(raw.encode(), None)
    if onto is not None:
        repository.move(onto, repository.target(onto), commit)
    return commit


def root_of_a_side_branch(branch: Branch) -> list[AuditRecord]:
    """A root that the followed branch never had stood on a branch that was merged without it."""
    last = branch.records[-1].commit
    side = committed(branch, {"trust/root/9.root.json": b"rubbish"}, last)
    committed(branch, {}, last, side, onto="refs/heads/main")
    return then(branch, commit=side, root_version=9, **other_rules())


def behind_a_side_branch(branch: Branch) -> list[AuditRecord]:
    """The root that only a side branch had is gone again, and the record still names it."""
    records = root_of_a_side_branch(branch)
    tip = branch.shop.repository.target("refs/heads/main")
    assert tip is not None
    more = replace(
        records[-1],
        revision=records[-1].revision + 1,
        commit=tip,
        parent_commit=records[-1].commit,
        policies_digest=digest_of("yet other rules"),
    )
    return renumbered([*records, more])


def unsigned_release(branch: Branch, *, onto: str | None) -> list[AuditRecord]:
    """A release that follows the last one and that nobody signed."""
    document = json.loads(branch.shop.read(RELEASE))
    last = branch.records[-1]
    before = {"serial": last.serial, "sha256": last.release_sha256}
    document["predicate"].update(serial=last.serial + 1, previous=before)
    payload = readable(document)
    commit = committed(branch, {RELEASE: payload}, last.commit, onto=onto)
    return then(branch, commit=commit, serial=last.serial + 1, release_sha256=sha256(payload))


def earlier_release(branch: Branch, **members: Any) -> list[AuditRecord]:
    """The first release stands there again, signatures and all."""
    first, last = branch.records[0], branch.records[-1]
    repository = branch.shop.repository
    tree = repository.tree_of(first.commit)
    files = {}
    for entry in levels.children(repository, walk_to(branch, tree), "environments/production"):
        files[f"environments/production/{entry.name}"] = repository.read(entry.oid)
    commit = committed(branch, files, last.commit, onto="refs/heads/main")
    facts = {"commit": commit, "serial": first.serial, "release_sha256": first.release_sha256}
    return then(branch, **facts, signers=first.signers, **members)


def walk_to(branch: Branch, tree: Oid) -> Oid:
    found = walk.find(branch.shop.repository, tree, "environments/production")
    assert found is not None
    return found.oid


def gone_back(branch: Branch, **members: Any) -> list[AuditRecord]:
    """A return to the first release, by the word of the rollback key."""
    facts = {"from_serial": 3, "evidence": None, "signers": (key_of(branch, ROLLBACK),), **members}
    return earlier_release(branch, kind=RevisionKind.ROLLBACK, rollback=RollbackUsed(**facts))


def first_repin(branch: Branch, **members: Any) -> list[AuditRecord]:
    """A controller under a new name, whose first record is of a pinned root."""
    last = branch.records[-1]
    facts = {
        "kind": RevisionKind.REPIN,
        "parent_commit": last.commit,
        "signers": {"root": tuple(sorted(key_of(branch, name) for name in ROOT_OWNERS))},
        "plan_digest": branch.root_digest(1),
        "counts": {},
        **members,
    }
    return renumbered([replace(last, **facts)])


def acknowledged(branch: Branch, *keys: str) -> list[AuditRecord]:
    return changed(branch, acks=(AckUsed(digest_of("ack"), tuple(sorted(keys))),))


def two_parents(branch: Branch) -> None:
    first, second, _ = branch.shop.audit_commits()
    unsigned = content(branch.records[2], second)
    line = b"parent " + second.hex().encode() + b"\n"
    unsigned = unsigned.replace(line, line + b"parent " + first.hex().encode() + b"\n")
    signed = with_signature(unsigned, sign_commit(unsigned, branch.shop.signer(AUDIT)))
    branch.trail.point_at(branch.shop.repository.write_commit(signed, None), branch.shop.controller)


def filled(record: AuditRecord, size_bytes: int) -> AuditRecord:
    """The record with exactly so many bytes: a table has a long name."""
    missing = size_bytes - len(replace(record, tables={"": "1"}).to_bytes())
    return replace(record, tables={"t" * missing: "1"})


def changed(branch: Branch, **members: object) -> list[AuditRecord]:
    """The records with members of the second one changed, as one chain again."""
    first, second, third = branch.records
    return renumbered([first, replace(second, **members), third])  # type: ignore[arg-type]


ALLOWED: dict[str, Callable[[Branch], object]] = {
    "a clock that was set back a little": lambda one: one.write(
        changed(one, applied_at=one.records[0].applied_at - timedelta(seconds=300))
    ),
    "the same release by other rules": lambda one: one.write(
        renumbered(
            [
                *one.records,
                replace(
                    one.records[2],
                    kind=RevisionKind.REPOLICY,
                    revision=4,
                    parent_commit=one.records[2].commit,
                    policies_digest=digest_of("other rules"),
                ),
            ]
        )
    ),
    "a controller under a new name": lambda one: one.write(renumbered(one.records[1:])),
    "a return to the first release": lambda one: one.write(gone_back(one)),
    "a pinned root under a new name": lambda one: one.write(first_repin(one)),
    "an acknowledgement": lambda one: one.write(
        acknowledged(one, key_of(one, "alice"), key_of(one, "bob"))
    ),
    "an instant that is a little ahead": lambda one: one.write(
        then(
            one,
            applied_at=one.shop.clock.instant + timedelta(seconds=300),
            **other_rules(),
        )
    ),
    "a record as large as any": lambda one: one.write(
        [*one.records[:2], filled(one.records[2], SIZE_MAX_BYTES)]
    ),
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_what_the_product_proves_is_proven(
    branch: Branch, change: Callable[[Branch], object]
) -> None:
    change(branch)

    judged = judge_audit(branch.shop)

    assert prove_audit(branch.shop) == "accepted"
    assert judged.verdict == "accepted", judged.said


def test_controllers_that_took_turns_prove_each_others_revisions(branch: Branch) -> None:
    """Revisions are gapless for each environment, whichever controller made them."""
    first, second, third = branch.records
    taking_turns = renumbered([first, third])

    def with_other(root: dict[str, Any]) -> None:
        root["roles"]["audit"]["other"] = root["roles"]["audit"][branch.shop.controller]

    branch.write(taking_turns)
    with_root(with_other)(branch.shop)
    assert judge_audit(branch.shop).verdict == prove_audit(branch.shop) == "audit.link_revision"

    key = branch.shop.signer(AUDIT)
    between = renumbered([replace(second, controller="other")])
    branch.trail.rewrite(between, controller="other", signers={1: key})

    assert judge_audit(branch.shop).verdict == prove_audit(branch.shop) == "accepted"


def test_a_root_that_was_pinned_is_proven_under_it(branch: Branch) -> None:
    branch.write(branch.repinned(1, root_version=2))
    assert judge_audit(branch.shop).verdict == prove_audit(branch.shop) == "audit.link_root"

    with_root(lambda _: None)(branch.shop)
    assert judge_audit(branch.shop).verdict == prove_audit(branch.shop) == "audit.link_root"

    branch.write(branch.repinned(2))
    assert judge_audit(branch.shop).verdict == prove_audit(branch.shop) == "accepted"


def test_a_record_of_another_repository_is_refused_without_the_artifacts(branch: Branch) -> None:
    branch.write(changed(branch, repository=ELSEWHERE))

    assert judge_audit(branch.shop, "--alone").verdict == "audit.link_repository"


REFUSED: dict[str, tuple[Callable[[Branch], object], str]] = {
    "no branch": (
        lambda one: git(one.shop.folder, "update-ref", "-d", reference(one.shop.controller)),
        "audit.no_branch",
    ),
    "another key": (
        lambda one: one.write(one.records, signers={2: STRANGER}),
        "audit.link_signature",
    ),
    "a key of people": (
        lambda one: one.write(one.records, signers={2: one.shop.signer("alice")}),
        "audit.link_signature",
    ),
    "no signature": (
        lambda one: one.last_raw(
            lambda raw: raw[: raw.index(b"\ngpgsig")] + b"\n\n" + raw.partition(b"\n\n")[2]
        ),
        "audit.link_signature",
    ),
    "two signatures": (lambda one: one.last_raw(twice_signed), "audit.link_malformed"),
    "a changed message": (
        lambda one: one.last_raw(lambda raw: raw.replace(b"Apply release", b"Apply Release")),
        "audit.link_signature",
    ),
    "an unknown header": (
        lambda one: one.last_raw(lambda raw: raw.replace(b"\ngpgsig ", b"\nmore x\ngpgsig ")),
        "audit.link_malformed",
    ),
    "two parents": (two_parents, "audit.link_parents"),
    "a link that was left out": (
        lambda one: one.write([one.records[0], one.records[2]]),
        "audit.link_order",
    ),
    "a cut beginning": (lambda one: one.write(one.records[1:]), "audit.link_order"),
    "a chain that was cut and numbered again": (
        lambda one: one.write([one.records[0], replace(one.records[2], seq=2)]),
        "audit.link_digest",
    ),
    "a record of another controller": (
        lambda one: one.write(changed(one, controller="other")),
        "audit.link_foreign",
    ),
    "another trailer": (
        lambda one: one.bend(lambda made: made.replace(b"Serial: 2", b"Serial: 3")),
        "audit.link_trailers",
    ),
    "a trailer more": (
        lambda one: one.bend(lambda made: made + b"Extra: 1\n"),
        "audit.link_trailers",
    ),
    "another first line": (
        lambda one: one.bend(lambda made: made.replace(b"Apply", b"Applied", 1)),
        "audit.link_malformed",
    ),
    "another time": (
        lambda one: one.bend(lambda made: made.replace(b" +0000\ncommitter", b" +0100\ncommitter")),
        "audit.link_malformed",
    ),
    "a record that is not canonical": (
        lambda one: one.bend(lambda made: made.replace(b'"acks":[]', b'"acks": []')),
        "audit.link_malformed",
    ),
    "a record that is too large": (
        lambda one: one.write([*one.records[:2], filled(one.records[2], SIZE_MAX_BYTES + 1)]),
        "audit.link_malformed",
    ),
    "a commit that is too large": (
        lambda one: one.write([filled(one.records[0], COMMIT_SIZE_MAX_BYTES), *one.records[1:]]),
        "audit.link_malformed",
    ),
    "a record without a member": (
        lambda one: one.bend(lambda made: made.replace(b'"acks":[],', b"")),
        "audit.link_malformed",
    ),
    "a record with signers out of order": (
        lambda one: one.bend(lambda made: made.replace(b'"release":["', b'"release":["~","', 1)),
        "audit.link_malformed",
    ),
    "an armor that was wrapped otherwise": (
        lambda one: one.last_raw(rewrapped),
        "audit.link_malformed",
    ),
    "a repository that is no UUID": (
        lambda one: one.write(changed(one, repository="not a uuid")),
        "audit.link_malformed",
    ),
    "a serial that the release does not have": (
        lambda one: one.write(changed(one, serial=99)),
        "audit.link_statement",
    ),
    "another repository": (
        lambda one: one.write(changed(one, repository=ELSEWHERE)),
        "audit.link_statement",
    ),
    "nobody signed": (
        lambda one: one.write(changed(one, signers={})),
        "audit.link_statement",
    ),
    "a bundle that nobody signed": (
        lambda one: one.write(changed(one, signers=dict.fromkeys(one.records[1].signers, ()))),
        "audit.link_statement",
    ),
    "a gap in the revisions": (
        lambda one: one.write(changed(one, revision=77)),
        "audit.link_revision",
    ),
    "a revision twice": (
        lambda one: one.write(changed(one, kind=RevisionKind.FORWARD, revision=1)),
        "audit.link_revision",
    ),
    "a second baseline": (
        lambda one: one.write(changed(one, kind=RevisionKind.BASELINE)),
        "audit.link_revision",
    ),
    "a baseline again": (
        lambda one: one.write(
            changed(one, kind=RevisionKind.BASELINE, revision=1, parent_commit=None)
        ),
        "audit.link_revision",
    ),
    "another release by other rules": (
        lambda one: one.write(changed(one, kind=RevisionKind.REPOLICY)),
        "audit.link_revision",
    ),
    "no commit before": (
        lambda one: one.write(changed(one, parent_commit=None)),
        "audit.link_ancestry",
    ),
    "a commit before that is not there": (
        lambda one: one.write(changed(one, parent_commit=Oid(b"\1" * 20))),
        "audit.link_ancestry",
    ),
    "a commit before that is a later one": (
        lambda one: one.write(changed(one, parent_commit=one.records[2].commit)),
        "audit.link_ancestry",
    ),
    "a commit before with another release": (
        lambda one: one.write(changed(one, parent_commit=one.records[1].commit)),
        "audit.link_ancestry",
    ),
    "an instant of long ago": (
        lambda one: one.write(
            changed(one, applied_at=one.records[0].applied_at - timedelta(seconds=301))
        ),
        "audit.link_time",
    ),
    "a root from nowhere": (
        lambda one: one.write(changed(one, root_version=99)),
        "audit.link_root",
    ),
    "a first root from nowhere": (
        lambda one: one.write(renumbered([replace(one.records[0], root_version=99)])),
        "audit.link_root",
    ),
    "a pinned root from nowhere": (
        lambda one: one.write(one.repinned(1, root_version=99)),
        "audit.link_root",
    ),
    "a pinned root that was followed": (
        lambda one: one.write(one.repinned(1)),
        "audit.link_root",
    ),
    "a pinned root that moves on": (
        lambda one: one.write(one.repinned(1, root_version=2, parent_commit=one.records[1].commit)),
        "audit.link_ancestry",
    ),
    "a pinned root with other signers": (
        lambda one: one.write(one.repinned(1, root_version=2, signers={"root": ("SHA256:alice",)})),
        "audit.link_statement",
    ),
    "not applied": (
        lambda one: one.write(changed(one, result="failed")),
        "audit.link_malformed",
    ),
    "a forward that tells of a rollback": (
        lambda one: one.write(changed(one, rollback=RollbackUsed(1, None, ("x",)))),
        "audit.link_revision",
    ),
    "a rollback that tells of none": (
        lambda one: one.write(changed(one, kind=RevisionKind.ROLLBACK)),
        "audit.link_revision",
    ),
    "a rollback to a later release": (
        lambda one: one.write(
            changed(
                one,
                kind=RevisionKind.ROLLBACK,
                rollback=RollbackUsed(1, None, (key_of(one, ROLLBACK),)),
            )
        ),
        "audit.link_revision",
    ),
    "an older release that is no rollback": (
        lambda one: one.write(earlier_release(one)),
        "audit.link_revision",
    ),
    "a rollback from another release": (
        lambda one: one.write(gone_back(one, from_serial=77)),
        "audit.link_revision",
    ),
    "a rollback that nobody signed": (
        lambda one: one.write(gone_back(one, signers=())),
        "audit.link_statement",
    ),
    "a rollback by somebody of another role": (
        lambda one: one.write(gone_back(one, signers=(key_of(one, "alice"),))),
        "audit.link_signers",
    ),
    "an acknowledgement by nobody": (
        lambda one: one.write(acknowledged(one)),
        "audit.link_statement",
    ),
    "an acknowledgement by a stranger": (
        lambda one: one.write(acknowledged(one, STRANGER.public.id)),
        "audit.link_signers",
    ),
    "an acknowledgement by too few": (
        lambda one: one.write(acknowledged(one, key_of(one, "alice"))),
        "audit.link_signers",
    ),
    "a release by one key twice": (
        lambda one: one.write(
            changed(one, signers=signed_by(one, "release", *[key_of(one, "alice")] * 2))
        ),
        "audit.link_statement",
    ),
    "a release by strangers": (
        lambda one: one.write(changed(one, signers=signed_by(one, "release", "nobody at all"))),
        "audit.link_signers",
    ),
    "a release by fewer than signed it": (
        lambda one: one.write(
            changed(one, signers=signed_by(one, "release", one.records[1].signers["release"][0]))
        ),
        "audit.link_signers",
    ),
    "a bundle by strangers": (
        lambda one: one.write(
            changed(
                one,
                signers=signed_by(one, max(one.records[1].signers.keys() - {"release"}), "x"),
            )
        ),
        "audit.link_signers",
    ),
    "an acknowledgement by a stranger, too": (
        lambda one: one.write(
            acknowledged(one, key_of(one, "alice"), key_of(one, "bob"), STRANGER.public.id)
        ),
        "audit.link_signers",
    ),
    "an instant that has not come": (
        lambda one: one.write(
            then(
                one,
                applied_at=one.shop.clock.instant + timedelta(seconds=301),
                **other_rules(),
            )
        ),
        "audit.link_time",
    ),
    "the same release again": (lambda one: one.write(then(one)), "audit.link_revision"),
    "other rules that are the same": (
        lambda one: one.write(then(one, kind=RevisionKind.REPOLICY)),
        "audit.link_revision",
    ),
    "a first pinned root that nobody signed": (
        lambda one: one.write(first_repin(one, signers={})),
        "audit.link_statement",
    ),
    "a first pinned root that a stranger signed": (
        lambda one: one.write(first_repin(one, signers={"root": ("x",)})),
        "audit.link_signers",
    ),
    "a first pinned root of other bytes": (
        lambda one: one.write(first_repin(one, plan_digest=digest_of("another root"))),
        "audit.link_root",
    ),
    "a pinned root that changes rows": (
        lambda one: one.write(first_repin(one, counts={"ranges": {"added": 1}})),
        "audit.link_statement",
    ),
    "a root of a side branch": (
        lambda one: one.write(root_of_a_side_branch(one)),
        "audit.link_root",
    ),
    "a root of a side branch that the branch does not hold": (
        lambda one: one.write(behind_a_side_branch(one)),
        "audit.link_root",
    ),
    "a release that nobody signed": (
        lambda one: one.write(unsigned_release(one, onto="refs/heads/main")),
        "audit.link_signers",
    ),
    "a release of a branch that was never merged": (
        lambda one: one.write(unsigned_release(one, onto=None)),
        "audit.link_source",
    ),
    "a source commit that is not there": (
        lambda one: one.write(changed(one, commit=Oid(b"\1" * 20))),
        "audit.link_source",
    ),
    "another release": (
        lambda one: one.write(changed(one, release_sha256=digest_of("another"))),
        "audit.link_release",
    ),
}


@pytest.mark.parametrize(("change", "code"), REFUSED.values(), ids=REFUSED)
def test_what_the_product_does_not_prove_is_refused_for_the_same_reason(
    branch: Branch, change: Callable[[Branch], object], code: str
) -> None:
    assert judge_audit(branch.shop).verdict == "accepted"
    change(branch)

    judged = judge_audit(branch.shop)

    assert prove_audit(branch.shop) == code
    assert judged.verdict == code, judged.said


@pytest.mark.parametrize(("at", "link"), [(1, "link 1"), (2, "link 2"), (3, "newest link")])
def test_a_commit_that_is_too_large_is_blamed_on_its_link(
    branch: Branch, at: int, link: str
) -> None:
    records = list(branch.records)
    records[at - 1] = filled(records[at - 1], COMMIT_SIZE_MAX_BYTES)
    bad = branch.write(records)[at - 1].hex()

    judged = judge_audit(branch.shop)

    assert prove_audit(branch.shop) == judged.verdict == "audit.link_malformed"
    assert judged.json["refusal"]["where"] == f"audit trail of countersign, {link}, commit {bad}"


def test_a_whole_trail_is_proven_link_by_link(branch: Branch) -> None:
    judged = judge_audit(branch.shop)

    assert prove_audit(branch.shop) == judged.verdict == "accepted"
    assert judged.json["links"] == 3
    assert judged.json["tip"] == branch.shop.audit_commits()[-1].hex()
    assert judged.json["last"]["sha256"] == branch.records[-1].sha256
    assert judged.json["releases_compared"] is True


def test_the_same_records_written_again_are_the_same_trail(branch: Branch) -> None:
    before = branch.shop.audit_commits()

    assert branch.write(branch.records) == before
    assert judge_audit(branch.shop).verdict == "accepted"


def test_a_revoked_audit_key_proves_nothing(branch: Branch) -> None:
    shop, key = branch.shop, branch.shop.signer(AUDIT).public.id
    said = {key: {"at": "2026-11-20T12:00:00Z", "reason": "stolen"}}

    with_root(lambda root: root.update(revoked=said))(shop)

    assert judge_audit(shop).verdict == prove_audit(shop) == "audit.link_signature"


def test_a_trail_in_a_repository_of_its_own_is_proven_beside_the_artifacts(
    branch: Branch, tmp_path: Path
) -> None:
    shop = branch.shop
    ref = reference(shop.controller)
    git(tmp_path, "init", "--quiet", "--bare", "trail.git")
    git(shop.folder, "push", "--quiet", str(tmp_path / "trail.git"), ref)
    apart = replace(shop, folder=tmp_path / "trail.git")

    beside = judge_audit(apart, "--repository", shop.folder)
    alone = judge_audit(apart, "--alone")
    without = judge_audit(apart)

    assert (beside.verdict, beside.json["releases_compared"]) == ("accepted", True)
    assert (alone.verdict, alone.json["releases_compared"]) == ("accepted", False)
    assert without.verdict == "source.no_branch"


def kept(branch: Branch, name: str, data: bytes) -> tuple[str, Path]:
    path = branch.shop.keys / name
    path.write_bytes(data)
    return "--checkpoint", path


def test_a_trail_goes_on_passing_the_checkpoints_that_somebody_kept(shop: Shop) -> None:
    branch = three_links(shop)
    first = kept(branch, "first.txt", branch.checkpoint())
    branch.shop.clock.advance(DAY)
    branch.shop.publish(drop=[NEW_RANGE])
    assert reconcile(branch.shop) == "accepted"
    second = kept(branch, "second.txt", branch.checkpoint())

    judged = judge_audit(branch.shop, *second, *first)

    assert judged.verdict == "accepted", judged.said
    assert [one["size"] for one in judged.json["checkpoints"]] == [3, 4]


def test_a_cut_tail_passes_git_and_not_the_checkpoint(branch: Branch) -> None:
    checkpoint = kept(branch, "kept.txt", branch.checkpoint())

    branch.trail.point_at(branch.shop.audit_commits()[1], branch.shop.controller)

    assert judge_audit(branch.shop).verdict == prove_audit(branch.shop) == "accepted"
    assert judge_audit(branch.shop, *checkpoint).verdict == "audit.truncated"


def test_a_trail_that_was_written_anew_with_a_stolen_key_is_seen(branch: Branch) -> None:
    checkpoint = kept(branch, "kept.txt", branch.checkpoint())

    branch.write(changed(branch, plan_digest=digest_of("another plan")))

    assert judge_audit(branch.shop).verdict == prove_audit(branch.shop) == "accepted"
    assert judge_audit(branch.shop, *checkpoint).verdict == "audit.rewritten"


@pytest.mark.parametrize(
    ("bend", "code"),
    [
        (lambda note: note.replace(b"\n3\n", b"\n2\n"), "audit.checkpoint_signature"),
        (lambda note: note.replace(b"countersign\n", b"other\n", 1), "audit.checkpoint_foreign"),
        (lambda note: note.replace(b"\n3\n", b"\n03\n"), "audit.checkpoint_malformed"),
        (lambda note: note.replace(b"\n\n", b"\nmore\n\n"), "audit.checkpoint_malformed"),
        (lambda note: note.partition(b"\n\n")[0], "audit.checkpoint_malformed"),
        (lambda note: note.replace(b"countersign ", b"witness "), "audit.checkpoint_signature"),
        (lambda note: b"\xff" + note, "audit.checkpoint_malformed"),
        (lambda note: note.replace("— ".encode(), b"- "), "audit.checkpoint_malformed"),
    ],
)
def test_a_checkpoint_that_nobody_signed_so_is_refused(
    branch: Branch, bend: Callable[[bytes], bytes], code: str
) -> None:
    note = branch.checkpoint()

    assert judge_audit(branch.shop, *kept(branch, "kept.txt", note)).verdict == "accepted"
    assert judge_audit(branch.shop, *kept(branch, "bent.txt", bend(note))).verdict == code


def test_the_line_of_a_witness_changes_nothing(branch: Branch) -> None:
    note = branch.checkpoint() + "— witness.example AAAAAAAA\n".encode()

    assert judge_audit(branch.shop, *kept(branch, "kept.txt", note)).verdict == "accepted"


def test_a_clone_finds_the_trail_at_its_origin(branch: Branch, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--no-local", str(branch.shop.folder), str(clone))
    apart = replace(branch.shop, folder=clone)

    assert judge_audit(apart).json["links"] == 3

    shutil.rmtree(clone)
