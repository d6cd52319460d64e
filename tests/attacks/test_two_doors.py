"""A pull request's check and a pass give one answer to every history, honest or odd.

A host looks after each commit of a history made at random, and `validate` judges the same commit.
What the check calls clean the host accepts; what the host accepts the check does not refuse. Of
what is not live, drafts and versions that nobody released, the check may say more. And it asks for
one thing that a host does not need: signed files have to stand in the first-parent history, so
that every clone has them (`test_judge.py`); histories here keep them there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from controller.adapters.git import Author, commit_content
from controller.artifacts import layout
from controller.artifacts.release import LiveBundle
from controller.authoring.judge import judge
from controller.authoring.staged import commit_named
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import sha256
from controller.kernel.errors import ControllerError
from controller.kernel.findings import Finding, Severity
from controller.kernel.objects import Oid
from controller.reconcile.cycle import converge
from controller.trust.root import Pin
from tests.support.world import CARDS, NEW_RANGE, RANGES, Shop

HISTORIES = 3
STEPS = 12
BAD_RANGE = NEW_RANGE.replace("false", "perhaps")
RELEASE = layout.release_path(ENVIRONMENT)
T = TypeVar("T")
NOWHERE = Oid(b"\7" * 20)


@dataclass
class Course:
    """One history: what happened to it, and what it takes to mend what was damaged."""

    shop: Shop
    seed: int
    told: list[str] = field(default_factory=list)
    mend: dict[str, bytes | None] = field(default_factory=dict)
    accepted: bool = True
    lines: int = 0
    picked: int = 0

    def happen(self) -> None:
        """Let something happen: what should be done, more often than what should not."""
        steps = self.pick([HONEST, HONEST, ODD])
        name = "mending" if self.mend else self.pick(sorted(steps))
        self.told.append(name)
        self.shop.clock.advance(timedelta(minutes=1))
        {**HONEST, **ODD}[name](self)

    def pick(self, some: Sequence[T]) -> T:
        """Return one of several, the same each time this history is made."""
        self.picked += 1
        digest = sha256(f"{self.seed} {self.picked}".encode())
        return some[int(digest, 16) % len(some)]

    def line(self) -> str:
        """Return a range that was not there before."""
        self.lines += 1
        return NEW_RANGE.replace("990600", f"{991000 + self.lines}")

    def check(self) -> None:
        """Let both doors look at the newest commit; raise where their answers differ."""
        errors = self._errors()
        refusal = self._refusal()
        self.accepted = not refusal
        said = f"{self.told}: the pass says {refusal!r}, the check {[str(one) for one in errors]}"
        assert errors or not refusal, said
        assert refusal or not [one for one in errors if self._is_of_what_is_live(one)], said

    def _refusal(self) -> str:
        try:
            list(converge(self.shop.world()))
        except ControllerError as error:
            return error.code
        return ""

    def _errors(self) -> list[Finding]:
        shop = self.shop
        pin = Pin(shop.pin.envelope, shop.pin.sha256)
        subject = commit_named(shop.folder, shop.tip.hex())
        found = judge(subject, shop.rails, pin, shop.clock.now(), environment=ENVIRONMENT)
        return [one for one in found.report.findings if one.severity is Severity.ERROR]

    def _live(self) -> Iterable[LiveBundle]:
        return self.shop.statement().bundles

    def _is_of_what_is_live(self, found: Finding) -> bool:
        live = {layout.version_dir(one.bundle, one.version) for one in self._live()}
        is_version = "/versions/" in found.file
        is_draft = "/files" in found.file and not found.rule.startswith("trust/")
        return found.file in live if is_version else not is_draft


Step = Callable[[Course], object]


def honest_version(course: Course) -> LiveBundle:
    course.shop.edit(add=[course.line()])
    return course.shop.sign(course.shop.next_version())


def release_of(course: Course, live: LiveBundle) -> None:
    course.shop.release(course.shop.next_release(live))


def changed_version(course: Course, **changes: Any) -> None:
    """Release a version that says something else of its files than they are."""
    shop = course.shop
    release_of(course, shop.sign(replace(shop.next_version(), **changes)))


def unless_refused(step: Step) -> Step:
    """Return a step that is taken only where the host stands at the newest release."""
    return lambda course: step(course) if course.accepted else course.shop.edit(add=[course.line()])


def go_back(course: Course, by: str | None) -> None:
    course.shop.revert_release(course.pick(course.shop.released), by=by)


def merge(course: Course) -> None:
    """Merge a branch on which somebody edited, signed and released."""
    shop, before = course.shop, course.shop.tip
    shop.publish(add=[course.line()])
    side, tree = shop.tip, shop.tree
    author = Author("Somebody", "somebody@example.test", shop.clock.now())
    shop.force(shop.repository.write_commit(commit_content(tree, [before, side], author, "Merge")))


def takes_no_number(course: Course, **changes: Any) -> None:
    """Release what follows nothing, so that the next one has its number."""
    shop = course.shop
    kept = list(shop.released)
    shop.release(shop.next_release(**changes))
    shop.released[:] = kept


def too_few(course: Course) -> None:
    shop = course.shop
    kept = list(shop.released)
    shop.release(shop.next_release(), by=("alice",))
    shop.released[:] = kept


def damage(path: str, data: bytes | None) -> Step:
    """Return a step that puts something where it may not stand, until it is mended."""

    def step(course: Course) -> None:
        shop = course.shop
        held = shop.repository.entry(shop.tree, path)
        course.mend[path] = shop.repository.read(held) if held is not None else None
        shop.commit({path: data})

    return step


def mend(course: Course) -> None:
    if course.mend:
        course.shop.commit(course.mend)
        course.mend.clear()
    elif BAD_RANGE.encode() in course.shop.read(RANGES):
        course.shop.publish(drop=[BAD_RANGE])
    else:
        course.shop.publish(add=[course.line()])


HONEST: Mapping[str, Step] = {
    "a word to readers": lambda course: course.shop.commit({"README.md": course.line().encode()}),
    "a draft": lambda course: course.shop.edit(add=[course.line()]),
    "a version": honest_version,
    "a release": lambda course: release_of(course, honest_version(course)),
    "a release of what was": lambda course: course.shop.release(course.shop.next_release()),
    "a return": unless_refused(lambda course: go_back(course, "rollback")),
    "a merge": merge,
    "mending": mend,
}
ODD: Mapping[str, Step] = {
    "a return that nobody signed": unless_refused(lambda course: go_back(course, None)),
    "a release that too few signed": too_few,
    "a serial that is skipped": lambda course: takes_no_number(
        course, serial=course.shop.released[-1].serial + 2
    ),
    "another release of a serial": lambda course: takes_no_number(
        course, serial=course.shop.released[-1].serial, previous=course.shop.released[-1].previous
    ),
    "a release of no version": lambda course: release_of(
        course, LiveBundle(CARDS, 99, sha256(b"none"))
    ),
    "rows that break rules": lambda course: course.shop.publish(add=[BAD_RANGE]),
    "files that never were": lambda course: changed_version(
        course, files_root=sha256(b"lost"), git_tree=NOWHERE
    ),
    "a hint that leads nowhere": lambda course: changed_version(course, git_tree=NOWHERE),
    "counts that are not true": lambda course: changed_version(course, tables={}),
    "another environment": lambda course: changed_version(course, environments=("staging",)),
    "a release that is over": lambda course: course.shop.release(
        course.shop.next_release(expires=course.shop.clock.now())
    ),
    "a copy that differs": damage(RELEASE, b"rubbish"),
    "a root that is gone": damage("trust/root/1.root.json", None),
    "a root that is none": damage("trust/root/2.root.json", b"rubbish"),
    "a name beside the bundles": damage("bundles/card-bin/Upper", b"x"),
    "a name beside the release": damage("environments/production/notes.txt", b"x"),
    "a name beside the environments": damage("environments/Upper", b"x"),
    "a rail that is none": damage("policies/card-bin/rail.json", b"rubbish"),
}


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_the_check_and_the_host_agree_on_every_commit_of_a_history(shop: Shop, seed: int) -> None:
    course = Course(shop, seed)

    for _ in range(STEPS):
        course.happen()
        course.check()
