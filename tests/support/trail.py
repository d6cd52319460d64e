"""A world with a source branch, a journal and an audit branch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from controller.adapters.git import GitRepository
from controller.adapters.postgres import Connection, transaction
from controller.artifacts.layout import BundleId
from controller.artifacts.release import LiveBundle, ReleaseRef, ReleaseStatement
from controller.audit import commit as commits
from controller.audit import journal
from controller.audit.journal import Link
from controller.audit.prove import Proof, verify_git
from controller.audit.publish import Published, publish
from controller.audit.record import GENESIS, AuditRecord
from controller.kernel.canonical import sha256
from controller.kernel.objects import Oid
from controller.stores.control.model import RevisionKind
from controller.trust.keys import PublicKey
from controller.trust.sign import SeedSigner, Signer, sign_commit
from tests.support.audit import NOON, REPOSITORY, digest_of, record

AUDITOR = SeedSigner.of(b"auditor".ljust(32, b"."))
STRANGER = SeedSigner.of(b"stranger".ljust(32, b"."))
ALICE = "alice <alice@bank.example> 1795176000 +0000"


@dataclass(frozen=True, slots=True)
class AuditKeys:
    """A root of trust, as far as the trail asks it."""

    keys: tuple[PublicKey, ...] = (PublicKey.of(AUDITOR.public, "controller"),)
    repository: str = REPOSITORY
    version: int = 1
    audit: Mapping[str, None] = field(default_factory=lambda: {"one": None, "two": None})

    def audit_keys(self, controller: str) -> tuple[PublicKey, ...]:
        """Return the same keys for every controller."""
        assert controller
        return self.keys


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
        return replace(one, parent_commit=parent, root_version=version, tables=tables)

    def link(self) -> Link:
        """Return where the records end."""
        return Link(self.records[-1].seq, self.records[-1].sha256)

    def commit_files(self, ref: str, files: dict[str, bytes]) -> Oid:
        """Commit exactly these files on top of a branch."""
        tree, parent = self.repository.write_tree(dict(files)), self.repository.target(ref)
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

    def prove(self, controller: str = "one", keys: AuditKeys | None = None) -> Proof:
        """Prove the branch from git alone."""
        return verify_git(self.repository, keys or AuditKeys(), controller, now=NOON)


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
    facts: dict[str, Any] = {
        "kind": RevisionKind.REPIN,
        "revision": last.revision + 1,
        "parent_commit": last.commit,
        "signers": {**last.signers, "root": ("SHA256:alice",)},
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
