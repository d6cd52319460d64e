"""A shop: a demo repository with its keys, and what people do in it, for tests."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.adapters.gitcli import child_environment
from controller.app.signers import load_signer, new_key
from controller.artifacts.layout import BundleId
from controller.authoring.compose import parse_wanted
from controller.authoring.promote import Released, Request, propose, sign_release
from controller.authoring.rootdoc import Changes, next_payload
from controller.authoring.rootfiles import last_root, sign_root
from controller.authoring.signing import Signed, sign_bundle
from controller.authoring.starting import start_demo
from controller.authoring.trusted import trusted_root
from controller.authoring.view import Workspace
from controller.kernel.objects import Oid
from controller.trust.root import Root
from controller.trust.sign import SeedSigner

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
CARDS = BundleId("card-bin", "house-cards")
PRODUCTION = "production"
NEW_RANGE = "990600,,16,true,house,Tide Prime,credit,false,GB,GBP,tidewater-bank,,\n"


@dataclass(frozen=True)
class Shop:
    """A repository that `init --demo-keys` made, with release 1."""

    home: Path

    @property
    def folder(self) -> Path:
        return self.home / "shop"

    @property
    def keys(self) -> Path:
        return self.home / "keys"

    @property
    def workspace(self) -> Workspace:
        return Workspace.open(self.folder)

    @property
    def root(self) -> Root:
        return trusted_root(self.workspace.edited(), None, NOW).root

    @property
    def head(self) -> Oid:
        return self.workspace.tip()

    def signer(self, name: str) -> SeedSigner:
        return load_signer(self.keys / name)

    def signers(self, *names: str) -> Sequence[SeedSigner]:
        return [self.signer(name) for name in names]

    def read(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    def write(self, path: str, data: bytes) -> None:
        self.workspace.write(path, data)

    def add_range(self, line: str = NEW_RANGE) -> None:
        path = f"bundles/{CARDS}/files/ranges.csv"
        self.write(path, self.read(path) + line.encode())

    def sign(
        self,
        *names: str,
        bundle: BundleId = CARDS,
        effective_from: datetime | None = None,
        effective_to: datetime | None = None,
    ) -> Signed:
        done = [
            sign_bundle(
                self.workspace,
                self.root,
                bundle,
                self.signer(name),
                now=NOW,
                effective_from=effective_from,
                effective_to=effective_to,
            )
            for name in names
        ]
        return done[-1]

    def promote(
        self, *wanted: str, by: Sequence[str] = ("alice", "bob"), drop: Sequence[str] = ()
    ) -> Released:
        request = Request(
            PRODUCTION,
            tuple(parse_wanted(text) for text in wanted),
            tuple(parse_wanted(text) for text in drop),
        )
        proposal = propose(self.workspace, self.root, request, NOW)
        return sign_release(
            self.workspace, self.root, proposal, self.signers(*by), now=NOW, git=GIT
        )

    def second_version(self) -> None:
        """Add a range, sign version 2 and commit it."""
        self.add_range()
        self.sign("alice", "bob")
        self.commit("version 2")

    def rotate(self, changes: Changes, *, by: Sequence[str] = ("alice", "bob")) -> None:
        """Put a second root into the work tree."""
        path = self.home / "root-2.json"
        path.write_bytes(
            next_payload(
                last_root(self.workspace.edited()).payload,
                changes,
                created=NOW,
                expires=NOW + timedelta(days=365),
            )
        )
        for name in by:
            sign_root(path, self.signer(name))
        self.write("trust/root/2.root.json", (self.home / "2.root.json").read_bytes())

    def commit(self, message: str = "change") -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=GIT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout

    def status(self) -> str:
        return self.git("status", "--porcelain")


GIT = child_environment()


def build_shop(home: Path) -> Shop:
    """Make a shop as `init --demo-keys` does."""
    start_demo(home / "shop", home / "keys", new_key, NOW, git=GIT)
    return Shop(home)


def copy_shop(original: Shop, home: Path) -> Shop:
    """Return a copy that knows its own place: git's settings hold absolute paths."""
    shutil.copytree(original.home, home, dirs_exist_ok=True)
    copy = Shop(home)
    copy.git("config", "user.signingkey", str(home / "keys" / "rollback"))
    copy.git("config", "gpg.ssh.allowedSignersFile", str(home / "keys" / "allowed_signers"))
    signers = home / "keys" / "allowed_signers"
    assert signers.exists()
    return copy
