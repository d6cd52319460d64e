"""`countersign sign`: pin a draft as the next version, or add a signature."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli import workspace
from controller.cli.options import (
    AgentOption,
    ConfigOption,
    KeyOption,
    OutputOption,
    RepositoryOption,
    SshKeygenOption,
)
from controller.cli.output import Output, emit, emit_findings, emit_json, finding_json, say
from controller.kernel.findings import Severity

if TYPE_CHECKING:
    from controller.authoring.promote import Released
    from controller.authoring.signing import Signed
    from controller.kernel.findings import Report

RELEASE_PREFIX = "release:"
FINDINGS_SHOWN = 20


def sign(  # noqa: PLR0913, PLR0917  one parameter per option
    what: Annotated[
        str,
        typer.Argument(
            metavar="BUNDLE",
            help="`card-bin/binlist`, or `release:production` for a release that waits.",
        ),
    ],
    key: KeyOption = None,
    agent: AgentOption = False,
    ssh_keygen: SshKeygenOption = None,
    effective_from: Annotated[
        str | None,
        typer.Option("--effective-from", metavar="WHEN", help="Also written to draft.json."),
    ] = None,
    effective_to: Annotated[
        str | None,
        typer.Option("--effective-to", metavar="WHEN", help="Also written to draft.json."),
    ] = None,
    repository: RepositoryOption = Path(),
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Pin a draft as the next version and sign it; when it is pinned, add a signature.

    Exit 1: the draft has findings that block; 3: the key may not sign this.
    """
    from controller.authoring.draft import DraftNotClean
    from controller.authoring.together import ReleaseNotClean

    people = workspace.signers(key, agent=agent, ssh_keygen=ssh_keygen)
    author = workspace.author(repository, config, committed=False)
    try:
        if what.startswith(RELEASE_PREFIX):
            _sign_release(author, what.removeprefix(RELEASE_PREFIX), people, output)
            return
        window = (_when(effective_from), _when(effective_to))
        _sign_bundle(author, what, people, window, output)
    except (DraftNotClean, ReleaseNotClean) as error:
        show_report(error.report, output)
        raise


def show_report(report: "Report", output: Output) -> None:
    """Print the findings that stopped a command: to a person those that block come first."""
    if output is Output.JSON:
        emit_json({"findings": [finding_json(one) for one in report.findings]})
    else:
        heavy_first = sorted(report.findings, key=lambda one: one.severity is not Severity.ERROR)
        emit_findings(heavy_first, limit=FINDINGS_SHOWN)


def _sign_bundle(
    author: workspace.Author,
    what: str,
    people: list[Any],
    window: tuple[datetime | None, datetime | None],
    output: Output,
) -> None:
    from controller.artifacts.layout import BundleId
    from controller.authoring.signing import sign_bundle

    bundle = BundleId.parse(what)
    done = []
    for person in people:
        signed = sign_bundle(
            author.workspace,
            author.root,
            bundle,
            person,
            now=author.now,
            effective_from=window[0],
            effective_to=window[1],
        )
        done.append(signed)
        if output is Output.TEXT:
            _tell_signed(signed)
    if output is Output.JSON:
        emit_json({"signed": [_signed_json(one) for one in done]})
    else:
        _tell_next(done[-1])


def _sign_release(
    author: workspace.Author, environment: str, people: list[Any], output: Output
) -> None:
    from controller.authoring.promote import add_signature

    done = [
        add_signature(author.workspace, author.root, environment, person, now=author.now)
        for person in people
    ]
    if output is Output.JSON:
        emit_json({"release": released_json(done[-1])})
        return
    for one in done:
        for path in one.written:
            emit(f"wrote {path}")
        if not one.written:
            emit(f"Signed already: release {one.release.serial} of {environment}.")
    tell_release(done[-1])
    if done[-1].missing:
        say(f"{done[-1].missing} more owners have to sign.")
    else:
        say("Enough signatures. Next: git add environments && git commit")


def _tell_signed(signed: "Signed") -> None:
    name = f"{signed.bundle}@{signed.version}"
    if signed.was_signed_before:
        emit(f"Signed already: {name} by {signed.owner}. Nothing was written.")
        return
    verb = "Pinned and signed" if signed.is_new_version else "Signed"
    emit(f"{verb} {name} by {signed.owner}: sha256 {signed.digest}")
    for path in signed.written:
        emit(f"  wrote {path}")


def _tell_next(signed: "Signed") -> None:
    counts = {**signed.summary.tables, **signed.summary.documents}
    holds = ", ".join(f"{name} {one.rows or one.files:,}" for name, one in sorted(counts.items()))
    say(f"It holds {holds}; {len(signed.owners)} of {signed.threshold} owners signed.")
    warnings = len(signed.report.findings)
    if warnings:
        say(f"{warnings} findings do not block; `countersign validate` shows them.")
    if not signed.missing:
        name = f"{signed.bundle}@{signed.version}"
        say(f"Next: git add -A && git commit, then countersign promote {name}")


def _signed_json(signed: "Signed") -> dict[str, Any]:
    return {
        "bundle": str(signed.bundle),
        "version": signed.version,
        "sha256": signed.digest,
        "owner": signed.owner,
        "new_version": signed.is_new_version,
        "signed_before": signed.was_signed_before,
        "written": list(signed.written),
        "owners": sorted(signed.owners),
        "threshold": signed.threshold,
        "warnings": len(signed.report.findings),
    }


def tell_release(released: "Released") -> None:
    """Print what a release lists."""
    release = released.release
    for live in release.bundles:
        emit(f"  {live.bundle}@{live.version}{_window(live.window)}")
    signed = ", ".join(sorted(released.owners))
    emit(f"Release {release.serial} of {release.environment}: signed by {signed or 'nobody'}")


def released_json(released: "Released") -> dict[str, Any]:
    """Return a release as machine output carries it."""
    release = released.release
    return {
        "environment": release.environment,
        "serial": release.serial,
        "bundles": [
            {"bundle": str(live.bundle), "version": live.version, "sha256": live.payload_sha256}
            for live in release.bundles
        ],
        "owners": sorted(released.owners),
        "threshold": released.threshold,
        "commit": released.commit.hex() if released.commit else None,
        "message": released.message,
        "written": list(released.written),
        "notes": list(released.notes),
    }


def _window(window: Any) -> str:
    from controller.kernel.instants import format_instant

    if window is None:
        return ""
    start = f" from {format_instant(window.start)}" if window.start else ""
    return start + (f" to {format_instant(window.end)}" if window.end else "")


def _when(text: str | None) -> datetime | None:
    from controller.kernel.instants import parse_when

    return parse_when(text) if text else None
