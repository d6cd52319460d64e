"""Owners who act by the command line, and the controller they act on, whose clock is set by hand.

What people type runs at the real time; the controller's passes run at `shop.clock`, which starts
there and is moved on by a test.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.gitcli import run_git
from controller.artifacts.layout import RELEASE_STEM, ROOT_DIR, release_dir
from controller.artifacts.release import ReleaseStatement
from controller.authoring.rootfiles import read_root
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.errors import ControllerError
from controller.reconcile.status import Status, read_status
from tests.support.commands import Desk, Said, run
from tests.support.world import (
    CARDS,
    RANGES,
    TWO,
    Shop,
    open_connection,
    with_lines,
)


@dataclass
class Owners:
    """A deploy host, the people around it, and its controller."""

    desk: Desk
    shop: Shop

    # What people type

    def types(self, *words: str | Path, ends: int = 0) -> Said:
        """Run a command in the repository; it must end as expected."""
        said = self.desk.run(*map(str, words), "--repository", str(self.desk.folder))
        assert said.exit_code == ends, (words, said)
        return said

    def host(self, *words: str, ends: int = 0) -> Said:
        """Run a command about production, which reads the settings alone."""
        said = self.desk.run(*words)
        assert said.exit_code == ends, (words, said)
        return said

    def asks(self, *words: str) -> dict[str, Any]:
        """Return what a command about production says."""
        said = self.desk.run(*words, "-o", "json")
        return said.json

    def key(self, name: str) -> Path:
        """Return somebody's private key; whoever has none gets one."""
        path = self.desk.home / "keys" / name
        if not path.exists():
            self.shop.new_person(name)
        return path

    def public(self, name: str) -> Path:
        """Return somebody's public key."""
        return self.key(name).with_name(f"{name}.pub")

    def id(self, name: str) -> str:
        """Return the id of somebody's key."""
        return self.shop.signer(name).public.id

    def adds(self, role: str, name: str, *, owner: str = "") -> tuple[str, str]:
        """Return the words by which a key is let into a role."""
        return ("--add-key", f"{role}={owner or name}:{self.public(name)}")

    def joins(self, name: str) -> tuple[str, ...]:
        """Return the words by which somebody becomes an owner like the others."""
        roles = ("root", "bundle", "release/production")
        return tuple(word for role in roles for word in self.adds(role, name))

    def revokes(self, name: str, reason: str) -> tuple[str, str]:
        """Return the words by which a key is taken out of every role."""
        return ("--revoke", f"{self.id(name)}={reason}")

    def propose(self, *changes: str) -> Path:
        """Propose the next root and return the file."""
        version = self.newest_root() + 1
        out = self.desk.home / f"root-{version}.json"
        out.unlink(missing_ok=True)
        self.types("root", "propose", *changes, "--out", out)
        return out

    def edit_root(self, change: Callable[[dict[str, Any]], None]) -> Path:
        """Propose the next root from a document that somebody edited by hand."""
        version = self.newest_root() + 1
        newest = self.desk.folder / ROOT_DIR / f"{version - 1}.root.json"
        document = json.loads(read_root(newest).payload)
        document["version"] = version
        change(document)
        edited = self.desk.home / f"edited-{version}.json"
        edited.write_text(json.dumps(document))
        return self.propose("--from-file", str(edited))

    def sign_root(self, proposal: Path, *names: str) -> Path:
        """Let people sign a proposal and return the envelope."""
        keys = [word for name in names for word in ("--key", str(self.key(name)))]
        said = self.desk_run("root", "sign", str(proposal), *keys, "-o", "json")
        return Path(said.json["file"])

    def publish_root(self, envelope: Path) -> None:
        """Commit an envelope to the repository."""
        shutil.copy(envelope, self.desk.folder / ROOT_DIR)
        self.commit(f"Root {envelope.name.partition('.')[0]}")

    def rotate(self, *changes: str, by: Sequence[str] = TWO) -> None:
        """Propose a root, let people sign it, and commit it."""
        self.publish_root(self.sign_root(self.propose(*changes), *by))

    def newest_root(self) -> int:
        """Return the version of the newest root in the work tree."""
        names = (path.name for path in (self.desk.folder / ROOT_DIR).iterdir())
        return max(int(name.partition(".")[0]) for name in names)

    def promote(self, *words: str, by: Sequence[str] = TWO, ends: int = 0) -> Said:
        """Release versions, signed by people."""
        keys = [word for name in by for word in ("--key", str(self.key(name)))]
        return self.types("promote", *words, *keys, ends=ends)

    def sign(self, what: str, *names: str) -> None:
        """Let people sign a bundle or a release, and commit what they wrote."""
        keys = [word for name in names for word in ("--key", str(self.key(name)))]
        self.types("sign", what, *keys)
        self.commit(f"Sign {what}")

    def sign_again(self, *names: str) -> None:
        """Let people sign everything that is live, and commit what they wrote."""
        live = [str(one.bundle) for one in self.shop.statement().bundles]
        for what in (*live, "release:production"):
            self.sign(what, *names)

    def publish(self, line: str, *, by: Sequence[str] = TWO) -> None:
        """Release a range more, signed by people, whether or not they may."""
        self.shop.released[:] = [self.shop.statement()]
        self.shop.edit(add=[line])
        live = self.shop.sign(self.shop.next_version(), by=by)
        self.release(self.shop.next_release(live), by=by)

    def release(self, statement: ReleaseStatement, *, by: Sequence[str] = TWO) -> None:
        """Commit a release that people signed, whatever it says, in place of the one there is."""
        folder = release_dir(ENVIRONMENT)
        old = [path.name for path in (self.desk.folder / folder).glob(f"{RELEASE_STEM}.*.json")]
        gone = {f"{folder}/{name}": None for name in old if name != f"{RELEASE_STEM}.dsse.json"}
        self.shop.release(statement, by=by, beside=gone)
        self.shop.sync()

    def improve(self, line: str, *, by: Sequence[str] = TWO) -> None:
        """Let people add a range, sign it and release it, all by the command line."""
        file = self.desk.folder / RANGES
        file.write_bytes(with_lines(file.read_bytes(), add=[line]))
        self.sign(str(CARDS), *by)
        self.promote(str(CARDS), by=by)

    def commit(self, message: str) -> None:
        """Commit the work tree."""
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def git(self, *words: str) -> str:
        """Run git in the work tree, signing nothing."""
        settings = ("-c", "commit.gpgsign=false")
        done = run_git([*settings, *words], self.desk.folder, timeout_seconds=60)
        return done.stdout.decode().strip()

    def desk_run(self, *words: str) -> Said:
        """Run a command that needs neither repository nor settings."""
        said = run(*words)
        assert said.exit_code == 0, said
        return said

    # What the controller does, at its own time

    def reconcile(self) -> int:
        """Bring production to the branch and return the serial it is at."""
        self.shop.reconcile()
        return self.shop.serial

    def refused(self) -> str:
        """Return the code by which a pass is refused; production stays as it was."""
        before = (self.shop.revision, self.shop.ranges())
        with pytest.raises(ControllerError) as refusal:
            self.shop.reconcile()
        assert (self.shop.revision, self.shop.ranges()) == before
        return refusal.value.code

    def status(self) -> Status:
        """Return what `status` tells at the controller's time."""
        return read_status(self.shop.world(), self.shop.clock.now())


@contextmanager
def owners_of(desk: Desk, database_url: str) -> Iterator[Owners]:
    """Open a host whose database is empty; git commits as somebody there."""
    with open_connection(database_url) as connection:
        shop = Shop.open(desk.home, connection)
        shop.clock.instant = SystemClock().now().replace(microsecond=0)
        shop.git("config", "user.name", "Somebody")
        shop.git("config", "user.email", "somebody@example.test")
        yield Owners(desk, shop)
