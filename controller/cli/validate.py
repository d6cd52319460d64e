"""`countersign validate`: everything a controller would say about a repository, before it does."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, assert_never

import typer

from controller.cli.options import ConfigOption, TimeoutOption, deadline
from controller.cli.output import (
    emit,
    emit_findings,
    emit_json,
    finding_json,
    progress,
    say,
)
from controller.kernel.findings import Severity

if TYPE_CHECKING:
    from controller.authoring.judge import Judgement
    from controller.authoring.staged import Subject
    from controller.trust.root import Pin


TEXT_FINDINGS = 50


class Form(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


class FailOn(StrEnum):
    """The lightest finding that makes the command fail."""

    ERROR = "error"
    WARNING = "warning"


def validate(  # noqa: PLR0913, PLR0917  one parameter per option
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A work tree.")] = Path(),
    ref: Annotated[
        str | None, typer.Option("--ref", metavar="REF", help="This commit, not the work tree.")
    ] = None,
    environment: Annotated[
        str | None,
        typer.Option("--environment", metavar="NAME", help="The releases of this one alone."),
    ] = None,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="Exit 1 from this severity on.")
    ] = FailOn.ERROR,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Show so many findings; default 50 as text, else all."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="REF",
            help="Judge signatures of the commits after this; by default the followed branch.",
        ),
    ] = None,
    config: ConfigOption = None,
    output: Annotated[
        Form, typer.Option("-o", "--output", help="How to print the findings.")
    ] = Form.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Judge drafts, signatures, releases and rails of a repository; no database is needed.

    The root of trust is the one that the settings pin; without settings the repository's first
    root vouches for itself. Where the settings ask for signed commits (`commits.verify`), so does
    this, of those that are not on the followed branch yet. Exit 1: something blocks.
    """
    from controller.adapters.clock import SystemClock
    from controller.adapters.shipped import shipped
    from controller.authoring.judge import judge
    from controller.authoring.staged import commit_named, work_tree
    from controller.reconcile.rails import Rails

    with deadline(timeout), progress("validate") as note:
        subject = work_tree(path) if ref is None else commit_named(path, ref)
        found = judge(
            subject,
            Rails(shipped("policies")),
            pin_of(config),
            SystemClock().now(),
            environment=environment,
            note=note,
        )
        found = _with_commits(found, path, subject, since, config)
    _print(subject.name, found, output, limit)
    failing = ("error",) if fail_on is FailOn.ERROR else ("error", "warning")
    if any(one.severity.value in failing for one in found.report.findings):
        raise typer.Exit(1)


def _print(name: str, found: "Judgement", form: Form, limit: int | None) -> None:
    from controller.cli import annotations

    findings = found.report.findings
    match form:
        case Form.JSON:
            emit_json(_as_json(name, found, limit))
        case Form.GITHUB:
            for line in annotations.github(findings[:limit]):
                emit(line)
        case Form.SARIF:
            emit(json.dumps(annotations.sarif(findings[:limit]), indent=2, ensure_ascii=False))
        case Form.TEXT:
            order = list(Severity)
            heaviest_first = sorted(findings, key=lambda one: order.index(one.severity))
            emit_findings(heaviest_first, limit=limit or TEXT_FINDINGS)
            _summarise(found)
        case _:
            assert_never(form)


def _with_commits(
    found: "Judgement", path: Path, subject: "Subject", since: str | None, config: Path | None
) -> "Judgement":
    """Add what a controller of this host would say about the commits themselves."""
    if config is None or found.trusted is None:
        return found
    from dataclasses import replace

    from controller.adapters.clock import SystemClock
    from controller.adapters.git import GitRepository
    from controller.app import settings
    from controller.authoring.pushed import followed, judge_commits
    from controller.authoring.staged import commit_named
    from controller.kernel.findings import Report
    from controller.kernel.objects import Oid
    from controller.source.commits import Verify

    read = settings.load(config)
    verify = Verify(read.commits.verify)
    tip = subject.before if subject.is_worktree else subject.commit
    if verify is Verify.NONE or tip is None:
        return found
    repository, pinned = GitRepository.discover(path), read.repository.baseline
    base = (
        commit_named(path, since).commit
        if since is not None
        else followed(
            repository,
            read.repository.branch,
            Oid(bytes.fromhex(pinned)) if pinned is not None else None,
        )
    )
    more = judge_commits(
        repository,
        found.trusted.root,
        tip,
        since=base,
        verify=verify,
        now=SystemClock().now(),
    )
    return replace(found, report=Report.of([*found.report.findings, *more]))


def pin_of(config: Path | None) -> "Pin | None":
    """Return the root that the settings pin; without settings say that there is none."""
    if config is None:
        say("note: no settings are named, so the repository's first root vouches for itself")
        return None
    from controller.app import host, settings

    return host.pin(settings.load(config))


def _summarise(found: "Judgement") -> None:
    from controller.authoring.judge import counts_by_severity

    checked = found.checked
    emit(
        f"Checked {_many(checked.drafts, 'draft')}, {_many(checked.versions, 'version')}, "
        f"{_many(checked.releases, 'release')}: {_many(checked.files, 'file')}, "
        f"{_many(checked.rows, 'row')}."
    )
    if found.trusted is not None:
        whose = "pinned by this host" if found.trusted.pinned else "vouching for itself"
        emit(f"Root {found.trusted.root.version}, {whose}.")
    counts = counts_by_severity(found.report)
    said = ", ".join(f"{_many(count, word)}" for word, count in counts.items() if count)
    emit(f"Found {said}." if said else "Nothing to complain about.")


def _many(count: int, word: str) -> str:
    plural = word if count == 1 or word == "info" else f"{word}s"
    return f"{count:,} {plural}"


def _as_json(name: str, found: "Judgement", limit: int | None) -> dict[str, Any]:
    from dataclasses import asdict

    from controller.authoring.judge import counts_by_severity

    trusted, findings = found.trusted, found.report.findings
    return {
        "subject": name,
        "blocks": found.report.blocks,
        "checked": asdict(found.checked),
        "root": trusted
        and {
            "version": trusted.root.version,
            "sha256": trusted.root.digest,
            "pinned": trusted.pinned,
        },
        "severities": dict(counts_by_severity(found.report)),
        "rules": found.report.counts(),
        "findings": [finding_json(one) for one in findings[:limit]],
    }
