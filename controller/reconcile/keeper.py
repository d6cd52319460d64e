"""Keeps a resolver's snapshot as production is: told of revisions, and looking for itself.

One thread with one connection of its own. Readers take `current` and are never waited for. While
the database is away, or a new base is being made, the last snapshot goes on answering, and `state`
says since when it may be behind.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any

from controller.adapters.postgres import Connection, translated
from controller.kernel.errors import ControllerError
from controller.kernel.instants import Clock
from controller.policy.identifiers import Scheme
from controller.reconcile import snapshot_base
from controller.reconcile.snapshot import Snapshot
from controller.reconcile.snapshot_facts import Facts, read_facts
from controller.stores.directory import snapshot_patch
from controller.stores.directory import store as directory
from controller.stores.directory.snapshot import CHANGED_MAX
from controller.stores.directory.snapshot_base import INDEXES

CHANNEL = "countersign_revision"
_STOP_SECONDS = 0.5
_CHECKED = (*INDEXES, "ranges")

Build = Callable[[], None]
Swapped = Callable[[Snapshot], None]


@dataclass(frozen=True, slots=True)
class KeeperLimits:
    """How often the keeper looks, and what it does itself.

    So few rows as `small_rows` are written here, more by a child process, which takes a while to
    start; from `rebase_at` changed keys on a new base is made before it is needed.
    """

    poll_seconds: float = 5.0
    check_seconds: float = 60.0
    retry_seconds: float = 1.0
    checked_keys: int = 500
    small_rows: int = 50_000
    rebase_at: int = CHANGED_MAX // 2


@dataclass(frozen=True, slots=True)
class State:
    """How the snapshot stands. `stale_since` is when it may have fallen behind, and `reason` why.

    `mismatches` counts keys that were found to differ from the database since the start.
    """

    revision: int | None = None
    stale_since: datetime | None = None
    reason: str = ""
    checked_at: datetime | None = None
    mismatches: int = 0
    rebuilds: int = 0
    patches: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the copy's files are, and how a large one is made elsewhere."""

    environment: str
    folder: Path
    build: Build


class SnapshotKeeper:
    """Owns the snapshot of one process. `connect` opens a connection that commits by itself."""

    def __init__(
        self,
        connect: Callable[[], Connection[Any]],
        place: Place,
        schemes: Mapping[str, Scheme],
        clock: Clock,
        *,
        swapped: Swapped = lambda _snapshot: None,
        limits: KeeperLimits | None = None,
    ) -> None:
        self._connect, self._place, self._schemes, self._clock = connect, place, schemes, clock
        self._swapped = swapped
        self._limits = limits or KeeperLimits()
        self._snapshot: Snapshot | None = None
        self._state = State(stale_since=clock.now(), reason="nothing was read yet")
        self._stopping, self._ready = Event(), Event()
        self._thread: Thread | None = None
        self._building: Thread | None = None
        self._built, self._build_failed = False, ""
        self._checking = (0, 0)

    @property
    def current(self) -> Snapshot | None:
        """The snapshot to answer from; `None` before the first one."""
        return self._snapshot

    @property
    def state(self) -> State:
        """How it stands now."""
        return self._state

    def wait_ready(self, seconds: float) -> bool:
        """Wait for the first snapshot, as long as this; tell whether there is one."""
        return self._ready.wait(seconds)

    def start(self) -> None:
        """Open the last base file, if there is one, and begin to follow the database."""
        self._thread = Thread(target=self._run, name="snapshot-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a base that is being made is left to itself."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def adopt(self) -> None:
        """Answer from the last base file, if there is one: it is of some revision before."""
        kept = snapshot_base.newest(self._place.folder, self._place.environment, self._schemes)
        if kept is not None:
            self._swap(kept)

    def _run(self) -> None:
        self.adopt()
        while not self._stopping.is_set():
            try:
                with translated():
                    self._follow()
            except ControllerError as error:
                self._fell_behind(str(error))
            except OSError as error:  # the folder: full, gone or read-only
                self._fell_behind(str(error))
            except Exception as error:
                # Whatever it was, readers are told and the next try begins from a base.
                logging.getLogger(__name__).exception("the snapshot could not be kept")
                self._fell_behind(type(error).__name__)
            self._stopping.wait(self._limits.retry_seconds)

    def _follow(self) -> None:
        connection = self._connect()
        try:
            connection.execute(f"LISTEN {CHANNEL}".encode())
            checked = looked = monotonic()
            self.catch_up(connection)
            while not self._stopping.is_set():
                told = any(True for _ in connection.notifies(timeout=_STOP_SECONDS, stop_after=1))
                now = monotonic()
                if told or self._building is not None or now - looked >= self._limits.poll_seconds:
                    self.catch_up(connection)
                    looked = monotonic()
                if now - checked >= self._limits.check_seconds:
                    self.check(connection)
                    checked = monotonic()
        finally:
            connection.close()

    def catch_up(self, connection: Connection[Any]) -> None:
        """Bring the snapshot to what is applied, or begin to make a new base for it."""
        built = self._take_built()
        snapshot = built or self._snapshot
        following: Snapshot | None = None
        with directory.moment(connection):
            facts = read_facts(connection, self._place.environment)
            if facts is None:
                self._fell_behind("nothing is applied yet")
                return
            if snapshot is not None:
                following = snapshot
                if facts != snapshot.facts:
                    following = self._patched(connection, snapshot, facts)
        if following is None:
            self._fell_behind(f"revision {facts.revision} needs a new base")
            self._rebase(connection, facts)
            return
        if following is not self._snapshot:
            self._swap(following)
        self._caught_up()
        if following.rows.changes > self._limits.rebase_at:
            self._rebase(connection, facts)

    def check(self, connection: Connection[Any]) -> None:
        """Compare revision, digests, counts and some keys with the database; rebuild on a mismatch.

        Each check takes other keys, so that all have their turn.
        """
        with directory.moment(connection):
            facts = read_facts(connection, self._place.environment)
            snapshot = self._snapshot
            if snapshot is None or facts is None or facts.revision != snapshot.facts.revision:
                return
            differing = int(facts.digests != snapshot.facts.digests)
            differing += sum(
                snapshot.rows.count(table) != facts.digests[table][0]
                for table in snapshot.rows.base.rows
            )
            which, first = self._checking
            looked, found = snapshot_patch.differing(
                connection, snapshot.rows, _CHECKED[which], first, self._limits.checked_keys
            )
        differing += found
        following = (
            (which, first + self._limits.checked_keys)
            if looked
            else ((which + 1) % len(_CHECKED), 0)
        )
        self._checking = following
        self._state = replace(
            self._state,
            checked_at=self._clock.now(),
            mismatches=self._state.mismatches + differing,
        )
        if differing:
            self._fell_behind(f"{differing} keys or tables are not the database's")
            self._rebase(connection, facts, anew=True)

    def _patched(
        self, connection: Connection[Any], snapshot: Snapshot, facts: Facts
    ) -> Snapshot | None:
        """Return the snapshot with what changed, or `None` where only a new base will do."""
        before = snapshot.facts
        if facts.places != before.places or facts.revision < before.revision:
            return None
        if facts.revision == before.revision and facts.digests != before.digests:
            return None
        rows = snapshot_patch.patched(connection, snapshot.rows, before.revision)
        if rows is None:
            return None
        snapshot.files.learn(connection)
        return Snapshot(rows, facts, snapshot.files, self._schemes)

    def _rebase(self, connection: Connection[Any], facts: Facts, *, anew: bool = False) -> None:
        """Make a base of what is applied: here where it is small, else beside us."""
        if self._building is not None:
            return
        folder, environment = self._place.folder, self._place.environment
        if anew:
            snapshot_base.forget(folder)
        self._state = replace(self._state, rebuilds=self._state.rebuilds + 1)
        if sum(rows for rows, _, _ in facts.digests.values()) <= self._limits.small_rows:
            snapshot_base.build(connection, environment, folder)
            self._built = True
            self.catch_up(connection)
            return
        self._building = Thread(target=self._build, name="snapshot-build", daemon=True)
        self._building.start()

    def _build(self) -> None:
        try:
            self._place.build()
            self._built = True
        except ControllerError as error:
            self._build_failed = str(error)

    def _take_built(self) -> Snapshot | None:
        """Return what a new base holds, once it is made."""
        if self._building is not None:
            if self._building.is_alive():
                return None
            self._building = None
        if self._build_failed:
            self._fell_behind(self._build_failed)
            self._build_failed = ""
        if not self._built:
            return None
        self._built = False
        return snapshot_base.newest(self._place.folder, self._place.environment, self._schemes)

    def _swap(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        patches = self._state.patches + int(bool(snapshot.rows.changes))
        self._state = replace(self._state, revision=snapshot.facts.revision, patches=patches)
        self._swapped(snapshot)
        self._ready.set()

    def _caught_up(self) -> None:
        if self._state.stale_since is not None:
            self._state = replace(self._state, stale_since=None, reason="")

    def _fell_behind(self, reason: str) -> None:
        since = self._state.stale_since or self._clock.now()
        self._state = replace(self._state, stale_since=since, reason=reason)
