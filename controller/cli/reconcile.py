"""`countersign plan` and `countersign reconcile`: what a pass would do, and doing it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_findings, emit_json, finding_json, say

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from controller.reconcile.cycle import Outcome
    from controller.reconcile.decide import Decision
    from controller.reconcile.holds import Holding
    from controller.reconcile.world import World
    from controller.stores.control.model import Applied

PLAN_HELD = 4


def plan(
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Show what `reconcile` would do: rows added, modified and deleted in each table.

    Exit 0: nothing would change; 1: something would; 4: a guard, a hold or a window would stop it.
    """
    from controller.app import settings, wiring
    from controller.reconcile.decide import Decision
    from controller.reconcile.holds import held_by
    from controller.reconcile.preview import preview

    with deadline(timeout), wiring.world(settings.load(settings.named_file(config))) as world:
        decision = preview(world)
        held = held_by(world, world.clock.now())
        if not isinstance(decision, Decision):
            _emit_settled(world, decision, held, output)
            return
        _emit_plan(decision, held, output)
        if decision.commit != world.head():
            head = world.head().hex()[:12]
            say(f"This is the pinned baseline; the pass goes on from it to {head}.")
        if held is not None:
            say(f"New revisions are held back, {held}")
        if decision.held or held is not None:
            raise typer.Exit(PLAN_HELD)
        if not decision.plan.is_empty:
            raise typer.Exit(1)


def reconcile(
    once: Annotated[
        bool, typer.Option("--once", help="Leave when production is at the branch (the default).")
    ] = True,
    request: Annotated[
        bool,
        typer.Option("--request", help="Only ask the running controller to look, and leave."),
    ] = False,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Bring production to the newest signed release, in one transaction per revision.

    While `countersign run` leads it is asked with --request; it then also judges again what it
    refused.
    """
    del once  # the loop is the controller's role; a command always leaves when it is done
    if request:
        _request(config, output, timeout)
        return
    from controller.adapters import gitpack
    from controller.app import following, looking, settings, wiring
    from controller.reconcile.cycle import converge

    named = settings.load(settings.named_file(config))
    follower = following.follower(named)
    with deadline(timeout), wiring.world(named, signs=True) as world:
        if follower is not None:
            looking.look(follower, world, expects_news=True)
        outcomes = []
        for outcome in converge(world):
            outcomes.append(outcome)
            if output is Output.TEXT:
                _tell(outcome)
        if output is Output.JSON:
            emit_json({"outcomes": [_outcome_json(outcome) for outcome in outcomes]})
    if any(outcome.published.commits for outcome in outcomes):
        gitpack.start(world.repository.git_dir)


def _request(config: "Path | None", output: Output, timeout: float | None) -> None:
    from controller.app import settings, wiring
    from controller.stores.control import wake

    with deadline(timeout), wiring.world(settings.load(settings.named_file(config))) as world:
        made = wake.request(
            world.connection, world.environment, reason="a person asked", now=world.clock.now()
        )
    if output is Output.JSON:
        emit_json({"requested": made.requested, "handled": made.handled})
    else:
        emit(f"Asked for look {made.requested} of {made.environment}; {made.handled} are done.")


def _emit_settled(
    world: "World", applied: "Applied", held: "Holding | None", output: Output
) -> None:
    from controller.plan.render import nothing_json
    from controller.reconcile.holds import as_json

    head = world.head().hex()
    if output is Output.JSON:
        facts: dict[str, Any] = {
            "commit": head,
            "kind": None,
            "changes": False,
            "acked": False,
            "held_by": as_json(held),
            "findings": [],
        }
        emit_json({**facts, **nothing_json(world.environment, applied.release_sha256)})
    else:
        emit(f"No changes: {world.environment} is at {world.branch}@sha1:{head}.")


def _emit_plan(decision: "Decision", held: "Holding | None", output: Output) -> None:
    from controller.plan.render import as_json, as_text
    from controller.reconcile import holds

    trips = () if decision.ack is not None else decision.trips
    if output is Output.JSON:
        kind = decision.kind.value if decision.kind is not None else None
        findings = [finding_json(one) for one in decision.report.findings]
        facts: dict[str, Any] = {
            "commit": decision.commit.hex(),
            "kind": kind,
            "changes": True,
            "acked": decision.ack is not None,
            "held_by": holds.as_json(held),
            "findings": findings,
        }
        emit_json({**facts, **as_json(decision.plan, trips)})
        return
    emit_findings(decision.report.findings, limit=20)
    emit(as_text(decision.plan, trips).rstrip("\n"))


def _tell(outcome: "Outcome") -> None:
    revision = outcome.revision
    if revision is None:
        emit(f"Nothing to apply at {outcome.commit.hex()[:12]}.")
    else:
        emit(
            f"Applied revision {revision.revision} ({revision.kind.value}): "
            f"release {revision.serial} of {revision.environment}, "
            f"commit {revision.commit.hex()[:12]}."
        )
        for table, counts in revision.counts.items():
            emit(
                f"  {table}: {counts['added']} added, {counts['modified']} modified"
                f"{_ending(counts)}, {counts['removed']} removed"
            )
    for commit in outcome.published.commits:
        emit(f"  audit commit {commit.hex()[:12]}")
    if outcome.published.waiting:
        say(f"{outcome.published.waiting} audit records wait for their commit (no audit.key here)")


def _ending(counts: "Mapping[str, int]") -> str:
    """Say how many of the modified rows will end; revisions of earlier days did not count them."""
    ending = counts.get("ending", 0)
    return f" ({ending} of them ending)" if ending else ""


def _outcome_json(outcome: "Outcome") -> dict[str, Any]:
    revision = outcome.revision
    return {
        "commit": outcome.commit.hex(),
        "applied": revision is not None,
        "revision": revision.revision if revision is not None else None,
        "kind": revision.kind.value if revision is not None else None,
        "serial": revision.serial if revision is not None else None,
        "counts": dict(revision.counts) if revision is not None else {},
        "audit_commits": [commit.hex() for commit in outcome.published.commits],
        "audit_waiting": outcome.published.waiting,
    }
