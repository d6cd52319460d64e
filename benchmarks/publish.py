"""A signed artifact repository of a size: version 1 of two bundles, then commits of ten rows each.

Bare, as on a deploy host. The files go in through `git fast-import`; roots, statements, releases
and signatures are made by the code that authors use. The keys are derived from their names: good
for measuring, worthless as keys.
"""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import rows
from benchmarks.sizes import Size
from controller.adapters.git import Author, GitRepository, commit_content
from controller.adapters.gitcli import child_environment, git_program
from controller.adapters.shipped import shipped
from controller.artifacts import layout, walk
from controller.artifacts.draft import Draft
from controller.artifacts.layout import BundleId
from controller.artifacts.merkle import DictMemory, files_root
from controller.artifacts.release import LiveBundle, ReleaseRef, ReleaseStatement
from controller.artifacts.shards import shard
from controller.artifacts.strictcsv import parse_line, render_row
from controller.authoring.compose import Before, next_release
from controller.authoring.draft import DraftFiles
from controller.authoring.rootdoc import FirstRoot, KeyOf
from controller.authoring.versions import previous_of
from controller.authoring.view import View
from controller.kernel.canonical import sha256
from controller.kernel.instants import Window
from controller.kernel.objects import Oid
from controller.policy.rail import Rail
from controller.reconcile.rails import RailSet
from controller.trust.envelope import IN_TOTO, ROOT
from controller.trust.sign import SeedSigner, sign_envelope, usual_scheme

GENERATION = 2
"""Counted up whenever the same size would give another repository."""

BRANCH, ENVIRONMENT, CONTROLLER = "main", "production", "countersign"
CARDS, BANKS = BundleId("card-bin", "binlist"), BundleId("swift-iso20022", "directory")
CHANGED_ROWS = 10

_REPOSITORY_ID = "6f0f6a52-92a1-4d0c-8c33-6f4d5ad0be1c"
_START = datetime(2026, 11, 1, tzinfo=UTC)
_TEN_YEARS = timedelta(days=3653)
_REF = f"refs/heads/{BRANCH}"
_CHANGEABLE = {"participants": "name", "identifiers": "usage", "endpoints": "address"}
_CARDS_SHARE = CHANGED_ROWS // 2


@dataclass(frozen=True, slots=True)
class CellChange:
    """One changed row: its table, its natural key, one cell, and the two blobs around it."""

    table: str
    key: dict[str, str]
    column: str
    value: str
    old_blob: str
    new_blob: str


@dataclass(frozen=True, slots=True)
class TenRows:
    """A commit that changes ten rows."""

    commit: str
    changes: tuple[CellChange, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """What stands in the repository: its baseline, and the commits after it, in order."""

    path: Path
    size: str
    baseline: str
    root: str
    root_sha256: str
    files: int
    bytes: int
    commits: tuple[TenRows, ...]


def key(name: str) -> SeedSigner:
    """Return the signer of a name."""
    return SeedSigner.of(hashlib.sha256(f"countersign benchmark key {name}".encode()).digest())


def published(folder: Path, size: Size, commits: int) -> Published:
    """Return the repository of a size below a folder, made when it is not there yet."""
    path = folder.resolve() / f"{size.name}-{GENERATION}-{commits}.git"
    facts = path.with_suffix(".json")
    if facts.exists():
        return read_facts(facts)
    shutil.rmtree(path, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    found = _publish(path, size, commits)
    facts.write_text(json.dumps(asdict(found), default=str), encoding="utf-8")
    return found


def facts_path(published: Published) -> Path:
    """Return the file that describes a repository."""
    return published.path.with_suffix(".json")


def read_facts(facts: Path) -> Published:
    """Read back what `published` wrote."""
    value = json.loads(facts.read_text(encoding="utf-8"))
    commits = tuple(
        TenRows(one["commit"], tuple(CellChange(**change) for change in one["changes"]))
        for one in value.pop("commits")
    )
    return Published(path=Path(value.pop("path")), commits=commits, **value)


def _publish(path: Path, size: Size, commits: int) -> Published:
    GitRepository.init(path, bare=True, branch=BRANCH)
    envelope = _root()
    count, total = _import(path, size, envelope)
    repository = GitRepository.open(path)
    author = _Author(repository)
    start = author.release({}, 0, "Release 1")
    changed = tuple(author.change(number) for number in range(1, commits + 1))
    repository.move(_REF, repository.target(_REF), start)
    return Published(
        path,
        size.name,
        start.hex(),
        envelope.decode(),
        sha256(_root_payload()),
        count,
        total,
        changed,
    )


class _Author:
    """Writes versions and releases one on top of the other, without a work tree."""

    def __init__(self, repository: GitRepository) -> None:
        self.repository = repository
        self.memory = DictMemory()
        self.trees: dict[BundleId, Oid] = {}
        self.released: tuple[ReleaseStatement, ReleaseRef] | None = None
        tip = repository.target(_REF)
        assert tip is not None
        self.tip = tip
        tree = repository.tree_of(tip)
        self.shards: dict[str, list[str]] = {}
        for bundle in (CARDS, BANKS):
            files = layout.files_path(bundle)
            entry = walk.find(repository, tree, files)
            assert entry is not None
            for file in walk.files(repository, entry.oid, files):
                table = file.path.removeprefix(f"{files}/").partition("/")[0].removesuffix(".csv")
                if bundle == BANKS or table == "ranges":
                    self.shards.setdefault(table, []).append(file.path)

    def change(self, number: int) -> TenRows:
        """Commit ten changed rows, five of them card ranges, with versions and a release."""
        wanted = ["ranges"] * _CARDS_SHARE
        others = [table for table in _CHANGEABLE if table in self.shards]
        wanted += [others[at % len(others)] for at in range(CHANGED_ROWS - len(wanted))]
        changes: list[CellChange] = []
        files: dict[str, bytes] = {}
        tree = self.repository.tree_of(self.tip)
        for at, table in enumerate(wanted):
            shards = self.shards[table]
            path = shards[(number * 7919 + at * 104_729) % len(shards)]
            before = walk.find(self.repository, tree, path)
            assert before is not None
            data = files.get(path) or self.repository.read(before.oid)
            data, change = _changed(table, data, number, at)
            files[path] = data
            changes.append(replace(change, old_blob=before.oid.hex(), new_blob=path))
        commit = self.release(files, number, f"Release {number + 1}")
        tree = self.repository.tree_of(commit)
        final = tuple(replace(one, new_blob=_blob(self.repository, tree, one)) for one in changes)
        return TenRows(commit.hex(), final)

    def release(self, files: Mapping[str, bytes], number: int, message: str) -> Oid:
        """Commit files with the versions that pin them and the release that lists those."""
        repository, when = self.repository, _START + timedelta(minutes=number)
        tree = repository.write_tree(files, repository.tree_of(self.tip))
        signed: dict[str, bytes] = {}
        live = []
        for bundle in (CARDS, BANKS):
            payload = self._statement(tree, bundle, number + 1)
            signed |= _signed(layout.version_dir(bundle, number + 1), "bundle", payload)
            live.append(LiveBundle(bundle, number + 1, sha256(payload)))
        current, ref = self.released or (None, None)
        before = Before(current, ref, ref)
        release = next_release(
            before,
            tuple(live),
            repository=_REPOSITORY_ID,
            environment=ENVIRONMENT,
            policies={},
            created=when,
        )
        payload = release.payload()
        signed |= _signed(layout.release_dir(ENVIRONMENT), "release", payload)
        self.released = (release, ReleaseRef(release.serial, sha256(payload)))
        tree = repository.write_tree(signed, tree)
        author = Author("Benchmark", "benchmark@localhost", when)
        commit = repository.write_commit(commit_content(tree, [self.tip], author, message))
        repository.move(_REF, self.tip, commit)
        self.tip = commit
        return commit

    def _statement(self, tree: Oid, bundle: BundleId, version: int) -> bytes:
        path = layout.files_path(bundle)
        entry = walk.find(self.repository, tree, path)
        assert entry is not None
        summary = files_root(
            self.repository, entry.oid, path, self.memory, base=self.trees.get(bundle)
        )
        self.trees[bundle] = entry.oid
        files = DraftFiles(_draft(bundle), entry.oid, summary)
        previous = previous_of(View(self.repository, tree), bundle, version)
        return files.statement(_REPOSITORY_ID, version, previous).payload()


def _changed(table: str, data: bytes, number: int, at: int) -> tuple[bytes, CellChange]:
    """Return a shard with one cell of one row changed."""
    header, *lines = data.decode().splitlines()
    columns = header.split(",")
    index = (number * 31 + at * 17) % len(lines)
    row = list(parse_line(lines[index], len(columns)))
    column = _CHANGEABLE.get(table, "brand")
    place = columns.index(column)
    if column == "usage":
        row[place] = "routing" if row[place] == "both" else "both"
    elif column == "address":
        row[place] = f"{row[place].partition('?')[0]}?revision={number}"
    else:
        row[place] = f"{row[place].partition(' revision')[0]} revision {number}"
    lines[index] = render_row(row)
    keys = {
        "identifiers": ("scheme", "value"),
        "ranges": ("iin_start", "iin_end"),
    }.get(table, ("id",))
    natural = {name: row[columns.index(name)] for name in keys}
    text = "\n".join([header, *lines]) + "\n"
    return text.encode(), CellChange(table, natural, column, row[place], "", "")


def _blob(repository: GitRepository, tree: Oid, change: CellChange) -> str:
    entry = walk.find(repository, tree, change.new_blob)
    assert entry is not None
    return entry.oid.hex()


def _signed(folder: str, stem: str, payload: bytes) -> dict[str, bytes]:
    signers = [(key(name), usual_scheme(key(name))) for name in ("alice", "bob")]
    envelope = sign_envelope(IN_TOTO, payload, signers).to_bytes()
    return {f"{folder}/{stem}.json": payload, f"{folder}/{stem}.dsse.json": envelope}


def _draft(bundle: BundleId) -> Draft:
    return Draft(bundle, Window(), (ENVIRONMENT,))


def _root_payload() -> bytes:
    people = tuple(KeyOf.usual(name, key(name).public) for name in ("alice", "bob", "carol"))
    return FirstRoot(
        repository=_REPOSITORY_ID,
        owners=people,
        created=_START,
        expires=_START + _TEN_YEARS,
        root_threshold=2,
        bundle_threshold=2,
        release_threshold=2,
        environments=(ENVIRONMENT,),
        rails=(CARDS.rail, BANKS.rail),
        rollback=(KeyOf.usual("rollback", key("rollback").public),),
        audit={CONTROLLER: KeyOf.usual("audit", key("audit").public)},
    ).payload()


def _root() -> bytes:
    signers = [(key(name), usual_scheme(key(name))) for name in ("alice", "bob")]
    return sign_envelope(ROOT, _root_payload(), signers).to_bytes()


def _import(path: Path, size: Size, envelope: bytes) -> tuple[int, int]:
    """Write the first commit, all files and no version; return how many files and bytes."""
    count = total = 0
    # No deltas: between shards they are worth nothing, and reading them back is ten times slower.
    command = [git_program(), "fast-import", "--quiet", "--done", "--depth=0"]
    with subprocess.Popen(
        command, cwd=path, stdin=subprocess.PIPE, env=child_environment()
    ) as importer:
        assert importer.stdin is not None
        out = importer.stdin
        committer = f"Benchmark <benchmark@localhost> {int(_START.timestamp())} +0000"
        out.write(f"commit {_REF}\ncommitter {committer}\ndata 5\nStart\n".encode())
        for name, data in _files(size, envelope):
            out.write(f"M 100644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n")
            count, total = count + 1, total + len(data)
        out.write(b"done\n")
    if importer.returncode != 0:
        raise SystemExit(f"git fast-import ended with {importer.returncode}")
    return count, total


def _files(size: Size, envelope: bytes) -> Iterator[tuple[str, bytes]]:
    yield layout.root_path(1), envelope
    rails = RailSet(shipped("policies"), {})
    for bundle, tables in _bundles(size):
        yield layout.draft_path(bundle), _draft(bundle).to_bytes()
        for table, some in tables:
            columns = _columns(rails.rail(bundle.rail), table)
            for name, data in shard(table, columns, some).items():
                yield f"{layout.files_path(bundle)}/{name}", data


def _bundles(size: Size) -> list[tuple[BundleId, Sequence[tuple[str, Iterable[rows.Row]]]]]:
    return [
        (CARDS, [("participants", rows.issuers(size)), ("ranges", rows.ranges(size))]),
        (
            BANKS,
            [
                ("participants", rows.participants(size)),
                ("identifiers", rows.identifiers(size)),
                ("endpoints", rows.endpoints(size)),
            ],
        ),
    ]


def _columns(rail: Rail, table: str) -> tuple[str, ...]:
    return rail.tables[table].columns
