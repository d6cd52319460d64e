"""A shop: a real repository with people and keys, a database, and a clock that is set by hand.

The repository is the one `countersign init --demo-keys` makes. People who behave go through
`publish`; those who do not sign whatever statement a test hands them. Commits are written straight
into the object database; `sync` brings the work tree up to them before real git is asked.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from controller.adapters.git import Author, GitRepository
from controller.adapters.gitcli import run_git
from controller.adapters.postgres import Connection, connect, sql
from controller.adapters.shipped import shipped
from controller.app.signers import load_signer, new_key
from controller.artifacts import bundle as bundles
from controller.artifacts import layout, levels, merkle, walk
from controller.artifacts import release as releases
from controller.artifacts.ack import AckStatement
from controller.artifacts.bundle import BundleStatement, PreviousVersion
from controller.artifacts.layout import BundleId
from controller.artifacts.release import LiveBundle, ReleaseRef, ReleaseStatement
from controller.authoring.starting import AUDIT, CONTROLLER, ENVIRONMENT, start_demo
from controller.kernel.canonical import Digest, sha256
from controller.kernel.instants import Window
from controller.kernel.objects import Oid
from controller.plan.guards import Limits
from controller.reconcile.cycle import Outcome, converge
from controller.reconcile.decide import Decision, decide, held_root
from controller.reconcile.rails import Rails
from controller.reconcile.succession import SignedRelease, signed_release
from controller.reconcile.world import World
from controller.stores.control import store as control
from controller.stores.control.model import Applied
from controller.trust import root as roots
from controller.trust.envelope import IN_TOTO, ROOT
from controller.trust.envelope import parse as parse_envelope
from controller.trust.keys import Scheme
from controller.trust.root import Pin, Root
from controller.trust.sign import SeedSigner, sign_commit, sign_envelope

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CARDS = BundleId("card-bin", "house-cards")
BRANCHES = BundleId("in-imps-neft", "branches")
RANGES = f"{layout.files_path(CARDS)}/ranges.csv"
PARTICIPANTS = f"{layout.files_path(CARDS)}/participants.csv"
MAIN = "refs/heads/main"
TWO = ("alice", "bob")

NEW_RANGE = "990600,,16,true,house,Lagoon Debit,debit,false,NL,EUR,harbour-bank,,"
OTHER_RANGE = "990601,,16,true,house,Lagoon Gold,credit,false,NL,EUR,harbour-bank,,"
OLD_RANGE = "990105,,16,true,house,Harbour Gold,credit,false,NL,EUR,harbour-bank,,"


@dataclass
class SetClock:
    """A clock that stands still until somebody moves it."""

    instant: datetime = NOON

    def now(self) -> datetime:
        """Return the instant it was set to."""
        return self.instant

    def advance(self, time: timedelta) -> datetime:
        """Move on and return the new instant."""
        self.instant += time
        return self.instant


@cache
def shipped_rails() -> Rails:
    """Return the rails that come with the package; reading them once is enough for a session."""
    return Rails(shipped("policies"))


def start(home: Path) -> Path:
    """Make the shop that every test starts from a copy of; return its home."""
    start_demo(home / "shop", home / "keys", new_key, NOON)
    return home


def with_lines(data: bytes, *, add: Iterable[str] = (), drop: Iterable[str] = ()) -> bytes:
    """Return a CSV file with lines more or less, its rows in order."""
    header, *lines = data.decode().splitlines()
    gone = set(drop)
    assert gone <= set(lines), f"not there: {gone - set(lines)}"
    return "\n".join([header, *sorted({*lines, *add} - gone), ""]).encode()


@dataclass
class Shop:
    """Everything about one copy of the shop."""

    folder: Path
    keys: Path
    repository: GitRepository
    connection: Connection[Any] | None
    baseline: Oid
    clock: SetClock = field(default_factory=SetClock)
    rails: Rails = field(default_factory=shipped_rails)
    limits: Limits = field(default_factory=Limits)
    released: list[ReleaseStatement] = field(default_factory=list)
    branch: str = "main"
    controller: str = CONTROLLER
    audit_key: str | None = AUDIT

    @classmethod
    def copy(cls, template: Path, where: Path, connection: Connection[Any] | None = None) -> "Shop":
        """Copy a shop that `start` made; nothing has been applied to its database yet."""
        for name in ("shop", "keys"):
            shutil.copytree(template / name, where / name)
        return cls.open(where, connection)

    @classmethod
    def open(cls, where: Path, connection: Connection[Any] | None = None) -> "Shop":
        """Open a copy that is there."""
        repository = GitRepository.open(where / "shop")
        settings = (where / "keys" / "countersign.toml").read_text()
        baseline = settings.partition('baseline = "')[2][:40]
        shop = cls(
            where / "shop", where / "keys", repository, connection, Oid(bytes.fromhex(baseline))
        )
        shop.released.append(shop.statement())
        return shop

    # Reading

    @property
    def tip(self) -> Oid:
        """Where the branch stands."""
        found = self.repository.target(MAIN)
        assert found is not None
        return found

    @property
    def tree(self) -> Oid:
        """The tree of the newest commit."""
        return self.repository.tree_of(self.tip)

    def read(self, path: str) -> bytes:
        """Return a file of the newest commit."""
        entry = walk.find(self.repository, self.tree, path)
        assert entry is not None, path
        return self.repository.read(entry.oid)

    def statement(self) -> ReleaseStatement:
        """Return the release that the newest commit declares, unverified."""
        return releases.parse(self.read(layout.release_path(ENVIRONMENT)))

    def bundle(self, bundle: BundleId, version: int) -> BundleStatement:
        """Return a version's statement, unverified."""
        return bundles.parse(self.read(layout.statement_path(bundle, version)))

    def signer(self, name: str) -> SeedSigner:
        """Return somebody's key."""
        return _signer(self.keys / name)

    @property
    def pin(self) -> Pin:
        """The root as the deploy host pins it."""
        envelope = (self.keys / "1.root.json").read_bytes()
        return Pin(envelope, parse_envelope(envelope).digest)

    @property
    def root(self) -> Root:
        """The pinned root."""
        return roots.parse_root(parse_envelope(self.pin.envelope).payload)

    # Writing

    def commit(
        self,
        changes: Mapping[str, bytes | None],
        *,
        message: str = "Change",
        by: str | None = None,
        onto: Oid | None = None,
    ) -> Oid:
        """Commit files, signed with somebody's key; `onto` forces the branch onto a new parent."""
        if onto is not None:
            self.force(onto)
        author = Author("Somebody", "somebody@example.test", self.clock.now())
        sign = None
        if by is not None:
            key = self.signer(by)

            def sign(content: bytes) -> str:
                return sign_commit(content, key)

        return self.repository.commit_files(
            MAIN, changes, message=message, author=author, sign=sign
        )

    def force(self, commit: Oid) -> None:
        """Push the branch by force to another commit."""
        self.repository.move(MAIN, self.tip, commit)

    def sealed(self, payload: bytes, by: Sequence[str]) -> bytes:
        """Return an envelope that people signed, whatever it says."""
        pairs = [(self.signer(name), Scheme.ED25519) for name in by]
        return sign_envelope(IN_TOTO, payload, pairs).to_bytes()

    def edit(self, path: str = RANGES, *, add: Iterable[str] = (), drop: Iterable[str] = ()) -> Oid:
        """Commit a table with lines more or less."""
        return self.commit({path: with_lines(self.read(path), add=add, drop=drop)})

    def next_version(self, bundle: BundleId = CARDS, **changes: Any) -> BundleStatement:
        """Return the statement of a bundle's files as they are committed."""
        path = layout.files_path(bundle)
        entry = walk.find(self.repository, self.tree, path)
        assert entry is not None, path
        files = merkle.files_root(self.repository, entry.oid, path, merkle.NoMemory())
        last = self.versions(bundle)
        before = sha256(self.read(layout.statement_path(bundle, last)))
        made = BundleStatement(
            repository=self.root.repository,
            bundle=bundle,
            version=last + 1,
            previous=PreviousVersion(last, before),
            window=Window(),
            environments=(ENVIRONMENT,),
            files_root=files.root,
            git_tree=entry.oid,
            tables=files.tables,
            documents=files.documents,
        )
        return replace(made, **changes)

    def versions(self, bundle: BundleId) -> int:
        """Return the highest version there is."""
        path = layout.versions_dir(bundle)
        entry = walk.find(self.repository, self.tree, path)
        assert entry is not None
        return max(int(one.name) for one in levels.children(self.repository, entry.oid, path))

    def sign(self, statement: BundleStatement, *, by: Sequence[str] = TWO) -> LiveBundle:
        """Commit a version that people signed; return how a release lists it."""
        payload = statement.payload()
        place = layout.version_dir(statement.bundle, statement.version)
        self.commit(
            {
                f"{place}/bundle.json": payload,
                f"{place}/bundle.dsse.json": self.sealed(payload, by),
            }
        )
        return LiveBundle(statement.bundle, statement.version, sha256(payload))

    def next_release(self, *live: LiveBundle, **changes: Any) -> ReleaseStatement:
        """Return the release after the newest one, with bundles replaced by those given."""
        newest = self.released[-1]
        given = {one.bundle for one in live}
        kept = tuple(one for one in newest.bundles if one.bundle not in given)
        made = ReleaseStatement(
            repository=newest.repository,
            environment=newest.environment,
            serial=newest.serial + 1,
            previous=ReleaseRef(newest.serial, sha256(newest.payload())),
            rollback_of=None,
            created=self.clock.now(),
            expires=None,
            policies={},
            bundles=(*kept, *live),
        )
        return replace(made, **changes)

    def release(
        self,
        statement: ReleaseStatement,
        *,
        by: Sequence[str] = TWO,
        signed_by: str | None = None,
        beside: Mapping[str, bytes | None] | None = None,
    ) -> Oid:
        """Commit a release that people signed, whatever it says; it is the newest from now on."""
        payload = statement.payload()
        place = layout.release_dir(ENVIRONMENT)
        commit = self.commit(
            {
                f"{place}/release.json": payload,
                f"{place}/release.dsse.json": self.sealed(payload, by),
                **(beside or {}),
            },
            message=f"Release {statement.serial}",
            by=signed_by,
        )
        self.released.append(statement)
        return commit

    def publish(
        self,
        *,
        add: Iterable[str] = (),
        drop: Iterable[str] = (),
        path: str = RANGES,
        bundle: BundleId = CARDS,
        **changes: Any,
    ) -> Oid:
        """Edit a table, sign the next version and release it, as it should be done."""
        self.edit(path, add=add, drop=drop)
        return self.release(self.next_release(self.sign(self.next_version(bundle)), **changes))

    def revert_release(self, to: ReleaseStatement, *, by: str | None = "rollback") -> Oid:
        """Commit an earlier release again, as `git revert` of the newer one does."""
        place = layout.release_dir(ENVIRONMENT)
        payload = to.payload()
        return self.commit(
            {
                f"{place}/release.json": payload,
                f"{place}/release.dsse.json": self.sealed(payload, TWO),
            },
            message="Revert",
            by=by,
        )

    def next_root(
        self, change: Callable[[dict[str, Any]], None], *, by: Sequence[str] = TWO
    ) -> tuple[str, bytes]:
        """Return path and bytes of the root after the committed ones, signed by people."""
        version = self.root.version
        with suppress(AssertionError):
            while self.read(layout.root_path(version + 1)):
                version += 1
        document = json.loads(parse_envelope(self.read(layout.root_path(version))).payload)
        document["version"] = version + 1
        change(document)
        pairs = [(self.signer(name), Scheme.ED25519) for name in by]
        envelope = sign_envelope(ROOT, roots.render_root(document), pairs)
        return layout.root_path(version + 1), envelope.to_bytes()

    def new_person(self, name: str) -> SeedSigner:
        """Make a key for somebody."""
        return new_key(self.keys / name, name)

    def ack(self, plan: Digest, *, by: Sequence[str] = TWO, **changes: Any) -> Oid:
        """Commit an acknowledgement of a plan."""
        made = AckStatement(self.root.repository, ENVIRONMENT, plan, "meant so", self.clock.now())
        payload = replace(made, **changes).payload()
        name = f"{sha256(payload)[:8]}-{len(by)}.dsse.json"
        return self.commit({f"{layout.acks_dir(ENVIRONMENT)}/{name}": self.sealed(payload, by)})

    # Real git

    def sync(self) -> None:
        """Bring the work tree to the branch."""
        self.git("reset", "--hard", "--quiet")

    def git(self, *arguments: str) -> str:
        """Run git in the work tree and return what it says."""
        return run_git(arguments, self.folder, timeout_seconds=60).stdout.decode().strip()

    # The controller

    def world(self, connection: Any = None, **changes: Any) -> World:
        """Return what the controller works with."""
        connection = connection or self.connection
        assert connection is not None, "this shop has no database"
        made = World(
            controller=self.controller,
            environment=ENVIRONMENT,
            repository=self.repository,
            branch=self.branch,
            baseline=self.baseline,
            connection=connection,
            clock=self.clock,
            pin=self.pin,
            rails=self.rails,
            signer=self.signer(self.audit_key) if self.audit_key is not None else None,
            limits=self.limits,
        )
        return replace(made, **changes)

    def reconcile(self) -> list[Outcome]:
        """Bring production to the branch."""
        return list(converge(self.world()))

    def decide(self) -> Decision:
        """Work out what a pass would do, and do nothing."""
        world = self.world()
        return decide(world, self.applied(), world.head(), self.clock.now())

    def signed_release(self, commit: Oid | None = None) -> SignedRelease:
        """Return the release of a commit, verified under the pinned root; no database needed."""
        now = self.clock.now()
        pinned = roots.pin(self.pin.envelope, self.pin.sha256)
        return signed_release(self.repository, commit or self.tip, ENVIRONMENT, pinned, now)

    def applied(self) -> Applied | None:
        """Return what production is at."""
        return control.read_applied(self.world().connection, ENVIRONMENT)

    @property
    def revision(self) -> int:
        """The number of production's revision, 0 before the first."""
        applied = self.applied()
        return applied.revision if applied is not None else 0

    @property
    def serial(self) -> int:
        """The serial of the release that production is at."""
        applied = self.applied()
        return applied.serial_current if applied is not None else 0

    def held_root_version(self) -> int:
        """Return the version of the newest root the controller holds."""
        world = self.world()
        return held_root(world, world.recall.known(ENVIRONMENT, self.applied())).root.version

    def audit_commits(self) -> list[Oid]:
        """Return the controller's audit commits, the oldest first."""
        tip = self.repository.target(f"refs/heads/audit/{self.controller}")
        return list(self.repository.first_parents(tip))[::-1] if tip is not None else []

    def ranges(self) -> set[str]:
        """Return the starts of all stored card ranges."""
        rows = self._rows("SELECT iin_start FROM directory.range")
        return {str(row[0]) for row in rows}

    def footprint(self) -> dict[str, Any]:
        """Return every row with the transaction that wrote it, every ref and every git object.

        A statement that rewrites a row with the same values shows, too.
        """
        tables = self._rows(
            "SELECT schemaname, tablename FROM pg_catalog.pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
        )
        found: dict[str, Any] = {}
        for schema, table in tables:
            query = sql.SQL("SELECT t.xmin::text, t::text FROM {} AS t ORDER BY 1, 2")
            assert self.connection is not None
            rows = self.connection.execute(query.format(sql.Identifier(schema, table))).fetchall()
            found[f"{schema}.{table}"] = rows
        found["refs"] = self.repository.references("refs/")
        objects = self.repository.git_dir / "objects"
        found["objects"] = sorted(str(one) for one in objects.rglob("*") if one.is_file())
        return found

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        assert self.connection is not None, "this shop has no database"
        return [tuple(row) for row in self.connection.execute(query).fetchall()]


def open_connection(url: str) -> Connection[Any]:
    """Open a database as the controller does: it commits by itself outside of transactions."""
    return connect(url, application_name="tests", autocommit=True)


@cache
def _signer(path: Path) -> SeedSigner:
    return load_signer(path)
