"""Every way to bend the trail is seen, and the first bent link is the one that is named."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.postgres import Connection
from controller.audit import commit as commits
from controller.audit import trail as breaks
from controller.audit.journal import JournalBroken
from controller.audit.prove import verify_database, verify_git
from controller.audit.record import AuditRecord
from controller.kernel.objects import Oid
from controller.stores.control.statements import run
from controller.trust.commit import verify_commit, with_signature
from controller.trust.keys import PublicKey
from controller.trust.sign import sign_commit
from tests.support.audit import NOON, digest_of
from tests.support.trail import AUDITOR, LATER, STRANGER, Trail, renumbered, rewrapped, rooted


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail.at(tmp_path).build(4)


@pytest.mark.allows("audit-key.forged")
def test_an_untouched_trail_is_proven_link_by_link(trail: Trail) -> None:
    proof = trail.prove()

    assert [link.commit for link in proof.links] == trail.commits()
    assert [link.sha256 for link in proof.links] == [one.sha256 for one in trail.records]
    assert {link.signer for link in proof.links} == {AUDITOR.public.id}
    assert (proof.tip, proof.last) == (trail.tip(), trail.records[-1])


def test_no_branch_is_not_an_empty_proof(tmp_path: Path) -> None:
    with pytest.raises(breaks.TrailMissing):
        Trail.at(tmp_path).prove()


def bent(at: int, change: Callable[[bytes], bytes]) -> Callable[[int, bytes], bytes]:
    """Return a bend of one link alone."""
    return lambda number, content: change(content) if number == at else content


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda c: c.replace(b"Audit-Seq: 3", b"Audit-Seq: 9"), breaks.LinkTrailers),
        (lambda c: c.replace(b"Result: applied", b"Result: refused"), breaks.LinkTrailers),
        (lambda c: c.replace(b"\nSerial: 3", b""), breaks.LinkTrailers),
        (lambda c: c + b"Extra: 1\n", breaks.LinkTrailers),
        (lambda c: c + b"free text\n", breaks.LinkTrailers),
        (lambda c: c.replace(b"Apply release", b"Applied release"), breaks.LinkMalformed),
        (lambda c: c.replace(b'"acks":[]', b'"acks": []'), breaks.LinkMalformed),
        (lambda c: c.replace(b'"seq":3,', b""), breaks.LinkMalformed),
        (lambda c: c.replace(b"\n\nAudit-Seq", b"\n\nmore\n\nAudit-Seq"), breaks.LinkMalformed),
        (lambda c: c.replace(b" +0000\ncommitter", b" +0100\ncommitter"), breaks.LinkMalformed),
        (lambda c: c.replace(b"author one", b"author two"), breaks.LinkMalformed),
        (lambda c: b"encoding x\n".join(c.split(b"encoding x\n")), None),
    ],
)
def test_a_signed_link_that_is_not_made_as_links_are_made_is_named(
    trail: Trail,
    change: Callable[[bytes], bytes],
    kind: type[breaks.BrokenTrail] | None,
) -> None:
    written = trail.rewrite(trail.records, bend=bent(3, change))

    if kind is None:  # the twin: nothing was changed
        assert trail.prove().tip == written[-1]
        return
    with pytest.raises(kind) as broken:
        trail.prove()
    assert (broken.value.seq, broken.value.commit) == (3, written[2])


def graft(trail: Trail, at: int, change: Callable[[bytes], bytes]) -> list[Oid]:
    """Change a finished commit without its key; the later ones are moved on top as they were."""
    old = trail.commits()
    new = old[: at - 1]
    for number, one in enumerate(old[at - 1 :], start=at):
        raw = trail.repository.raw_commit(one)
        raw = change(raw) if number == at else raw
        if number > 1 and new:
            raw = raw.replace(
                b"parent " + old[number - 2].hex().encode(), b"parent " + new[-1].hex().encode()
            )
        new.append(trail.repository.write_commit(raw, None))
    trail.point_at(new[-1])
    return new


def test_an_edited_message_is_named_by_its_signature(trail: Trail) -> None:
    new = graft(trail, 2, lambda raw: raw.replace(b"Apply release 2", b"Apply release 7"))

    with pytest.raises(breaks.LinkSignature) as broken:
        trail.prove()

    assert (broken.value.seq, broken.value.commit) == (2, new[1])


def test_a_grafted_but_unchanged_commit_is_still_itself(trail: Trail) -> None:
    before = trail.commits()

    assert graft(trail, 2, lambda raw: raw) == before
    trail.prove()


def test_a_dropped_commit_is_named_even_when_the_rest_is_signed_again(trail: Trail) -> None:
    first, _, third, fourth = trail.records
    written = trail.rewrite([first, third, fourth])

    with pytest.raises(breaks.LinkOrder) as broken:
        trail.prove()

    assert (broken.value.seq, broken.value.commit) == (2, written[1])


def test_a_dropped_first_commit_is_named(trail: Trail) -> None:
    trail.rewrite(trail.records[1:])

    with pytest.raises(breaks.LinkOrder) as broken:
        trail.prove()

    assert broken.value.seq == 1


def test_a_dropped_commit_without_the_key_is_named_by_the_next_ones_signature(
    trail: Trail,
) -> None:
    first, second, third, _ = trail.commits()
    raw = trail.repository.raw_commit(third)
    raw = raw.replace(second.hex().encode(), first.hex().encode())
    trail.point_at(trail.repository.write_commit(raw, None))

    with pytest.raises(breaks.LinkSignature) as broken:
        trail.prove()

    assert broken.value.seq == 2


def test_reordered_commits_are_named(trail: Trail) -> None:
    first, second, third, fourth = trail.records
    trail.rewrite([first, third, second, fourth])

    with pytest.raises(breaks.LinkOrder) as broken:
        trail.prove()

    assert broken.value.seq == 2


def test_a_record_that_names_another_past_is_named(trail: Trail) -> None:
    first, second, third, fourth = trail.records
    trail.rewrite([first, replace(second, prev=digest_of("elsewhere")), third, fourth])

    with pytest.raises(breaks.LinkDigest) as broken:
        trail.prove()

    assert broken.value.seq == 2


def test_a_strangers_signature_is_named(trail: Trail) -> None:
    trail.rewrite(trail.records, signers={3: STRANGER})

    with pytest.raises(breaks.LinkSignature) as broken:
        trail.prove()

    assert broken.value.seq == 3


def test_a_missing_signature_is_named(trail: Trail) -> None:
    last = commits.content(trail.records[3], trail.commits()[2])
    trail.point_at(trail.repository.write_commit(last, None))

    with pytest.raises(breaks.LinkSignature) as broken:
        trail.prove()

    assert broken.value.seq == 4


def test_a_signature_taken_from_another_link_is_named(trail: Trail) -> None:
    third, fourth = (commits.content(trail.records[at], trail.commits()[at - 1]) for at in (2, 3))
    swapped = with_signature(fourth, sign_commit(third, AUDITOR))
    trail.point_at(trail.repository.write_commit(swapped, None))

    with pytest.raises(breaks.LinkSignature) as broken:
        trail.prove()

    assert broken.value.seq == 4


def test_a_commit_with_two_signatures_is_named(trail: Trail) -> None:
    last = commits.content(trail.records[3], trail.commits()[2])
    once = with_signature(last, sign_commit(last, AUDITOR))
    twice = with_signature(once, sign_commit(last, STRANGER))
    trail.point_at(trail.repository.write_commit(twice, None))

    with pytest.raises(breaks.LinkMalformed) as broken:
        trail.prove()

    assert broken.value.seq == 4


@pytest.mark.parametrize(
    "bend",
    [
        lambda raw: rewrapped(raw, 64),
        lambda raw: rewrapped(raw, 76),
        lambda raw: raw.replace(b"SIGNATURE-----\n\n", b"SIGNATURE-----\n \n\n"),
    ],
)
def test_an_armor_that_was_wrapped_again_without_the_key_is_named(
    trail: Trail, bend: Callable[[bytes], bytes]
) -> None:
    tip = trail.tip()
    raw = trail.repository.raw_commit(tip)
    verify_commit(bend(raw), [PublicKey.of(AUDITOR.public, "controller")], NOON)
    trail.point_at(trail.repository.write_commit(bend(raw), None))
    assert trail.tip() != tip

    with pytest.raises(breaks.LinkMalformed) as broken:
        trail.prove()

    assert (broken.value.seq, broken.value.commit) == (4, trail.tip())


def test_an_armor_that_was_wrapped_again_as_we_wrap_it_is_the_same_commit(trail: Trail) -> None:
    tip = trail.tip()

    assert rewrapped(trail.repository.raw_commit(tip), 70) == trail.repository.raw_commit(tip)
    assert trail.prove().tip == tip


def test_keys_are_judged_by_the_root_and_not_by_the_commits_date(trail: Trail) -> None:
    listed = PublicKey.of(AUDITOR.public, "controller")
    trail.prove(root=rooted((listed, PublicKey.of(STRANGER.public, "stranger"))))
    before, after = LATER - timedelta(days=1), LATER + timedelta(days=1)

    for key in (
        replace(listed, revoked_at=before, revoked_reason="stolen"),
        replace(listed, not_after=before),
        replace(listed, not_before=after),
        PublicKey.of(STRANGER.public, "stranger"),
    ):
        with pytest.raises(breaks.LinkSignature) as broken:
            trail.prove(root=rooted((key,)))
        assert broken.value.seq == 1


def test_a_commit_that_merges_another_history_is_named(trail: Trail) -> None:
    main = trail.repository.target("refs/heads/main")
    assert main is not None
    also = b"\nparent " + main.hex().encode() + b"\nauthor"
    trail.rewrite(
        trail.records, bend=bent(3, lambda content: content.replace(b"\nauthor", also, 1))
    )

    with pytest.raises(breaks.LinkParents) as broken:
        trail.prove()

    assert broken.value.seq == 3


def test_a_trail_that_starts_on_top_of_another_branch_is_named(trail: Trail) -> None:
    main = trail.repository.target("refs/heads/main")
    assert main is not None
    below = b"\nparent " + main.hex().encode() + b"\nauthor"
    content = commits.content(trail.records[0], None).replace(b"\nauthor", below, 1)
    trail.point_at(trail.repository.write_commit(content, sign_commit(content, AUDITOR)))

    with pytest.raises(breaks.BrokenTrail) as broken:
        trail.prove()

    assert broken.value.seq == 1


def test_another_controllers_trail_under_our_name_is_named(tmp_path: Path) -> None:
    trail = Trail.at(tmp_path).build(2)
    other = Trail.at(tmp_path).build(2, "two")
    assert (trail.prove("one").tip, other.prove("two").tip) == (trail.tip("one"), trail.tip("two"))

    trail.point_at(other.tip("two"), "one")

    with pytest.raises(breaks.LinkForeign) as broken:
        trail.prove("one")
    assert (broken.value.controller, broken.value.seq) == ("one", 1)


def test_a_source_commit_that_is_not_there_is_named(trail: Trail) -> None:
    records = [*trail.records[:2], replace(trail.records[2], commit=Oid(b"\x0f" * 20))]
    trail.rewrite(records)

    with pytest.raises(breaks.LinkSource) as broken:
        trail.prove()

    assert broken.value.seq == 3


def test_a_source_commit_without_the_environments_release_is_named(trail: Trail) -> None:
    trail.rewrite(renumbered([replace(trail.records[0], environment="staging")]))

    with pytest.raises(breaks.LinkSource, match=r"environments/staging/release\.json"):
        trail.prove()


def test_a_source_commit_with_another_release_is_named(trail: Trail) -> None:
    first, second = trail.records[:2]
    trail.rewrite(renumbered([first, replace(second, commit=first.commit)]))

    with pytest.raises(breaks.LinkRelease) as broken:
        trail.prove()

    assert broken.value.seq == 2


def test_source_commits_may_be_in_another_repository(tmp_path: Path) -> None:
    shop, archive = Trail.at(tmp_path / "a").build(2), Trail.at(tmp_path / "b")
    archive.rewrite(shop.records)

    with pytest.raises(breaks.LinkSource):
        archive.prove()
    proof = verify_git(
        archive.repository, shop.followed(), "one", now=LATER, source=shop.repository
    )

    assert len(proof.links) == 2


@dataclass(frozen=True)
class Published:
    """A journal, its branch, and the proof of the branch."""

    trail: Trail
    records: list[AuditRecord]


@pytest.fixture
def published(database: Connection[Any], tmp_path: Path) -> Published:
    trail = Trail.at(tmp_path)
    records = [trail.apply(database) for _ in range(4)]
    trail.publish(database)
    return Published(trail, records)


def test_a_journal_that_says_what_the_branch_says_is_proven(
    database: Connection[Any], published: Published
) -> None:
    proof = verify_database(database, published.trail.prove())

    assert (proof.rows, proof.lag) == (4, 0)


def test_what_is_not_published_yet_is_lag_and_not_a_break(
    database: Connection[Any], published: Published
) -> None:
    published.trail.apply(database)
    published.trail.apply(database)

    proof = verify_database(database, published.trail.prove())

    assert (proof.rows, proof.lag) == (6, 2)


def guards_off(database: Connection[Any], attack: str) -> None:
    run(database, "SET session_replication_role = replica", {})
    run(database, attack, {})
    run(database, "SET session_replication_role = origin", {})


@pytest.mark.parametrize("seq", [1, 2, 4])
def test_an_edited_row_is_named(database: Connection[Any], published: Published, seq: int) -> None:
    guards_off(
        database,
        f"""UPDATE controller.journal SET sha256 = encode(sha256(convert_to(
            replace(record, '"applied"', '"refused"'), 'UTF8')), 'hex'),
            record = replace(record, '"applied"', '"refused"') WHERE seq = {seq}""",
    )

    with pytest.raises(breaks.RowDiffers) as broken:
        verify_database(database, published.trail.prove())

    assert broken.value.seq == seq


@pytest.mark.parametrize("column", ["sha256", "prev_sha256"])
def test_an_edited_digest_column_is_named(
    database: Connection[Any], published: Published, column: str
) -> None:
    guards_off(database, f"UPDATE controller.journal SET {column} = repeat('a', 64) WHERE seq = 3")

    with pytest.raises(JournalBroken) as broken:
        verify_database(database, published.trail.prove())

    assert broken.value.seq == 3


@pytest.mark.parametrize("seq", [1, 3, 4])
def test_a_removed_row_is_named(database: Connection[Any], published: Published, seq: int) -> None:
    guards_off(database, f"DELETE FROM controller.journal WHERE seq = {seq}")

    with pytest.raises(breaks.RowMissing) as broken:
        verify_database(database, published.trail.prove())

    assert broken.value.seq == seq


def test_a_row_that_waits_for_no_commit_is_named(
    database: Connection[Any], published: Published
) -> None:
    published.trail.apply(database)
    guards_off(database, "DELETE FROM controller.outbox WHERE journal_seq = 5")

    with pytest.raises(breaks.RowExtra) as broken:
        verify_database(database, published.trail.prove())

    assert broken.value.seq == 5


def test_a_branch_cut_at_its_end_is_named_by_the_database_alone(
    database: Connection[Any], published: Published
) -> None:
    published.trail.point_at(published.trail.commits()[1])
    assert len(published.trail.prove().links) == 2

    with pytest.raises(breaks.TrailTruncated) as broken:
        verify_database(database, published.trail.prove())

    assert broken.value.seq == 3


@pytest.mark.stops("audit-key.forged")
def test_a_tail_rewritten_with_the_controllers_own_key_is_named_by_the_database(
    database: Connection[Any], published: Published
) -> None:
    first, second, third, fourth = published.records
    bent_tail = [first, second, replace(third, plan_digest=digest_of("another")), fourth]
    published.trail.rewrite(renumbered(bent_tail))
    assert len(published.trail.prove().links) == 4

    with pytest.raises(breaks.RowDiffers) as broken:
        verify_database(database, published.trail.prove())

    assert broken.value.seq == 3


def test_a_fork_of_the_branch_is_told_apart_from_the_branch(
    database: Connection[Any], published: Published
) -> None:
    first, second, third, _ = published.records
    true_tip = published.trail.tip()
    published.trail.rewrite(
        renumbered([first, second, replace(third, plan_digest=digest_of("another"))])
    )

    with pytest.raises(breaks.RowDiffers) as broken:
        verify_database(database, published.trail.prove())
    published.trail.point_at(true_tip)

    assert broken.value.seq == 3
    assert verify_database(database, published.trail.prove()).lag == 0


def test_two_controllers_with_different_histories_are_told_apart(
    database: Connection[Any], published: Published
) -> None:
    published.trail.apply(database, "two")
    published.trail.publish(database, "two")

    assert verify_database(database, published.trail.prove("one")).rows == 4
    assert verify_database(database, published.trail.prove("two")).rows == 1


def test_tables_are_compared_with_what_the_last_record_says(
    database: Connection[Any], tmp_path: Path
) -> None:
    trail = Trail.at(tmp_path)
    trail.tables = {"ranges": "17"}
    trail.apply(database)
    trail.publish(database)
    proof = trail.prove()

    assert verify_database(database, proof, table_digests=lambda: {"ranges": "17"}).tables == 1
    for found in ({"ranges": "18"}, {}, {"ranges": "17", "rules": "1"}):
        with pytest.raises(breaks.TableDiffers):
            verify_database(database, proof, table_digests=found.copy)
