"""Base files of a resolver's copy: found, opened and made anew, by whichever process comes first.

All processes of a host share one folder and the files in it. A file that stands there is whole;
who makes one holds a lock, and whoever waited for the lock uses what the other has made.
"""

import fcntl
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from controller.adapters import children
from controller.adapters.gitcli import child_environment
from controller.adapters.postgres import Connection, connect
from controller.kernel.errors import ControllerError, Unavailable
from controller.policy.identifiers import Scheme
from controller.reconcile.snapshot import Snapshot
from controller.reconcile.snapshot_facts import Facts, Files, read_facts
from controller.stores.directory import snapshot_writer
from controller.stores.directory import store as directory
from controller.stores.directory.snapshot import Rows
from controller.stores.directory.snapshot_base import BadBase, Base

BUILD_SECONDS = 1_800.0
_ENDING = ".base"
_LOCK = "base.lock"
_NICENESS = 5


class NotBuilt(Unavailable):
    """A base file could not be made."""

    code = "snapshot.not_built"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the copy that answers come from was not made: {reason}",
            hint="is there room in the state directory? it is tried again by itself",
        )


def newest(folder: Path, environment: str, schemes: Mapping[str, Scheme]) -> Snapshot | None:
    """Open the newest base file that is whole; remove those that are not."""
    for path in sorted(folder.glob(f"*{_ENDING}"), reverse=True):
        try:
            base = Base(path)
            base.check()
        except FileNotFoundError:
            continue  # another process has made a newer one
        except BadBase:
            path.unlink(missing_ok=True)
            continue
        found = snapshot_of(base, schemes)
        if found.facts.environment == environment:
            base.warm()
            return found
    return None


def snapshot_of(base: Base, schemes: Mapping[str, Scheme]) -> Snapshot:
    """Return what a base file holds."""
    facts = Facts.of_json(base.facts["applied"])
    return Snapshot(Rows(base), facts, Files(base.facts["files"]), schemes)


def build(connection: Connection[Any], environment: str, folder: Path) -> Path | None:
    """Write what is applied now into a base file; `None` when nothing was applied yet.

    `connection` must not be inside a transaction. Older files are removed: who has them open goes
    on with them.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _held(folder / _LOCK), directory.moment(connection):
        facts = read_facts(connection, environment)
        if facts is None:
            return None
        path = folder / f"{facts.revision:012d}{_ENDING}"
        if not _is_of(path, facts):
            files = Files()
            files.learn(connection)
            applied = {"applied": asdict(facts), "files": files.as_json()}
            snapshot_writer.write(connection, path, applied)
        for older in folder.glob(f"*{_ENDING}"):
            if older != path:
                older.unlink(missing_ok=True)
        return path


def build_in_child(url: str, role: str | None, environment: str, folder: Path) -> None:
    """Let a child process write the base file: nobody here waits for a processor meanwhile.

    Raises `NotBuilt`. `url` goes through a pipe, so no list of processes shows it.
    """
    words = {"url": url, "role": role, "environment": environment, "folder": str(folder)}
    try:
        ended = children.run(
            [sys.executable, "-m", __name__],
            cwd=Path("/"),
            env=child_environment(settings={"PYTHONPATH": str(Path(__file__).parents[2])}),
            seconds=BUILD_SECONDS,
            stdin=json.dumps(words).encode(),
        )
    except (children.Late, children.TooMuch, OSError) as error:
        raise NotBuilt(str(error) or type(error).__name__) from error
    if ended.status != 0:
        lines = ended.stderr.decode(errors="replace").strip().splitlines()
        raise NotBuilt(lines[-1] if lines else f"status {ended.status}")


def forget(folder: Path) -> None:
    """Remove the base files of a folder, so that the next one is made of the database alone."""
    for path in folder.glob(f"*{_ENDING}"):
        path.unlink(missing_ok=True)


def _is_of(path: Path, facts: Facts) -> bool:
    try:
        return Facts.of_json(Base(path).facts["applied"]) == facts
    except (FileNotFoundError, BadBase):
        return False


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Wait for a lock and hold it while the block runs; it ends with the process."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def main() -> int:
    """Make one base file, politely, as `build_in_child` asks for it."""
    os.nice(_NICENESS)
    words = json.load(sys.stdin)
    try:
        connection = connect(
            words["url"], application_name="countersign copy", role=words["role"], autocommit=True
        )
        build(connection, words["environment"], Path(words["folder"]))
        connection.close()
    except (ControllerError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
