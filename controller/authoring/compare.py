"""Compare two states of an artifact repository, or one with production, row by row.

A side is what would be live: the drafts of a tree as if each were released, the release of a tree,
or what production was last brought to. The rows are compared by the code that plans a pass.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.adapters.postgres import Connection, reading
from controller.artifacts import layout
from controller.artifacts.layout import BundleId
from controller.artifacts.merkle import DictMemory
from controller.authoring.draft import bundles_of, read_draft
from controller.authoring.rails import overridden
from controller.authoring.staged import Subject
from controller.authoring.trusted import trusted_root
from controller.authoring.view import View
from controller.kernel.canonical import Digest, sha256
from controller.kernel.errors import Refused
from controller.kernel.objects import Header, History, MissingObject, Objects, Oid
from controller.plan.changes import Changes
from controller.plan.live import LiveVersion
from controller.plan.plan import Plan, make_plan
from controller.reconcile.admit import Memories, admit
from controller.reconcile.rails import Rails
from controller.reconcile.succession import signed_release
from controller.stores.control import store as control
from controller.trust.root import Pin


class NothingApplied(Refused):
    """There is no production to compare with."""

    code = "compare.nothing_applied"

    def __init__(self, environment: str) -> None:
        super().__init__(
            f"nothing has been applied to {environment} yet",
            hint="run `countersign reconcile --once`, or compare with a commit",
        )


@dataclass(frozen=True, slots=True)
class Side:
    """One side: what it is called, what of it is compared, and the versions that count.

    A draft's version is 0: it has none yet.
    """

    name: str
    what: str
    commit: Oid | None
    objects: Objects
    live: tuple[LiveVersion, ...]
    policies: Mapping[str, Digest]


@dataclass(frozen=True, slots=True)
class BundleChange:
    """How a bundle differs: its letter (A, M or D) and the versions on both sides."""

    bundle: BundleId
    letter: str
    before: tuple[LiveVersion, ...]
    after: tuple[LiveVersion, ...]


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """How a rail that the repository overrides differs; `None`: the shipped one is in force."""

    rail: str
    before: Digest | None
    after: Digest | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything in which two sides differ."""

    before: Side
    after: Side
    bundles: tuple[BundleChange, ...]
    policies: tuple[PolicyChange, ...]
    plan: Plan

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not self.bundles and not self.policies and self.plan.is_empty


def drafts(subject: Subject) -> Side:
    """Return the drafts of a tree, as if each were released now in its own window."""
    view = subject.view
    live = []
    for bundle in bundles_of(view):
        entry = view.find(layout.files_path(bundle))
        if entry is not None and entry.is_tree:
            window = read_draft(view, bundle).window
            live.append(LiveVersion(bundle, 0, entry.oid, window))
    commit = None if subject.is_worktree else subject.commit
    return Side(
        subject.name, "drafts (files/)", commit, subject.history, tuple(live), overridden(view)
    )


def released(
    subject: Subject, rails: Rails, pin: Pin | None, environment: str, now: datetime
) -> Side:
    """Return the versions that a tree's release lists, all of them verified."""
    history, view = subject.history, subject.view
    held = trusted_root(view, pin, now).held
    release = signed_release(history, subject.commit, environment, held, now)
    found = admit(
        history,
        release,
        rails.at(history, release.tree),
        Memories(DictMemory()),
        known={},
        applied=(),
        now=now,
    )
    return Side(
        subject.name,
        f"release {release.statement.serial} of {environment}",
        None if subject.is_worktree else subject.commit,
        history,
        found.live,
        overridden(view),
    )


def production(connection: Connection[Any], repository: History, environment: str) -> Side:
    """Return the versions that were last applied."""
    with reading(connection):
        applied = control.read_applied(connection, environment)
        bundles = control.live_bundles(connection, environment)
    if applied is None:
        raise NothingApplied(environment)
    live = tuple(
        LiveVersion(BundleId.parse(one.bundle), one.version, one.files_tree, one.window)
        for one in bundles
    )
    view = View(repository, repository.tree_of(applied.commit))
    what = f"revision {applied.revision} of {environment} (release {applied.serial_current})"
    return Side("production", what, applied.commit, repository, live, overridden(view))


def compare(before: Side, after: Side, now: datetime | None = None) -> Comparison:
    """Return how `after` differs from `before`; with `now`, rows end only where it is ahead."""
    changes = Changes(Both(before.objects, after.objects), before.live, after.live)
    nothing = sha256(b"")
    plan = make_plan("compare", None, nothing, changes, one_sided=changes.is_one_sided, now=now)
    return Comparison(
        before,
        after,
        tuple(_bundle_changes(before.live, after.live)),
        tuple(_policy_changes(before.policies, after.policies)),
        plan,
    )


@dataclass(frozen=True, slots=True)
class Both:
    """Two places of objects as one: what the first does not hold, the second may."""

    first: Objects
    second: Objects

    def header(self, oid: Oid) -> Header:
        """Return an object's kind and size."""
        return self._holder(oid).header(oid)

    def read(self, oid: Oid) -> bytes:
        """Return an object's contents."""
        return self._holder(oid).read(oid)

    def read_many(self, oids: Iterable[Oid]) -> Iterator[bytes]:
        """Yield the contents of many blobs."""
        wanted = list(oids)
        if all(self._holder(oid) is self.first for oid in wanted):
            return self.first.read_many(wanted)
        return map(self.read, wanted)

    def _holder(self, oid: Oid) -> Objects:
        try:
            self.first.header(oid)
        except MissingObject:
            return self.second
        return self.first


def _bundle_changes(
    before: Iterable[LiveVersion], after: Iterable[LiveVersion]
) -> Iterator[BundleChange]:
    old, new = _by_bundle(before), _by_bundle(after)
    for bundle in sorted({*old, *new}):
        left, right = old.get(bundle, ()), new.get(bundle, ())
        if _content(left) != _content(right):
            letter = "M" if left and right else "D" if left else "A"
            yield BundleChange(bundle, letter, left, right)


def _by_bundle(live: Iterable[LiveVersion]) -> dict[BundleId, tuple[LiveVersion, ...]]:
    found: dict[BundleId, tuple[LiveVersion, ...]] = {}
    for one in live:
        found[one.bundle] = (*found.get(one.bundle, ()), one)
    return found


def _content(live: Iterable[LiveVersion]) -> list[tuple[Oid, tuple[object, ...]]]:
    """Return what counts when: a version's number alone makes no difference."""
    return sorted((one.files_tree, one.window.order) for one in live)


def _policy_changes(
    before: Mapping[str, Digest], after: Mapping[str, Digest]
) -> Iterator[PolicyChange]:
    for rail in sorted({*before, *after}):
        if before.get(rail) != after.get(rail):
            yield PolicyChange(rail, before.get(rail), after.get(rail))
