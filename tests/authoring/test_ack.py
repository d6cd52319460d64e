"""Acknowledge: exactly one plan, in the same bytes for every owner."""

import pytest

from controller.artifacts import ack as acks
from controller.artifacts.wire import BadDocument
from controller.authoring.ack import Acknowledgement, NoReason, NotAPlan, acknowledge
from controller.authoring.trusted import KeyNotInRole
from controller.trust.envelope import parse as parse_envelope
from tests.support.authoring import GIT, NOW, PRODUCTION, Shop

PLAN = "ab" * 32
FOLDER = "environments/production/acks"


def ack(shop: Shop, *names: str, reason: str = "merger", plan: str = PLAN) -> Acknowledgement:
    return acknowledge(
        shop.workspace,
        shop.root,
        PRODUCTION,
        plan,
        shop.signers(*names),
        reason,
        now=NOW,
        git=GIT,
    )


def test_the_acknowledgement_is_committed(shop: Shop) -> None:
    done = ack(shop, "alice")

    assert done.written == (f"{FOLDER}/{PLAN[:16]}.alice.dsse.json",)
    assert (done.missing, done.commit) == (1, shop.head)
    statement = acks.parse(parse_envelope(shop.read(done.written[0])).payload)
    assert (statement.plan, statement.reason) == (PLAN, "merger")


def test_the_second_owner_signs_what_the_first_one_wrote(shop: Shop) -> None:
    ack(shop, "alice")

    done = ack(shop, "bob", reason="")

    assert done.owners == {"alice", "bob"}
    envelopes = [
        parse_envelope(shop.read(f"{FOLDER}/{PLAN[:16]}.{name}.dsse.json"))
        for name in ("alice", "bob")
    ]
    assert envelopes[0].payload == envelopes[1].payload


def test_two_keys_make_one_commit(shop: Shop) -> None:
    before = shop.head

    assert ack(shop, "alice", "bob").missing == 0
    assert shop.workspace.repository.parents_of(shop.head) == (before,)


def test_acknowledging_twice_writes_nothing(shop: Shop) -> None:
    ack(shop, "alice")

    assert ack(shop, "alice").commit is None


def test_the_first_one_gives_a_reason(shop: Shop) -> None:
    with pytest.raises(NoReason):
        ack(shop, "alice", reason="")


def test_a_reason_is_plain_text(shop: Shop) -> None:
    with pytest.raises(BadDocument):
        ack(shop, "alice", reason=" two\nlines")


def test_a_key_without_the_role_may_not_acknowledge(shop: Shop) -> None:
    with pytest.raises(KeyNotInRole):
        ack(shop, "rollback")


@pytest.mark.parametrize("plan", ["", "abc", "AB" * 32])
def test_what_is_no_plan_is_refused(shop: Shop, plan: str) -> None:
    with pytest.raises(NotAPlan):
        ack(shop, "alice", plan=plan)
