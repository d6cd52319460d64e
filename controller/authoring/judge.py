"""Judge a whole artifact repository as its controller would, and say everything at once.

The controller stops at the first refusal; an author wants to read all of them. So each step below
calls what the controller calls, and what that raises becomes a finding `trust/<code>` with the
path it is about. Unfinished work is normal: what nobody has released yet may lack a signature.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeGuard, TypeVar

from controller.artifacts import layout, walk
from controller.artifacts.bundle import BundleStatement
from controller.artifacts.draft import Draft
from controller.artifacts.layout import TOP_LEVEL, BadName, BundleId
from controller.artifacts.levels import BadTree, TooLarge
from controller.artifacts.merkle import Counts, DictMemory
from controller.artifacts.wire import BadDocument
from controller.authoring.chain import check_chain, environments_before, environments_in
from controller.authoring.draft import LintedFiles, NoDraft, bundles_of, lint_files, read_draft
from controller.authoring.releases import release_in
from controller.authoring.staged import Subject
from controller.authoring.told import rule_of, told
from controller.authoring.trusted import NoRoot, Trusted, trusted_root
from controller.kernel.errors import ControllerError, Refused, Unavailable
from controller.kernel.findings import ERRORS_MAX, Finding, Report, Severity
from controller.kernel.objects import Oid
from controller.kernel.strictjson import MalformedJson
from controller.policy.lint import LintBundle, lint_dataset
from controller.reconcile.acks import acknowledged
from controller.reconcile.admit import (
    Admitted,
    Memories,
    admit,
    find_committed_files,
    read_bundle,
)
from controller.reconcile.filestrees import FilesTrees
from controller.reconcile.rails import Rails, RailSet
from controller.reconcile.roots import roots_after
from controller.reconcile.succession import NoRelease, signed_release
from controller.source.budget import TOO_COSTLY
from controller.trust.core import ThresholdNotMet
from controller.trust.history import ReleaseExpired
from controller.trust.root import Pin
from controller.trust.verify import SignatureInvalid

REFUSALS_MAX = 500
"""Where a judgement ends: each refusal costs more than a finding about a row."""
STRAYS_MAX = 1000
OLD_REFUSALS_MAX = 500
"""So many old versions that nobody released are told of, before the others are left alone."""

_T = TypeVar("_T")


class NothingHere(Refused):
    """There is nothing of an artifact repository to judge, which is not the same as clean."""

    code = "authoring.nothing_here"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} holds none of {', '.join(TOP_LEVEL)}",
            hint="name the folder or the branch of an artifact repository",
        )
        self.name = name


class TooMuchWrong(Refused):
    """There is more to say about a repository than anybody will read."""

    code = "authoring.too_much_wrong"

    def __init__(self) -> None:
        super().__init__(
            f"more than {ERRORS_MAX:,} errors or {REFUSALS_MAX:,} refusals; "
            "what comes after them was not looked at",
            hint="mend these first, then run the command again",
        )


@dataclass(slots=True)
class Checked:
    """How much was looked at; `rows` are those of drafts, and of live files that differ."""

    drafts: int = 0
    versions: int = 0
    releases: int = 0
    files: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said about a repository, what was looked at, and whose word was believed."""

    report: Report
    checked: Checked
    trusted: Trusted | None


def judge(
    subject: Subject,
    rails: Rails,
    pin: Pin | None,
    now: datetime,
    *,
    environment: str | None = None,
    note: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> Judgement:
    """Judge drafts, versions and releases (of one environment, or of all); raise for no finding.

    `note` is told how many of the repository's bundles and environments are judged.
    """
    return _Judge(subject, rails, pin, now).run(environment, note)


@dataclass(slots=True)
class _Judge:
    subject: Subject
    rails: Rails
    pin: Pin | None
    now: datetime
    found: list[Finding] = field(default_factory=list)
    checked: Checked = field(default_factory=Checked)
    memory: DictMemory = field(default_factory=DictMemory)
    _linted: dict[tuple[str, Oid], LintedFiles] = field(default_factory=dict)
    _verified: list[tuple[BundleStatement, bool]] = field(default_factory=list)
    """The versions that their owners signed, and whether each is an old one."""
    _had_release: frozenset[str] = frozenset()
    _errors: int = 0
    _refusals: int = 0
    _strays: int = 0
    _old_refusals: int = 0

    def run(self, environment: str | None, note: Callable[[int, int | None], None]) -> Judgement:
        if all(self.subject.view.find(name) is None for name in TOP_LEVEL):
            raise NothingHere(self.subject.name)
        self._layout()
        trusted = self._try(layout.ROOT_DIR, self._root)
        rails = self._try("policies", self._rails)
        view = self.subject.view
        bundles = self._try("bundles", lambda: bundles_of(view)) or []
        environments = self._try("environments", partial(self._environments, environment)) or []
        released = self._released(environments)
        total = len(bundles) + len(environments)
        for done, bundle in enumerate(bundles):
            if self._is_enough:
                break
            note(done, total)
            if rails is not None:
                self._try(layout.bundle_dir(bundle), partial(self._draft, bundle, rails))
            if trusted is not None:
                where = layout.versions_dir(bundle)
                self._try(where, partial(self._versions, bundle, trusted, released))
        self._pinned()
        for done, name in enumerate(environments, start=len(bundles)):
            if self._is_enough:
                break
            note(done, total)
            if trusted is not None and rails is not None:
                where = layout.release_dir(name)
                self._try(where, partial(self._release, name, trusted, rails))
        if self._is_enough:
            self.found.append(told(TooMuchWrong(), self.subject.name))
        return Judgement(Report.of(self.found), self.checked, trusted)

    @property
    def _is_enough(self) -> bool:
        return self._errors > ERRORS_MAX or self._refusals > REFUSALS_MAX

    def _add(self, findings: Iterable[Finding]) -> None:
        for one in findings:
            is_error = one.severity is Severity.ERROR
            if is_error and self._errors > ERRORS_MAX:
                continue
            self._errors += is_error
            self.found.append(one)

    def _refuse(self, finding: Finding) -> None:
        self._refusals += finding.severity is Severity.ERROR
        self._add([finding])

    # What is raised becomes a finding

    def _say(self, error: ControllerError, path: str, severity: Severity = Severity.ERROR) -> None:
        self._refuse(told(error, path, severity))

    def _try(self, path: str, step: Callable[[], _T]) -> _T | None:
        try:
            return step()
        except Unavailable:
            raise  # nobody wrote something wrong: the same command may succeed
        except ControllerError as error:
            self._say(error, path)
            return None

    # The steps

    def _layout(self) -> None:
        for name in TOP_LEVEL:
            self._try(name, partial(self._walk, name))

    def _walk(self, name: str) -> None:
        entry = self.subject.view.find(name)
        if entry is None:
            return
        if not entry.is_tree:
            self._add([_stray(name)])
            return
        faults: list[BadTree | TooLarge] = []
        try:
            for file in walk.files(self.subject.history, entry.oid, name, faults):
                self.checked.files += 1
                if not _belongs(file.path) and self._strays <= STRAYS_MAX:
                    self._strays += 1
                    self._add([_stray(file.path)])
        finally:
            self._add(told(fault, name) for fault in faults)

    def _root(self) -> Trusted | None:
        view = self.subject.view
        self._try(layout.ROOT_DIR, self._roots_kept)
        try:
            trusted = trusted_root(view, self.pin, self.now)
        except NoRoot as error:
            unsigned = view.find("environments") is None
            severity = Severity.WARNING if unsigned else Severity.ERROR
            self._say(error, layout.root_path(1), severity)
            return None
        # This host's pin is enough for itself; everybody else starts at the first root.
        if view.find(layout.root_path(1)) is None:
            self._say(NoRoot(), layout.root_path(1), Severity.WARNING)
        return trusted

    def _roots_kept(self) -> None:
        """Raise when a root of this history is gone, or the chain has a gap."""
        roots_after(self.subject.history, self.subject.commit, 0, since=None)

    def _rails(self) -> RailSet:
        rails = self.rails.at(self.subject.history, self.subject.view.tree)
        for name in rails.overridden:
            self._try(layout.policies_dir(name), partial(rails.rail, name))
        return rails

    def _environments(self, wanted: str | None) -> list[str]:
        here = environments_in(self.subject.view)
        self._had_release = environments_before(self.subject.history, self.subject.commit)
        return [name for name in sorted(here | self._had_release) if wanted in (None, name)]

    def _released(self, environments: list[str]) -> set[tuple[BundleId, int]]:
        """Return the versions that releases list; whether one counts is judged elsewhere."""
        found = set()
        for name in environments:
            try:
                release = release_in(self.subject.view, self.subject.commit, name)
            except ControllerError:
                continue
            if release is not None:
                found |= {(live.bundle, live.version) for live in release.statement.bundles}
        return found

    def _draft(self, bundle: BundleId, rails: RailSet) -> None:
        view = self.subject.view
        where = layout.files_path(bundle)
        entry = view.find(where)
        rail = self._try(layout.bundle_dir(bundle), lambda: rails.rail(bundle.rail))
        draft = self._read_draft(bundle)
        if rail is None or draft is None:
            return
        if entry is None or not entry.is_tree:
            self._say(NoDraft(f"there is no {where}", hint="put the bundle's tables there"), where)
            return
        linted = self._try(where, lambda: self._lint(bundle, entry.oid, rails))
        if linted is not None:
            self.checked.drafts += 1
            self._add(linted.findings)
            one = LintBundle(str(bundle), rail, draft.window, linted.tables)
            self._add(lint_dataset([one]) if linted.whole else [])

    def _read_draft(self, bundle: BundleId) -> Draft | None:
        path = layout.draft_path(bundle)
        try:
            return read_draft(self.subject.view, bundle)
        except MalformedJson as error:
            message = f"{error.reason} (column {error.column})"
            about = (message, error.line, "", error.hint)
            self._refuse(Finding(rule_of(error), Severity.ERROR, path, *about))
        except BadDocument as error:
            where = (error.reason, error.line, error.pointer)
            self._refuse(Finding(rule_of(error), Severity.ERROR, path, *where))
        except ControllerError as error:
            self._say(error, path)
        return None

    def _lint(self, bundle: BundleId, tree: Oid, rails: RailSet) -> LintedFiles:
        rail = rails.rail(bundle.rail)
        key = (str(bundle), tree)
        if key not in self._linted:
            self._linted[key] = lint_files(
                self.subject.history, tree, layout.files_path(bundle), rail
            )
            total = sum(self._linted[key].counts.values(), Counts())
            self.checked.rows += total.rows
        return self._linted[key]

    def _versions(
        self, bundle: BundleId, trusted: Trusted, released: set[tuple[BundleId, int]]
    ) -> None:
        folder = layout.versions_dir(bundle)
        view = self.subject.view
        names = self._try(folder, lambda: [entry.name for entry in view.children(folder)]) or []
        read = [self._try(f"{folder}/{name}", partial(layout.number, name)) for name in names]
        numbers = sorted(number for number in read if number is not None)
        for number in numbers:
            live = (bundle, number) in released
            is_old = not live and number != numbers[-1]
            if self._is_enough or (is_old and self._old_refusals > OLD_REFUSALS_MAX):
                continue
            self.checked.versions += 1
            try:
                statement = self._version(bundle, number, trusted)
                self._verified.append((statement, is_old))
            except Unavailable:
                raise
            except ControllerError as error:
                self._old_refusals += is_old
                if _only_waits(error):
                    newest = number == numbers[-1]
                    self._unfinished(error, bundle, number, live=live, newest=newest)
                    continue
                severity = Severity.WARNING if is_old else Severity.ERROR
                self._say(error, layout.version_dir(bundle, number), severity)

    def _version(self, bundle: BundleId, number: int, trusted: Trusted) -> BundleStatement:
        view = self.subject.view
        return read_bundle(view.objects, view.tree, trusted.root, bundle, number, self.now)[0]

    def _pinned(self) -> None:
        """Judge whether this history holds the files of every version that was verified.

        Asked when all are: whatever they pin is looked for once. Those that count come first.
        """
        history, commit = self.subject.history, self.subject.commit
        trees = FilesTrees(history, commit, {one.bundle for one, _ in self._verified})
        for statement, _ in self._verified:
            trees.signed(statement)
        for statement, is_old in sorted(self._verified, key=lambda one: one[1]):
            if self._is_enough or (is_old and self._old_refusals > OLD_REFUSALS_MAX):
                break
            severity = Severity.WARNING if is_old else Severity.ERROR
            try:
                find_committed_files(history, statement, trees, self.memory)
            except TOO_COSTLY as error:
                self._say(error, "bundles", severity)
                break  # The others would say the same.
            except Unavailable:
                raise
            except ControllerError as error:
                self._old_refusals += is_old
                where = layout.version_dir(statement.bundle, statement.version)
                self._say(error, where, severity)

    def _unfinished(
        self, error: ThresholdNotMet, bundle: BundleId, number: int, *, live: bool, newest: bool
    ) -> None:
        severity = Severity.ERROR if live else Severity.WARNING if newest else Severity.INFO
        missing = error.need - error.have
        plain = type(error) is ThresholdNotMet
        self._refuse(
            Finding(
                rule_of(error),
                severity,
                layout.version_dir(bundle, number),
                f"{bundle}@{number} needs {missing} more signature{'s' * (missing != 1)} "
                f"({error.have} of {error.need})" + ("" if plain else f": {error}"),
                hint=f"another owner: countersign sign {bundle}" if plain else error.hint,
            )
        )

    def _release(self, environment: str, trusted: Trusted, rails: RailSet) -> None:
        path = layout.release_path(environment)
        folder = layout.release_dir(environment)
        if self.subject.view.find(path) is None and not self._has_envelopes(folder):
            if environment in self._had_release:
                self._say(NoRelease(environment, self.subject.commit), path)
            return
        self.checked.releases += 1
        try:
            admitted = self._admit(environment, trusted, rails)
        except Unavailable:
            raise
        except ControllerError as error:
            waiting = _only_waits(error) and self._is_waiting(path)
            self._say(error, path, Severity.WARNING if waiting else Severity.ERROR)
        else:
            self._try(path, lambda: check_chain(self.subject.history, admitted.release, self.now))
            self._try(path, lambda: self._lint_live(admitted, rails))

    def _admit(self, environment: str, trusted: Trusted, rails: RailSet) -> Admitted:
        objects, commit = self.subject.history, self.subject.commit
        release = signed_release(objects, commit, environment, trusted.held, self.now)
        expires = release.statement.expires
        if expires is not None and expires <= self.now:
            raise ReleaseExpired(release.statement.serial, expires)
        acknowledged(objects, release, self.now)
        memories = Memories(self.memory)
        return admit(objects, release, rails, memories, known={}, applied=(), now=self.now)

    def _lint_live(self, admitted: Admitted, rails: RailSet) -> None:
        """Judge the rows that would be live, each file and then all of them together."""
        bundles, whole = [], True
        for one in admitted.bundles:
            bundle = one.statement.bundle
            linted = self._lint(bundle, one.live.files_tree, rails)
            self._add(linted.findings)
            rail = rails.rail(bundle.rail)
            bundles.append(LintBundle(str(bundle), rail, one.live.window, linted.tables))
            whole = whole and linted.whole
        if whole:
            self._add(lint_dataset(bundles))

    def _has_envelopes(self, folder: str) -> bool:
        return any(
            layout.is_envelope_name(entry.name, layout.RELEASE_STEM)
            for entry in self.subject.view.children(folder)
        )

    def _is_waiting(self, path: str) -> bool:
        """Whether a release is not committed yet, so that signatures may still come."""
        if not self.subject.is_worktree:
            return False
        before = self.subject.view_before
        return before is None or before.find(path) != self.subject.view.find(path)


def _only_waits(error: ControllerError) -> TypeGuard[ThresholdNotMet]:
    """Whether nothing is wrong but that signatures are missing, which may still come."""
    return isinstance(error, ThresholdNotMet) and not isinstance(error, SignatureInvalid)


def _belongs(path: str) -> bool:
    """Whether a file has a place in the layout; what a folder of signatures may hold is its own."""
    match path.split("/"):
        case ["trust", "root", name]:
            return _is_root(name)
        case (
            ["policies", _, _, *_]
            | ["bundles", _, _, "draft.json"]
            | ["bundles", _, _, "files", _, *_]
            | ["bundles", _, _, "versions", _, _]
            | ["environments", _, _, *_]
        ):
            return True
    return False


def _is_root(name: str) -> bool:
    try:
        layout.parse_root_path(f"{layout.ROOT_DIR}/{name}")
    except BadName:
        return False
    return True


def _stray(path: str) -> Finding:
    return Finding(
        "trust/layout.stray",
        Severity.WARNING,
        path,
        "nothing reads this file",
        hint="move it, or remove it; docs/formats.md shows where things stand",
    )


def counts_by_severity(report: Report) -> Mapping[str, int]:
    """Return how many findings there are of each severity."""
    return {
        severity.value: sum(one.severity is severity for one in report.findings)
        for severity in Severity
    }
