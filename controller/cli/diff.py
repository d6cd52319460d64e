"""`countersign diff`: how two states of a repository, or one and production, differ in rows."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.options import (
    ConfigOption,
    OutputOption,
    RepositoryOption,
    TimeoutOption,
    deadline,
)
from controller.cli.output import Output, emit, emit_json
from controller.cli.status import instant
from controller.cli.workspace import EnvironmentOption, serves

if TYPE_CHECKING:
    from controller.authoring.compare import BundleChange, Comparison, Side
    from controller.plan.live import LiveVersion

WORKTREE, PRODUCTION = "worktree", "production"


def diff(  # noqa: PLR0913, PLR0917  one parameter per option
    before: Annotated[
        str, typer.Argument(metavar="A", help="`worktree`, `production`, or a commit.")
    ] = "HEAD",
    after: Annotated[
        str, typer.Argument(metavar="B", help="`worktree`, `production`, or a commit.")
    ] = WORKTREE,
    released: Annotated[
        bool,
        typer.Option("--released", help="Compare releases, not drafts, of commits and work tree."),
    ] = False,
    environment: EnvironmentOption = None,
    repository: RepositoryOption = Path(),
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Show bundles, policies and rows that B adds, modifies or deletes compared with A.

    Drafts (files/) are compared, as if each were released, unless --released is given; of
    production, what was last applied. Exit 1: they differ.
    """
    from controller.adapters.clock import SystemClock
    from controller.authoring.compare import compare

    where = environment or serves(config)
    with deadline(timeout), ExitStack() as stack:
        sides = [
            _side(
                name,
                stack,
                repository=repository,
                config=config,
                environment=where,
                released=released,
            )
            for name in (before, after)
        ]
        found = compare(sides[0], sides[1], SystemClock().now())
    if output is Output.JSON:
        emit_json(_as_json(found))
    else:
        _as_text(found)
    if not found.is_same:
        raise typer.Exit(1)


def _side(
    name: str,
    stack: ExitStack,
    *,
    repository: Path,
    config: Path | None,
    environment: str,
    released: bool,
) -> "Side":
    from controller.adapters.clock import SystemClock
    from controller.adapters.shipped import shipped
    from controller.authoring import compare
    from controller.authoring.staged import commit_named, work_tree
    from controller.cli.validate import pin_of
    from controller.reconcile.rails import Rails

    if name == PRODUCTION:
        from controller.app import host, settings, wiring

        named = settings.load(settings.named_file(config))
        connection = stack.enter_context(wiring.database(named))
        return compare.production(connection, host.artifact_repository(named), environment)
    subject = work_tree(repository) if name == WORKTREE else commit_named(repository, name)
    if not released:
        return compare.drafts(subject)
    rails = Rails(shipped("policies"))
    return compare.released(subject, rails, pin_of(config), environment, SystemClock().now())


def _as_text(found: "Comparison") -> None:
    from controller.plan.render import tables_text

    for sign, side in (("-", found.before), ("+", found.after)):
        commit = f", commit {side.commit.hex()[:12]}" if side.commit else ""
        emit(f"{sign} {side.name}: {side.what}{commit}")
    if found.is_same:
        emit("No differences.")
        return
    for change in found.bundles:
        emit(f"{change.letter} {change.bundle}{_versions(change)}")
    for rail in found.policies:
        letter = "M" if rail.before and rail.after else "D" if rail.before else "A"
        emit(f"{letter} policies/{rail.rail}")
    for line in tables_text(found.plan):
        emit(line)


def _versions(change: "BundleChange") -> str:
    before, after = (
        ", ".join(str(one.version) for one in some if one.version) or "draft"
        for some in (change.before, change.after)
    )
    if not change.before:
        return f" ({after})"
    return f" ({before} -> {after})" if change.after else f" ({before})"


def _as_json(found: "Comparison") -> dict[str, Any]:
    from controller.plan.render import as_json

    plan = as_json(found.plan)
    return {
        "before": _side_json(found.before),
        "after": _side_json(found.after),
        "different": not found.is_same,
        "bundles": [
            {
                "bundle": str(change.bundle),
                "change": change.letter,
                "before": [_live(one) for one in change.before],
                "after": [_live(one) for one in change.after],
            }
            for change in found.bundles
        ],
        "policies": [
            {"rail": one.rail, "before": one.before, "after": one.after} for one in found.policies
        ],
        "tables": plan["tables"],
        "samples": plan["samples"],
    }


def _side_json(side: "Side") -> dict[str, Any]:
    return {
        "name": side.name,
        "compared": side.what,
        "commit": side.commit.hex() if side.commit else None,
    }


def _live(one: "LiveVersion") -> dict[str, Any]:
    return {
        "version": one.version or None,
        "files_tree": one.files_tree.hex(),
        "effective_from": instant(one.window.start),
        "effective_to": instant(one.window.end),
    }
