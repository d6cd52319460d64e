"""The file that stands alone says of an audit trail what the product says of it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.audit.checkpoint import sign_checkpoint
from controller.audit.commit import COMMIT_SIZE_MAX_BYTES, content, record_in, reference
from controller.audit.prove import verify_git
from controller.audit.record import SIZE_MAX_BYTES, AuditRecord
from controller.authoring.starting import AUDIT
from controller.kernel.objects import Oid
from controller.reconcile.proof import branch_root
from controller.stores.control.model import RevisionKind
from controller.trust.commit import parse_commit, with_signature
from controller.trust.root import Root
from controller.trust.sign import SeedSigner, Signer, sign_commit
from tests.support.audit import digest_of
from tests.support.trail import Trail, renumbered, repinned, rewrapped
from tests.support.trees import git
from tests.support.world import NEW_RANGE, OTHER_RANGE, Shop
from tests.tools.changes import DAY, with_root
from tests.tools.verdicts import fresh_copy, judge_audit, prove_audit, reconcile

ELSEWHERE = "00000000-0000-0000-0000-000000000000"
STRANGER = SeedSigner.of(b"stranger".ljust(32, b"."))


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
        root, now = self.root(), self.shop.clock.instant
        proof = verify_git(self.shop.repository, root, self.shop.controller, now=now)
        return sign_checkpoint(proof, root, self.shop.signer(AUDIT), now=now).note

    def root(self) -> Root:
        now = self.shop.clock.instant
        return branch_root(self.shop.repository, self.shop.pin, "main", now).root


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
                ),
            ]
        )
    ),
    "a controller under a new name": lambda one: one.write(renumbered(one.records[1:])),
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
    branch.write(repinned(branch.records, root_version=2))
    assert judge_audit(branch.shop).verdict == prove_audit(branch.shop) == "audit.link_root"

    with_root(lambda _: None)(branch.shop)

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
        lambda one: one.write(repinned(one.records, root_version=99)),
        "audit.link_root",
    ),
    "a pinned root that was followed": (
        lambda one: one.write(repinned(one.records, root_version=1)),
        "audit.link_root",
    ),
    "a pinned root that moves on": (
        lambda one: one.write(
            repinned(one.records, root_version=2, parent_commit=one.records[1].commit)
        ),
        "audit.link_ancestry",
    ),
    "a pinned root with other signers": (
        lambda one: one.write(
            repinned(one.records, root_version=2, signers={"root": ("SHA256:alice",)})
        ),
        "audit.link_statement",
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
