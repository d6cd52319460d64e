"""Whoever is named as a signer may have signed, and whoever signed the release is named."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.audit import trail as breaks
from controller.audit.record import AckUsed, AuditRecord, RollbackUsed
from controller.kernel.canonical import sha256
from controller.stores.control.model import RevisionKind
from controller.trust.root import Root
from tests.support.audit import NOON, digest_of
from tests.support.trail import (
    OWNER_IDS,
    OWNERS,
    SIGNERS,
    Trail,
    released,
    renumbered,
    repinned,
    rooted,
)
from tests.support.trust import ALICE, BOB, CAROL, DAVE, Person, sealed

RELEASE = "environments/production/release.json"
ENVELOPE = "environments/production/release.dsse.json"


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail.at(tmp_path).build(3)


def last(**members: Any) -> Callable[[Trail], list[AuditRecord]]:
    """Return a change of the last record alone."""
    return lambda one: renumbered([*one.records[:-1], replace(one.records[-1], **members)])


def back(*signers: Person) -> Callable[[Trail], list[AuditRecord]]:
    """Return to release 1, by the word of some people."""

    def made(one: Trail) -> list[AuditRecord]:
        before = one.records[-1]
        source = one.commit_files("refs/heads/main", {RELEASE: released(1)})
        used = RollbackUsed(3, digest_of("word"), tuple(sorted(who.id for who in signers)))
        facts: dict[str, Any] = {"commit": source, "parent_commit": before.commit}
        facts |= {"kind": RevisionKind.ROLLBACK, "revision": 4, "rollback": used, "serial": 1}
        payload = sha256(released(1))
        return renumbered([*one.records, replace(before, release_sha256=payload, **facts)])

    return made


def released_by(
    *people: Person, files: int = 1, payload: bytes | None = None
) -> Callable[[Trail], list[AuditRecord]]:
    """Apply a release that these people signed, and that names as signers those who count."""

    def made(one: Trail) -> list[AuditRecord]:
        before = one.records[-1]
        data = released(4)
        envelope = sealed(payload or data, by=people).to_bytes() if people else b"{}"
        names = [ENVELOPE, *(ENVELOPE.replace(".dsse", f".{n}.dsse") for n in range(1, files))]
        source = one.commit_files(
            "refs/heads/main", {RELEASE: data, **dict.fromkeys(names, envelope)}
        )
        facts: dict[str, Any] = {"commit": source, "parent_commit": before.commit}
        facts |= {"revision": 4, "serial": 4, "release_sha256": sha256(data)}
        return renumbered([*one.records, replace(before, **facts)])

    return made


ACK = AckUsed(digest_of("ack"), OWNER_IDS)
REFUSED: dict[str, Callable[[Trail], list[AuditRecord]]] = {
    "a stranger beside the release's signers": last(
        signers={**SIGNERS, "release": (*OWNER_IDS, "nobody at all")}
    ),
    "one signer of the release left out": last(signers={**SIGNERS, "release": (BOB.id,)}),
    "a bundle by a stranger": last(signers={**SIGNERS, "card-bin/binlist@1": (DAVE.id,)}),
    "a bundle by somebody of another role": last(
        signers={**SIGNERS, "card-bin/binlist@1": (CAROL.id,)}
    ),
    "a bundle by a stranger, too": last(
        signers={**SIGNERS, "card-bin/binlist@1": tuple(sorted((BOB.id, DAVE.id)))}
    ),
    "an acknowledgement by a stranger": last(acks=(replace(ACK, signers=(DAVE.id,)),)),
    "an acknowledgement by too few": last(acks=(replace(ACK, signers=(BOB.id,)),)),
    "a rollback by those who release": back(BOB),
    "a rollback by a stranger, too": back(CAROL, DAVE),
    "a release that nobody signed": released_by(),
    "a release that too few signed": released_by(ALICE),
    "a release that strangers signed": released_by(ALICE, DAVE),
    "signatures of another release": released_by(ALICE, BOB, payload=released(3)),
    "a release in too many envelopes": released_by(ALICE, BOB, files=17),
    "a pinned root by too few": lambda one: repinned(
        one.records, root_version=2, signers={**SIGNERS, "root": (BOB.id,)}
    ),
    "a pinned root by a stranger, too": lambda one: repinned(
        one.records,
        root_version=2,
        signers={**SIGNERS, "root": tuple(sorted((*OWNER_IDS, DAVE.id)))},
    ),
}

ALLOWED: dict[str, Callable[[Trail], list[AuditRecord]]] = {
    "others who may sign a bundle": last(signers={**SIGNERS, "card-bin/binlist@1": OWNER_IDS}),
    "an acknowledgement": last(acks=(ACK,)),
    "a rollback": back(CAROL),
    "a release": released_by(ALICE, BOB),
    "a release that a stranger signed, too": released_by(ALICE, BOB, DAVE),
    "a release in many envelopes": released_by(ALICE, BOB, files=16),
    "a pinned root": lambda one: repinned(one.records, root_version=2),
}


@pytest.mark.stops("audit-key.untrue", "audit-key.unsigned-release")
@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_signers_who_did_not_sign_or_may_not_are_named(
    trail: Trail, change: Callable[[Trail], list[AuditRecord]]
) -> None:
    records = change(trail)
    trail.rewrite(records)

    with pytest.raises(breaks.LinkSigners) as broken:
        trail.prove(root=rooted(version=2))

    assert (broken.value.seq, broken.value.code) == (len(records), "audit.link_signers")


@pytest.mark.allows("audit-key.unsigned-release")
@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_signers_who_may_sign_are_proven(
    trail: Trail, change: Callable[[Trail], list[AuditRecord]]
) -> None:
    records = change(trail)
    trail.rewrite(records)

    assert trail.prove(root=rooted(version=2)).last == records[-1]


def dated(root: Root, who: Person, **dates: Any) -> Root:
    """Return the root with dates on somebody's key in the release role."""
    role = root.release["production"]
    keys = tuple(replace(key, **dates) if key.id == who.id else key for key in role.keys)
    return replace(root, release={**root.release, "production": replace(role, keys=keys)})


def test_keys_are_judged_at_the_instant_that_the_record_tells(trail: Trail) -> None:
    """The records tell of one, two and three minutes after noon."""
    at = {number: NOON + timedelta(minutes=number) for number in (2, 3, 4)}
    assert trail.prove(root=dated(rooted(), BOB, revoked_at=at[4])).last.seq == 3

    for dates, seq in (
        ({"revoked_at": at[3]}, 3),
        ({"not_after": at[2]}, 2),
        ({"not_before": at[2]}, 1),
    ):
        with pytest.raises(breaks.LinkSigners) as broken:
            trail.prove(root=dated(rooted(), BOB, **dates))
        assert broken.value.seq == seq


def test_a_grandfathered_release_counts_whatever_became_of_its_keys(trail: Trail) -> None:
    gone = dated(rooted(), BOB, revoked_at=NOON)
    role = gone.release["production"]
    known = frozenset(one.release_sha256 for one in trail.records)

    kept = replace(gone, release={"production": replace(role, grandfathered=known)})

    assert trail.prove(root=kept).last.seq == 3


def test_an_unknown_root_judges_nobody(trail: Trail) -> None:
    """An auditor who pins a later root may not have those before it."""
    followed = trail.followed(rooted(version=2))
    bent = last(signers={**SIGNERS, "card-bin/binlist@1": (DAVE.id,)})(trail)
    trail.rewrite(bent)

    with pytest.raises(breaks.LinkSigners):
        trail.prove(root=rooted(version=2))

    assert trail.prove_by(replace(followed, roots={2: followed.root})).last == bent[-1]


def test_a_commit_that_the_followed_branch_never_held_is_named(trail: Trail) -> None:
    main = trail.repository.target("refs/heads/main")
    side = released_by(*OWNERS)(trail)
    trail.rewrite(side)
    assert trail.prove().last == side[-1]

    with pytest.raises(breaks.LinkSource) as broken:
        trail.prove(head=main)

    assert (broken.value.seq, "not in the history" in str(broken.value)) == (4, True)


def test_a_commit_that_was_merged_later_is_in_the_history(trail: Trail) -> None:
    """A merge may have what a controller applied as its second parent."""
    main = trail.repository.target("refs/heads/main")
    side = released_by(*OWNERS)(trail)
    applied = side[-1].commit
    assert main is not None
    tree = trail.repository.tree_of(applied).hex()
    lines = f"tree {tree}\nparent {main.hex()}\nparent {applied.hex()}\n"
    who = "alice <alice@bank.example> 1795176000 +0000"
    merge = trail.repository.write_commit(
        f"{lines}author {who}\ncommitter {who}\n\nMerge\n".encode(), None
    )
    trail.rewrite(side)

    assert trail.prove(head=merge).last == side[-1]
