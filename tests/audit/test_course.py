"""A signed record that its page contradicts is refused, and the twin that fits is proven."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.audit import trail as breaks
from controller.audit.record import AuditRecord
from controller.kernel.canonical import sha256
from controller.stores.control.model import RevisionKind
from controller.trust.history import CLOCK_TOLERANCE
from tests.support.audit import SOURCE, digest_of
from tests.support.trail import OWNER_IDS, Trail, released, renumbered, repinned, rooted

ELSEWHERE = "00000000-0000-0000-0000-000000000000"
LATER = CLOCK_TOLERANCE + timedelta(seconds=1)


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail.at(tmp_path).build(4)


def third(**members: object) -> Callable[[Trail], list[AuditRecord]]:
    """Return the records with members of the third changed, as one chain again."""

    def changed(trail: Trail) -> list[AuditRecord]:
        first, second, bent, fourth = trail.records
        return renumbered([first, second, replace(bent, **members), fourth])  # type: ignore[arg-type]

    return changed


def tail(**members: object) -> Callable[[Trail], list[AuditRecord]]:
    """Return the records with members of the last changed."""

    def changed(trail: Trail) -> list[AuditRecord]:
        return [*trail.records[:3], replace(trail.records[3], **members)]  # type: ignore[arg-type]

    return changed


def set_back(by: timedelta) -> Callable[[Trail], list[AuditRecord]]:
    """Return the records with the third from before the second."""

    def changed(trail: Trail) -> list[AuditRecord]:
        return third(applied_at=trail.records[1].applied_at - by)(trail)

    return changed


def other_release(trail: Trail) -> list[AuditRecord]:
    """Return the records, the last a judgement by other rules that is of another release."""
    return tail(kind=RevisionKind.REPOLICY)(trail)


REFUSED: dict[str, tuple[Callable[[Trail], list[AuditRecord]], type[breaks.BrokenTrail], int]] = {
    "no UUID": (third(repository="not a uuid"), breaks.LinkMalformed, 3),
    "an upper-case UUID": (third(repository="0D6B6E2E" + ELSEWHERE[8:]), breaks.LinkMalformed, 3),
    "of another repository": (third(repository=ELSEWHERE), breaks.LinkStatement, 3),
    "another serial than the release's": (third(serial=99), breaks.LinkStatement, 3),
    "nobody signed": (third(signers={}), breaks.LinkStatement, 3),
    "a bundle that nobody signed": (
        third(signers={"release": ("SHA256:alice",), "card-bin/binlist@1": ()}),
        breaks.LinkStatement,
        3,
    ),
    "signers of a bundle that is not live": (
        third(signers={"release": ("a",), "card-bin/binlist@1": ("a",), "card-bin/more@1": ("a",)}),
        breaks.LinkStatement,
        3,
    ),
    "a revision left out": (tail(revision=77), breaks.LinkRevision, 4),
    "a revision twice": (third(revision=2), breaks.LinkRevision, 3),
    "a second baseline": (third(kind=RevisionKind.BASELINE), breaks.LinkRevision, 3),
    "a baseline that starts again": (
        third(kind=RevisionKind.BASELINE, revision=1, parent_commit=None),
        breaks.LinkRevision,
        3,
    ),
    "a first revision that is no baseline": (
        lambda one: renumbered([replace(one.records[0], kind=RevisionKind.FORWARD)]),
        breaks.LinkRevision,
        1,
    ),
    "a baseline with a commit before it": (
        lambda one: [replace(one.records[0], parent_commit=one.records[0].commit)],
        breaks.LinkAncestry,
        1,
    ),
    "no commit before a later one": (third(parent_commit=None), breaks.LinkAncestry, 3),
    "a commit before it that is not there": (third(parent_commit=SOURCE), breaks.LinkAncestry, 3),
    "an older commit before it": (
        lambda one: third(parent_commit=one.records[0].commit)(one),
        breaks.LinkAncestry,
        3,
    ),
    "a later commit before it": (
        lambda one: third(parent_commit=one.records[3].commit)(one),
        breaks.LinkAncestry,
        3,
    ),
    "a commit before it that holds another release": (
        lambda one: third(parent_commit=one.records[2].commit)(one),
        breaks.LinkAncestry,
        3,
    ),
    "long before the last one": (set_back(LATER), breaks.LinkTime, 3),
    "an older root": (third(root_version=2), breaks.LinkRoot, 3),
    "an older root after a pinned one": (
        lambda one: repinned(one.records[:3], root_version=5),
        breaks.LinkRoot,
        4,
    ),
    "a pinned root that was followed": (
        lambda one: repinned(one.records[:3], root_version=6),
        breaks.LinkRoot,
        4,
    ),
    "a root that nobody knows": (
        lambda one: repinned(one.records[:3], root_version=99),
        breaks.LinkRoot,
        4,
    ),
    "a root from nowhere": (tail(root_version=7), breaks.LinkRoot, 4),
    "a pinned root that moves on": (
        lambda one: repinned(one.records[:3], root_version=7, parent_commit=one.records[1].commit),
        breaks.LinkAncestry,
        4,
    ),
    "a pinned root that nobody signed": (
        lambda one: repinned(one.records[:3], root_version=7, signers={"root": OWNER_IDS}),
        breaks.LinkStatement,
        4,
    ),
    "other rules, and another release": (other_release, breaks.LinkRevision, 4),
}

KEYS = rooted(version=8)


@pytest.fixture
def followed(tmp_path: Path) -> Trail:
    """Return a trail of four records under root 6, which its source commits hold."""
    trail = Trail.at(tmp_path)
    trail.files["trust/root/6.root.json"] = b"{}"
    trail.root_version = 6
    return trail.build(4)


@pytest.mark.parametrize(("change", "kind", "seq"), REFUSED.values(), ids=REFUSED)
def test_a_signed_record_that_cannot_be_true_is_named(
    followed: Trail,
    change: Callable[[Trail], list[AuditRecord]],
    kind: type[breaks.BrokenTrail],
    seq: int,
) -> None:
    followed.prove(root=KEYS)
    followed.rewrite(change(followed))

    with pytest.raises(kind) as broken:
        followed.prove(root=KEYS)

    assert (type(broken.value), broken.value.seq) == (kind, seq)
    assert f"link {seq}, commit {followed.commits()[seq - 1].hex()}" in str(broken.value)


def same_release_again(trail: Trail) -> list[AuditRecord]:
    last = trail.records[2]
    again = replace(
        last,
        kind=RevisionKind.REPOLICY,
        revision=4,
        parent_commit=last.commit,
        policies_digest=digest_of("other policies"),
    )
    return renumbered([*trail.records[:3], again])


ALLOWED: dict[str, Callable[[Trail], list[AuditRecord]]] = {
    "nothing changed": lambda one: one.records,
    "a clock that was set back a little": set_back(CLOCK_TOLERANCE),
    "a pinned root": lambda one: repinned(one.records[:3], root_version=7),
    "other rules": same_release_again,
    "a host that starts from a later root": lambda one: renumbered(
        [replace(record, root_version=7) for record in one.records]
    ),
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_a_record_that_can_be_true_is_proven(
    followed: Trail, change: Callable[[Trail], list[AuditRecord]]
) -> None:
    records = change(followed)
    followed.rewrite(records)

    assert followed.prove(root=KEYS).last == records[-1]


def test_a_clock_that_is_set_back_again_and_again_is_named(trail: Trail) -> None:
    first, second, third_one, fourth = trail.records
    back = second.applied_at - CLOCK_TOLERANCE
    trail.rewrite(
        renumbered(
            [
                first,
                second,
                replace(third_one, applied_at=back),
                replace(fourth, applied_at=back - timedelta(seconds=1)),
            ]
        )
    )

    with pytest.raises(breaks.LinkTime) as broken:
        trail.prove()

    assert broken.value.seq == 4


def test_what_is_applied_moves_on_without_a_record_while_the_release_stays(trail: Trail) -> None:
    moved = trail.commit_files(
        "refs/heads/main",
        {"environments/production/release.json": released(4), "README.md": b"more"},
    )
    last = trail.next_record(trail.link(), "one")
    records = [*trail.records, replace(last, parent_commit=moved)]
    trail.rewrite(records)

    assert trail.prove().last == records[-1]


def test_a_release_of_another_environment_is_named(trail: Trail) -> None:
    path = "environments/production/release.json"
    payload = released(5, "staging")
    source = trail.commit_files("refs/heads/main", {path: payload})
    last = trail.next_record(trail.link(), "one")
    bent = replace(last, commit=source, parent_commit=trail.records[-1].commit)
    trail.rewrite([*trail.records, replace(bent, release_sha256=sha256(payload))])

    with pytest.raises(breaks.BrokenTrail) as broken:
        trail.prove()

    assert (broken.value.code, broken.value.seq) == ("audit.link_statement", 5)


def test_a_controller_goes_on_under_a_new_name_and_comes_back(trail: Trail) -> None:
    """Revisions are gapless for each environment, whichever controller made them."""
    first, second, other, last = trail.records
    ours = renumbered([first, second, last])
    trail.rewrite(ours)
    with pytest.raises(breaks.LinkRevision):
        trail.prove()

    theirs = renumbered([replace(other, controller="two")])
    trail.rewrite(theirs, controller="two")

    assert trail.prove().last == ours[-1]
    assert trail.prove("two").last == theirs[-1]


def test_another_repository_is_named_though_every_record_says_so(trail: Trail) -> None:
    with pytest.raises(breaks.LinkRepository) as broken:
        trail.prove(root=rooted(repository=ELSEWHERE))

    assert broken.value.seq == 1


def test_other_digests_are_not_what_is_held_here(trail: Trail) -> None:
    trail.rewrite(third(plan_digest=digest_of("another plan"))(trail))

    assert len(trail.prove().links) == 4
