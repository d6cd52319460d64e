"""A record that cannot be true, whatever came before it, is refused; the twin that can is not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.audit import trail as breaks
from controller.audit.record import AckUsed, AuditRecord, RollbackUsed
from controller.stores.control.model import RevisionKind
from controller.trust.history import CLOCK_TOLERANCE
from tests.support.audit import digest_of
from tests.support.trail import LATER, OWNER_IDS, SIGNERS, Trail, renumbered, repinned, rooted
from tests.support.trust import BOB, CAROL

ACK = AckUsed(digest_of("ack"), OWNER_IDS)
BACK = RollbackUsed(2, None, (CAROL.id,))


def last(**members: Any) -> Callable[[list[AuditRecord]], list[AuditRecord]]:
    """Return a change of the last record alone."""
    return lambda records: renumbered([*records[:-1], replace(records[-1], **members)])


REFUSED: dict[
    str, tuple[Callable[[list[AuditRecord]], list[AuditRecord]], type[breaks.BrokenTrail]]
] = {
    "not applied": (last(result="failed"), breaks.LinkMalformed),
    "a release that is no rollback and tells of one": (
        last(rollback=BACK),
        breaks.LinkRevision,
    ),
    "a rollback that tells of none": (last(kind=RevisionKind.ROLLBACK), breaks.LinkRevision),
    "an acknowledgement by nobody": (
        last(acks=(replace(ACK, signers=()),)),
        breaks.LinkStatement,
    ),
    "an acknowledgement by one key twice": (
        last(acks=(replace(ACK, signers=(BOB.id, BOB.id)),)),
        breaks.LinkStatement,
    ),
    "one acknowledgement twice": (last(acks=(ACK, ACK)), breaks.LinkStatement),
    "a bundle by one key twice": (
        last(signers={**SIGNERS, "card-bin/binlist@1": (BOB.id, BOB.id)}),
        breaks.LinkStatement,
    ),
    "a rollback by nobody": (
        last(kind=RevisionKind.ROLLBACK, rollback=replace(BACK, signers=())),
        breaks.LinkStatement,
    ),
    "an acknowledged rollback": (
        last(kind=RevisionKind.ROLLBACK, rollback=BACK, acks=(ACK,)),
        breaks.LinkStatement,
    ),
    "a pinned root without signers": (
        lambda records: repinned(records, root_version=2, signers=SIGNERS),
        breaks.LinkStatement,
    ),
    "a pinned root that changes rows": (
        lambda records: repinned(records, root_version=2, counts={"ranges": {"added": 1}}),
        breaks.LinkStatement,
    ),
    "a pinned root that was acknowledged": (
        lambda records: repinned(records, root_version=2, acks=(ACK,)),
        breaks.LinkStatement,
    ),
    "an instant that has not come": (
        last(applied_at=LATER + CLOCK_TOLERANCE + timedelta(seconds=1)),
        breaks.LinkTime,
    ),
}

ALLOWED: dict[str, Callable[[list[AuditRecord]], list[AuditRecord]]] = {
    "an acknowledgement": last(acks=(ACK,)),
    "two acknowledgements": last(acks=(ACK, replace(ACK, sha256=digest_of("another")))),
    "a pinned root": lambda records: repinned(records, root_version=2),
    "an instant a little ahead": last(applied_at=LATER + CLOCK_TOLERANCE),
}


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail.at(tmp_path).build(3)


@pytest.mark.stops("audit-key.untrue")
@pytest.mark.parametrize(("change", "kind"), REFUSED.values(), ids=REFUSED)
def test_a_record_that_contradicts_itself_is_named(
    trail: Trail,
    change: Callable[[list[AuditRecord]], list[AuditRecord]],
    kind: type[breaks.BrokenTrail],
) -> None:
    records = change(trail.records)
    trail.rewrite(records)

    with pytest.raises(breaks.BrokenTrail) as broken:
        trail.prove(root=rooted(version=2))

    assert (type(broken.value), broken.value.seq) == (kind, len(records))


@pytest.mark.allows("audit-key.untrue")
@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_a_record_that_is_consistent_is_proven(
    trail: Trail, change: Callable[[list[AuditRecord]], list[AuditRecord]]
) -> None:
    records = change(trail.records)
    trail.rewrite(records)

    assert trail.prove(root=rooted(version=2)).last == records[-1]
