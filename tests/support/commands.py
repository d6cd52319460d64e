"""Run the command line in this process, as `main` would, and keep what it says."""

import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.adapters.clock import SystemClock
from controller.app.signers import new_key
from controller.authoring.starting import start_demo
from controller.cli.main import app
from controller.cli.output import complain
from controller.kernel.errors import ControllerError
from tests.support.world import Shop


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """What stdout holds, which is one object of version 1."""
        document = json.loads(self.out)
        assert document["version"] == 1
        found: dict[str, Any] = document
        return found


def run(*arguments: str | Path) -> Said:
    """Run one command."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            app(args=[str(one) for one in arguments])
        except SystemExit as left:
            code = int(left.code or 0)
        except ControllerError as error:
            complain(error)
            code = error.exit_code
    return Said(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Desk:
    """A deploy host: a repository with keys, settings, and the database they name."""

    home: Path

    @classmethod
    def make(cls, home: Path) -> "Desk":
        """Start what `init --demo-keys` starts, now."""
        start_demo(home / "shop", home / "keys", new_key, SystemClock().now())
        return cls(home)

    def copy(self, home: Path, database_url: str | None) -> "Desk":
        """Copy it to another place, with another database; without a URL with one of its own."""
        for name in ("shop", "keys"):
            shutil.copytree(self.home / name, home / name)
        if database_url is None:
            return Desk(home)
        with (home / "keys" / "countersign.toml").open("a") as settings:
            settings.write(f"\n[database]\nurl = {json.dumps(database_url)}\n")
        (home / "keys" / "countersign.toml").chmod(0o600)  # it holds a password now
        return Desk(home)

    @property
    def folder(self) -> Path:
        """The work tree."""
        return self.home / "shop"

    @property
    def config(self) -> Path:
        """The settings."""
        return self.home / "keys" / "countersign.toml"

    def run(self, *arguments: str) -> Said:
        """Run a command with these settings."""
        return run(*arguments, "--config", self.config)

    @staticmethod
    def help(*command: str) -> Said:
        """Ask a command what it does."""
        return run(*command, "--help")

    def shop(self) -> Shop:
        """Return people who change the repository; its clock is the real one."""
        shop = Shop.open(self.home)
        shop.clock.instant = SystemClock().now()
        return shop
