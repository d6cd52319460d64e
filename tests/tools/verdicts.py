"""One branch, two judges: a controller, and the file that stands alone."""

import io
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from controller.adapters.postgres import connect, with_database
from controller.kernel.errors import ControllerError
from controller.kernel.instants import format_instant
from controller.reconcile.proof import prove_git
from tests.support import world
from tests.support.house import ROOT
from tests.support.world import Shop
from tools import countersign_verify

TOOL = ROOT / "tools" / "countersign_verify.py"
ALONE = (sys.executable, "-I", str(TOOL))
"""Runs it as somebody does who never saw the rest: no path of ours, no variable, no folder."""

# The controller says more exactly whom to ask; that too few owners count is one verdict.
_THRESHOLD = {
    "trust.signature_invalid",
    "trust.signer_not_in_role",
    "trust.one_owner_counts_once",
    "trust.threshold_not_met",
}


@dataclass(frozen=True)
class Judged:
    """An exit code and the object that was printed."""

    exit_code: int
    json: dict[str, Any]
    said: str

    @property
    def verdict(self) -> str:
        """The refusal's code, or `accepted`."""
        return family(self.json["refusal"]["code"]) if self.exit_code else "accepted"


def family(code: str) -> str:
    """Return a code under which both judges give one verdict."""
    return "trust.threshold_not_met" if code in _THRESHOLD else code


def tool(*words: str | Path) -> Judged:
    """Run the file in this process, with JSON."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = countersign_verify.main([*map(str, words), "--json"])
    return Judged(code, json.loads(out.getvalue()), err.getvalue())


def judge(shop: Shop, *more: str, at: datetime | None = None) -> Judged:
    """Let the file judge a shop's branch, from the baseline its controllers start at."""
    at = at or shop.clock.instant
    words = ("--root", shop.keys / "1.root.json", "--at", format_instant(at))
    return tool("repository", shop.folder, *words, "--baseline", shop.baseline.hex(), *more)


def reconcile(shop: Shop) -> str:
    """Let a controller look at a shop's branch; return its verdict."""
    try:
        shop.reconcile()
    except ControllerError as error:
        return family(error.code)
    return "accepted"


def judge_audit(shop: Shop, *more: str | Path) -> Judged:
    """Let the file judge a shop's audit trail."""
    words = ("--root", shop.keys / "1.root.json", "--at", format_instant(shop.clock.instant))
    return tool("audit", shop.folder, *words, "--controller", shop.controller, *more)


def prove_audit(shop: Shop) -> str:
    """Let the product prove a shop's audit trail from git alone; return its verdict."""
    now = shop.clock.instant
    try:
        prove_git(shop.repository, shop.pin, branch="main", controller=shop.controller, now=now)
    except ControllerError as error:
        return error.code
    return "accepted"


@contextmanager
def fresh_copy(template: tuple[Path, str], where: Path, server_url: str) -> Iterator[Shop]:
    """Yield a copy of a shop and of its database, which is dropped afterwards."""
    home, database = template
    name = f"{database}_copy"
    for folder in ("shop", "keys"):
        shutil.rmtree(where / folder, ignore_errors=True)
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name} TEMPLATE {database} STRATEGY FILE_COPY")
        try:
            with world.open_connection(with_database(server_url, name)) as connection:
                yield Shop.copy(home, where, connection)
        finally:
            administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
