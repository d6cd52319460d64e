"""A world with a source branch, a journal and an audit branch."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from controller.adapters.git import GitRepository
from controller.adapters.postgres import Connection, transaction
from controller.artifacts.layout import BundleId
from controller.artifacts.release import LiveBundle, ReleaseRef, ReleaseStatement
from controller.audit import commit as commits
from controller.audit import journal
from controller.audit.followed import Followed
from controller.audit.journal import Link
from controller.audit.prove import Proof, verify_git
from controller.audit.publish import Published, publish
from controller.audit.record import GENESIS, AuditRecord
from controller.kernel.canonical import sha256
from controller.kernel.objects import Oid
from controller.stores.control.model import RevisionKind
from controller.trust.core import Role
from controller.trust.keys import PublicKey
from controller.trust.root import Root, parse_root, render_root
from controller.trust.sign import SeedSigner, Signer, sign_commit
from tests.support import trust
from tests.support.audit import NOON, REPOSITORY, digest_of, record
from tests.support.trust import BOB, CAROL, document, granted, sealed

AUDITOR = SeedSigner.of(b"auditor".ljust(32, b"."))
STRANGER = SeedSigner.of(b"stranger".ljust(32, b"."))
ALICE = "alice <alice@bank.example> 1795176000 +0000"
AUDIT_KEY = PublicKey.of(AUDITOR.public, "controller")
LATER = NOON + timedelta(hours=12)
"""When trails are proven: each record is a minute later than the one before."""
NOWHERE = Oid(bytes(20))
OWNERS = (trust.ALICE, BOB)
OWNER_IDS = tuple(sorted(one.id for one in OWNERS))
SIGNERS = {"release": OWNER_IDS, "card-bin/binlist@1": (BOB.id,)}
_EVERYBODY = granted(*OWNERS)
_ROLES = {
    "release": {"production": granted(*OWNERS, threshold=2), "staging": _EVERYBODY},
    "rollback": {"production": {**granted(CAROL), "max_age": "P30D"}},
    "root": granted(*OWNERS, threshold=2),
    "bundle": [{"paths": ["bundles/**"], "rails": ["card-bin"], **_EVERYBODY}],
}
_ROOT = parse_root(render_root(document(*OWNERS, CAROL, repository=REPOSITORY, roles=_ROLES)))


def rooted(keys: tuple[PublicKey, ...] = (AUDIT_KEY,), version: int = 1, **more: Any) -> Root:
    """Return a root under which Alice and Bob release, Carol rolls back, and others audit."""
    audit = {name: Role(f"audit/{name}", keys, 1) for name in ("one", "two")}
    digest = digest_of(f"root {version}")
    return replace(_ROOT, version=version, audit=audit, digest=digest, **more)


@dataclass(slots=True)
class Trail:
    """A repository whose source branch has releases and whose audit branch says so."""

    repository: GitRepository
    records: list[AuditRecord] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)
    applied: dict[str, Oid] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    root_version: int = 1

    @classmethod
    def at(cls, path: Path) -> "Trail":
        """Return an empty world."""
        return cls(GitRepository.init(path / "shop.git", bare=True))

    def next_record(self, link: Link, controller: str = "one") -> AuditRecord:
        """Commit a release to the source branch; return the record of applying it."""
        payload = released(link.seq + 1)
        before = self.applied.get(controller, self.repository.target("refs/heads/main"))
        files = {**self.files, "environments/production/release.json": payload}
        source = self.commit_files("refs/heads/main", files)
        self.applied[controller] = source
        what = (source, sha256(payload))
        one = record(link.seq + 1, controller=controller, prev=link.sha256, source=what)
        parent = None if one.parent_commit is None else before
        version, tables = self.root_version, self.tables
        return replace(
            one, parent_commit=parent, root_version=version, tables=tables, signers=SIGNERS
        )

    def link(self) -> Link:
        """Return where the records end."""
        return Link(self.records[-1].seq, self.records[-1].sha256)

    def commit_files(self, ref: str, files: dict[str, bytes]) -> Oid:
        """Commit exactly these files on top of a branch, and signatures beside each release."""
        signed = {
            path.replace("release.json", "release.dsse.json"): sealed(data, by=OWNERS).to_bytes()
            for path, data in files.items()
            if path.endswith("/release.json")
        }
        tree, parent = self.repository.write_tree({**signed, **files}), self.repository.target(ref)
        above = f"parent {parent.hex()}\n" if parent else ""
        header = f"tree {tree.hex()}\n{above}author {ALICE}\ncommitter {ALICE}\n"
        commit = self.repository.write_commit(f"{header}\nWork\n".encode(), None)
        self.repository.move(ref, parent, commit)
        return commit

    def apply(self, connection: Connection[Any], controller: str = "one") -> AuditRecord:
        """Append one record to the journal, as applying a revision does."""
        with transaction(connection):
            return journal.append(
                connection, controller, lambda link: self.next_record(link, controller)
            )

    def publish(self, connection: Connection[Any], controller: str = "one") -> Published:
        """Publish what is owed."""
        return publish(connection, self.repository, AUDITOR, controller)

    def build(self, length: int, controller: str = "one") -> "Trail":
        """Write a whole branch without a database."""
        link = Link(0, GENESIS)
        for _ in range(length):
            self.records.append(self.next_record(link, controller))
            link = Link(self.records[-1].seq, self.records[-1].sha256)
        self.rewrite(self.records, controller=controller)
        return self

    def rewrite(
        self,
        records: list[AuditRecord],
        *,
        controller: str = "one",
        signers: dict[int, Signer] | None = None,
        bend: Callable[[int, bytes], bytes] = lambda _, content: content,
    ) -> list[Oid]:
        """Make the branch hold exactly these records, whoever signs them, bent or not."""
        written: list[Oid] = []
        self.repository.empty_tree()
        for number, one in enumerate(records, start=1):
            content = bend(number, commits.content(one, written[-1] if written else None))
            signer = (signers or {}).get(number, AUDITOR)
            written.append(self.repository.write_commit(content, sign_commit(content, signer)))
        self.point_at(written[-1], controller)
        return written

    def point_at(self, tip: Oid, controller: str = "one") -> None:
        """Force the branch somewhere."""
        ref = commits.reference(controller)
        self.repository.move(ref, self.repository.target(ref), tip)

    def tip(self, controller: str = "one") -> Oid:
        """Return where the branch ends."""
        found = self.repository.target(commits.reference(controller))
        assert found is not None
        return found

    def commits(self, controller: str = "one") -> list[Oid]:
        """Return the branch's commits, the oldest first."""
        return list(self.repository.first_parents(self.tip(controller)))[::-1]

    def followed(self, root: Root | None = None, head: Oid | None = None) -> Followed:
        """Return what the source branch shows, its newest root being this one."""
        newest = root or rooted()
        tip = head or self.repository.target("refs/heads/main") or NOWHERE
        older = {
            version: replace(newest, version=version, digest=digest_of(f"root {version}"))
            for version in range(1, newest.version)
        }
        return Followed(tip, newest, {**older, newest.version: newest})

    def prove(
        self, controller: str = "one", root: Root | None = None, head: Oid | None = None
    ) -> Proof:
        """Prove the branch from git alone."""
        return self.prove_by(self.followed(root, head), controller)

    def prove_by(self, followed: Followed, controller: str = "one") -> Proof:
        """Prove the branch from git alone, beside what another branch shows."""
        return verify_git(self.repository, followed, controller, now=LATER)


def released(serial: int, environment: str = "production", *, rules: str = "policies") -> bytes:
    """Return a release of one bundle; the same serial is the same release, by the same rules."""
    bundle = LiveBundle(BundleId("card-bin", "binlist"), 1, digest_of("binlist"))
    return ReleaseStatement(
        repository=REPOSITORY,
        environment=environment,
        serial=serial,
        previous=ReleaseRef(serial - 1, digest_of("before")) if serial > 1 else None,
        rollback_of=None,
        created=NOON,
        expires=None,
        policies={"card-bin": digest_of(rules)},
        bundles=(bundle,),
    ).payload()


def renumbered(records: list[AuditRecord]) -> list[AuditRecord]:
    """Return the records as one chain again, whatever they were before."""
    chained: list[AuditRecord] = []
    for seq, one in enumerate(records, start=1):
        prev = chained[-1].sha256 if chained else GENESIS
        chained.append(replace(one, seq=seq, prev=prev))
    return chained


def repinned(records: list[AuditRecord], **members: Any) -> list[AuditRecord]:
    """Return the records, and one more: a person let the host start from another root."""
    last = records[-1]
    version = members.get("root_version", last.root_version)
    facts: dict[str, Any] = {
        "kind": RevisionKind.REPIN,
        "revision": last.revision + 1,
        "parent_commit": last.commit,
        "signers": {**last.signers, "root": OWNER_IDS},
        "plan_digest": digest_of(f"root {version}"),
        "counts": {},
        **members,
    }
    return renumbered([*records, replace(last, **facts)])


def rewrapped(raw: bytes, columns: int = 64) -> bytes:
    """Return a signed commit with its signature's armor wrapped otherwise, which needs no key."""
    head, _, rest = raw.partition(b"\ngpgsig -----BEGIN SSH SIGNATURE-----\n ")
    armor, end, message = rest.partition(b"\n -----END SSH SIGNATURE-----")
    body = armor.replace(b"\n ", b"")
    lines = [body[at : at + columns] for at in range(0, len(body), columns)]
    begin = b"\ngpgsig -----BEGIN SSH SIGNATURE-----\n "
    return head + begin + b"\n ".join(lines) + end + message
