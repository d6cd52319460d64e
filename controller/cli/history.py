"""`countersign history`: the revisions of production, the newest first."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_json, emit_table
from controller.cli.status import instant

if TYPE_CHECKING:
    from controller.reconcile.history import Entry


def history(
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, help="How many revisions to show.")
    ] = 20,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """List what was applied: revisions, newest first, with their commits."""
    from controller.app import settings, wiring
    from controller.reconcile.history import history as read_history

    with deadline(timeout), wiring.world(settings.load(settings.named_file(config))) as world:
        entries = read_history(world, limit)
    if output is Output.JSON:
        emit_json({"revisions": [_as_json(entry) for entry in entries]})
    elif not entries:
        emit("Nothing has been applied yet.")
    else:
        header = ("REVISION", "KIND", "RELEASE", "COMMIT", "APPLIED", "CHANGES", "AUDIT")
        emit_table(header, (_line(entry) for entry in entries))


def _as_json(entry: "Entry") -> dict[str, Any]:
    one = entry.revision
    return {
        "revision": one.revision,
        "kind": one.kind.value,
        "serial": one.serial,
        "release_sha256": one.release_sha256,
        "commit": one.commit.hex(),
        "from_revision": one.from_revision,
        "applied_at": instant(one.applied_at),
        "counts": {table: dict(counts) for table, counts in one.counts.items()},
        "plan": one.plan_digest,
        "audit_commit": entry.audit_commit.hex() if entry.audit_commit else None,
    }


def _line(entry: "Entry") -> tuple[object, ...]:
    one = entry.revision
    signs = (("+", "added"), ("~", "modified"), ("-", "removed"))
    sums = {word: sum(counts.get(word, 0) for counts in one.counts.values()) for _, word in signs}
    ending = sum(counts.get("ending", 0) for counts in one.counts.values())
    changes = " ".join(f"{sign}{sums[word]}" for sign, word in signs)
    return (
        one.revision,
        one.kind.value,
        one.serial,
        one.commit.hex()[:12],
        instant(one.applied_at),
        f"{changes} ({ending} ending)" if ending else changes,
        entry.audit_commit.hex()[:12] if entry.audit_commit else "waits",
    )
