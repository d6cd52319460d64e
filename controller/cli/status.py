"""`countersign status`: is production what the branch declares, and if not, why."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_json, emit_table

if TYPE_CHECKING:
    from controller.reconcile.reported import Reported
    from controller.reconcile.status import Status
    from controller.stores.control.model import AppliedBundle
    from controller.stores.control.notices import Backlog


def status(
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Show what is applied, what the branch wants, and what stands between them.

    Exit 0: Ready; 1: Reconciling or Stalled.
    """
    from controller.app import host, settings, wiring
    from controller.reconcile.reported import as_json
    from controller.reconcile.status import State, read_status
    from controller.stores.control import notices

    named = settings.load(settings.named_file(config))
    with deadline(timeout), wiring.world(named) as world:
        now = world.clock.now()
        found = read_status(world, now)
        undelivered = notices.backlog(world.connection)
    no_key = host.why_no_audit_key(named)
    if output is Output.JSON:
        emit_json(
            {
                **_as_json(found, no_key),
                "controller": as_json(found.reported, now),
                "notices": [_undelivered(one) for one in undelivered],
            }
        )
    else:
        _as_text(found, no_key)
        _reported_as_text(found.reported, now)
        for one in undelivered:
            error = f"; last error: {one.last_error}" if one.last_error else ""
            emit(f"notices   {one.target}: {one.waiting} wait, {one.dead} given up{error}")
    if found.condition.state is not State.READY:
        raise typer.Exit(1)


def instant(value: datetime | None) -> str | None:
    """Return an instant's wire form; an open end stays open."""
    from controller.kernel.instants import format_instant

    return format_instant(value) if value is not None else None


def _as_json(found: "Status", no_key: str | None) -> dict[str, Any]:
    from controller.reconcile.holds import as_json

    applied, condition = found.applied, found.condition
    return {
        "environment": found.environment,
        "branch": found.branch,
        "observed_commit": found.observed.hex() if found.observed else None,
        "sync": found.sync.value,
        "condition": {
            "type": condition.state.value,
            "reason": condition.reason,
            "message": condition.message,
            "hint": condition.hint,
        },
        "applied": applied
        and {
            "commit": applied.commit.hex(),
            "revision": applied.revision,
            "serial": applied.serial_current,
            "serial_high": applied.serial_high,
            "release_sha256": applied.release_sha256,
            "policies_sha256": applied.policies_digest,
            "applied_at": instant(applied.applied_at),
        },
        "root": found.root
        and {
            "version": found.root.version,
            "sha256": found.root.sha256,
            "expires": instant(found.root.expires),
            "expired": found.root.expired,
        },
        "bundles": [_bundle(one) for one in found.bundles],
        "rows": dict(found.rows),
        "audit_waiting": found.audit_waiting,
        "no_audit_key": no_key,
        "next_boundary": instant(found.next_boundary),
        "holds": [as_json(one) for one in found.holds.all],
        "override": as_json(found.holds.override),
    }


def _bundle(one: "AppliedBundle") -> dict[str, Any]:
    return {
        "bundle": one.bundle,
        "version": one.version,
        "sha256": one.payload_sha256,
        "effective_from": instant(one.window.start),
        "effective_to": instant(one.window.end),
    }


def _undelivered(one: "Backlog") -> dict[str, Any]:
    return {
        "target": one.target,
        "waiting": one.waiting,
        "given_up": one.dead,
        "last_error": one.last_error,
    }


def _as_text(found: "Status", no_key: str | None) -> None:
    condition, applied, root = found.condition, found.applied, found.root
    emit(f"{found.environment}: {condition.state.value}, {found.sync.value}")
    emit(f"  {condition.reason}: {condition.message}")
    if condition.hint:
        emit(f"  hint: {condition.hint}")
    observed = found.observed.hex() if found.observed else "unknown"
    emit(f"observed  {found.branch}@sha1:{observed}")
    if applied is None:
        emit("applied   nothing yet")
    else:
        emit(f"applied   {found.branch}@sha1:{applied.commit.hex()}")
        emit(
            f"revision  {applied.revision}, release {applied.serial_current} "
            f"({applied.release_sha256[:12]}), {instant(applied.applied_at)}"
        )
    if root is None:
        emit("root      unknown")
    else:
        until = "EXPIRED" if root.expired else "until"
        emit(f"root      {root.version}, {until} {instant(root.expires)}")
    emit(f"audit     {found.audit_waiting} records wait for their commit")
    if no_key is not None:
        emit(f"          no key to publish them here: {no_key}")
    for one in found.holds.all:
        emit(f"held      {one}")
    if found.holds.override is not None:
        emit(f"          {found.holds.override}")
    emit(f"boundary  {instant(found.next_boundary) or 'none ahead'}")
    if found.bundles:
        emit("")
        emit_table(
            ("BUNDLE", "VERSION", "FROM", "UNTIL"),
            (
                (
                    one.bundle,
                    one.version,
                    instant(one.window.start) or "…",
                    instant(one.window.end) or "…",
                )
                for one in found.bundles
            ),
        )
        emit("")
        emit_table(("TABLE", "ROWS"), ((name, f"{rows:,}") for name, rows in found.rows.items()))


def _reported_as_text(reported: "Reported", now: datetime) -> None:
    """Tell what the controller that goes on running has said; nothing where none ever ran."""
    from controller.stores.control.conditions import ConditionStatus

    leader, silence = reported.leader, reported.silence(now)
    if leader is None or silence is None:
        return
    emit("")
    who = f"{leader.holder}, {leader.process}" if leader.is_held else "nobody leads now"
    emit(f"leader    {who}; last compared {silence.total_seconds():.0f} s ago")
    for stored in reported.conditions:
        said = stored.condition
        if said.status is not ConditionStatus.FALSE:
            held = "" if said.status is ConditionStatus.TRUE else " (unknown)"
            emit(f"  {said.type}{held} since {instant(stored.since)}: {said.reason}")
            emit(f"    {said.message}")
