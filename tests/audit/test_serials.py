"""Releases of a trail follow one another, or are a return to one that was applied."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.audit import trail as breaks
from controller.audit.record import AuditRecord, RollbackUsed
from controller.kernel.canonical import sha256
from controller.stores.control.model import RevisionKind
from controller.trust.root import Reset
from tests.support.audit import digest_of
from tests.support.trail import Trail, released, renumbered, rooted
from tests.support.trust import CAROL

RELEASE = "environments/production/release.json"


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail.at(tmp_path).build(3)


def then(
    trail: Trail,
    records: list[AuditRecord],
    kind: RevisionKind,
    serial: int,
    *,
    left: int | None = None,
    rules: str = "policies",
    **members: Any,
) -> list[AuditRecord]:
    """Return the records and one more, of a release that is committed on top of all."""
    last, payload = records[-1], released(serial, rules=rules)
    source = trail.commit_files("refs/heads/main", {RELEASE: payload})
    facts: dict[str, Any] = {
        "kind": kind,
        "revision": last.revision + 1,
        "commit": source,
        "parent_commit": last.commit,
        "serial": serial,
        "release_sha256": sha256(payload),
        "rollback": RollbackUsed(left, None, (CAROL.id,)) if left is not None else None,
        **members,
    }
    return renumbered([*records, replace(last, **facts)])


def back(trail: Trail, to: int, left: int, **members: Any) -> list[AuditRecord]:
    return then(trail, trail.records, RevisionKind.ROLLBACK, to, left=left, **members)


def forward(trail: Trail, serial: int, **members: Any) -> list[AuditRecord]:
    return then(trail, trail.records, RevisionKind.FORWARD, serial, **members)


def there_and_back(trail: Trail) -> list[AuditRecord]:
    """Return to release 1, to release 3 again, and go on."""
    records = back(trail, 1, 3)
    records = then(trail, records, RevisionKind.ROLLBACK, 3, left=1)
    return then(trail, records, RevisionKind.FORWARD, 4)


REFUSED: dict[str, Callable[[Trail], list[AuditRecord]]] = {
    "an older release that is no rollback": lambda one: forward(one, 2),
    "the newest serial again": lambda one: forward(one, 3, rules="other"),
    "the release in force": lambda one: forward(one, 3),
    "a rollback to the release in force": lambda one: back(one, 3, 3),
    "a rollback from another release": lambda one: back(one, 1, 2),
    "a rollback to a release that was never applied": lambda one: back(one, 2, 3, rules="other"),
    "a rollback to a later release": lambda one: back(one, 4, 3),
    "a serial that a return used up": lambda one: then(
        one, back(one, 1, 3), RevisionKind.FORWARD, 3, rules="other"
    ),
    "other rules that are the same": lambda one: then(one, one.records, RevisionKind.REPOLICY, 3),
}

ALLOWED: dict[str, Callable[[Trail], list[AuditRecord]]] = {
    "the next release": lambda one: forward(one, 4),
    "a release behind others that nobody looked at": lambda one: forward(one, 7),
    "a return": lambda one: back(one, 1, 3),
    "a return from a return": there_and_back,
    "other rules": lambda one: then(
        one, one.records, RevisionKind.REPOLICY, 3, policies_digest=digest_of("other")
    ),
}


@pytest.mark.stops("audit-key.untrue")
@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_a_release_that_cannot_follow_is_named(
    trail: Trail, change: Callable[[Trail], list[AuditRecord]]
) -> None:
    records = change(trail)
    trail.rewrite(records)

    with pytest.raises(breaks.LinkRevision) as broken:
        trail.prove()

    assert broken.value.seq == len(records)


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_a_release_that_can_follow_is_proven(
    trail: Trail, change: Callable[[Trail], list[AuditRecord]]
) -> None:
    records = change(trail)
    trail.rewrite(records)

    assert trail.prove().last == records[-1]


def test_serials_start_again_where_a_root_says_so_and_once(trail: Trail) -> None:
    first = trail.records[0]
    root = rooted(reset={"production": Reset(1, first.release_sha256)})
    again = forward(trail, 2, rules="other")
    trail.rewrite(again)
    with pytest.raises(breaks.LinkRevision):
        trail.prove()

    assert trail.prove(root=root).last == again[-1]

    trail.rewrite(then(trail, again, RevisionKind.FORWARD, 2, rules="yet another"))
    with pytest.raises(breaks.LinkRevision) as broken:
        trail.prove(root=root)
    assert broken.value.seq == 5


def test_a_reset_lets_nothing_start_again_before_its_release(trail: Trail) -> None:
    second = trail.records[1]
    root = rooted(reset={"production": Reset(2, second.release_sha256)})
    trail.rewrite(forward(trail, 2))
    assert trail.prove(root=root).last.serial == 2

    for serial, rules in ((1, "policies"), (2, "other")):
        trail.rewrite(forward(trail, serial, rules=rules))
        with pytest.raises(breaks.LinkRevision):
            trail.prove(root=root)


def test_what_was_forgotten_by_a_reset_is_no_release_to_go_back_to(trail: Trail) -> None:
    first = trail.records[0]
    root = rooted(reset={"production": Reset(1, first.release_sha256)})
    again = forward(trail, 2, rules="other")
    trail.rewrite(then(trail, again, RevisionKind.ROLLBACK, 1, left=2))
    assert trail.prove(root=root).last.serial == 1

    trail.rewrite(then(trail, again, RevisionKind.ROLLBACK, 3, left=2))
    with pytest.raises(breaks.LinkRevision):
        trail.prove(root=root)


def test_a_trail_that_begins_later_does_not_tell_what_was_applied_before(trail: Trail) -> None:
    """Another controller may have applied what this one goes back to."""
    records = renumbered(back(trail, 1, 3)[2:])
    trail.rewrite(records)

    assert trail.prove().last == records[-1]


def test_what_others_did_in_between_is_not_held_against_the_serials(trail: Trail) -> None:
    """Controller two goes on to release 5, and one finds it there."""
    fifth = forward(trail, 5)
    ours = then(trail, fifth, RevisionKind.REPOLICY, 5, policies_digest=digest_of("other"))
    trail.rewrite(renumbered([replace(fifth[-1], controller="two")]), controller="two")
    records = then(trail, renumbered([*trail.records, ours[-1]]), RevisionKind.ROLLBACK, 4, left=5)
    trail.rewrite(records)

    assert trail.prove().last == records[-1]


def test_serials_that_others_started_again_go_on_from_there(trail: Trail) -> None:
    """Controller two obeyed a reset, which the root no longer carries."""
    again = forward(trail, 2, rules="other")
    rules = digest_of("other")
    ours = then(trail, again, RevisionKind.REPOLICY, 2, rules="other", policies_digest=rules)
    trail.rewrite(renumbered([replace(again[-1], controller="two")]), controller="two")
    kept = renumbered([*trail.records, ours[-1]])
    records = then(trail, kept, RevisionKind.FORWARD, 3, rules="other")
    trail.rewrite(records)

    assert trail.prove().last == records[-1]
