"""The trail proven with the keys of the branch's newest root, followed from the pinned one."""

from typing import Any

import pytest

from controller.adapters.postgres import transaction
from controller.audit.prove import Proof
from controller.audit.trail import LinkSignature, TableDiffers
from controller.authoring.starting import AUDIT
from controller.kernel.canonical import Digest
from controller.kernel.errors import Untrusted
from controller.reconcile.proof import prove_database, prove_git
from controller.reconcile.world import Pin
from controller.trust.root import PinMismatch
from tests.support.world import NEW_RANGE, Shop


def _prove(shop: Shop, *, controller: str | None = None, pin: Pin | None = None) -> Proof:
    return prove_git(
        shop.repository,
        pin or shop.pin,
        branch="main",
        controller=controller or shop.controller,
        now=shop.clock.now(),
    )[1]


def test_git_and_database_agree_after_each_revision(shop: Shop) -> None:
    for number in (1, 2):
        proof = _prove(shop)
        proven = prove_database(shop.world().connection, proof)

        assert (len(proof.links), proven.rows, proven.lag) == (number, number, 0)
        if number == 1:
            shop.publish(add=[NEW_RANGE])
            shop.reconcile()


def test_a_key_that_a_newer_root_revokes_proves_nothing_any_more(shop: Shop) -> None:
    assert len(_prove(shop).links) == 1
    new = shop.new_person("new-auditor")

    def replace_auditor(document: dict[str, Any]) -> None:
        old = str(shop.signer(AUDIT).public.id)
        document["keys"][str(new.public.id)] = {
            **document["keys"][old],
            "public": new.public.line,
        }
        document["roles"]["audit"][shop.controller]["keys"] = [str(new.public.id)]

    path, data = shop.next_root(replace_auditor)
    shop.commit({path: data})

    with pytest.raises(LinkSignature):
        _prove(shop)


def test_another_pin_proves_nothing(shop: Shop) -> None:
    with pytest.raises(PinMismatch):
        _prove(shop, pin=Pin(shop.pin.envelope, Digest("0" * 64)))


def test_a_controller_that_the_root_does_not_know_has_no_keys(shop: Shop) -> None:
    with pytest.raises(Untrusted):
        _prove(shop, controller="stranger")


def test_a_row_changed_behind_the_controller_is_found(shop: Shop) -> None:
    proof = _prove(shop)
    connection = shop.world().connection
    with transaction(connection):
        connection.execute(
            "UPDATE directory.participant SET name = 'Mine' WHERE id = 'orchard-pay'"
        )

    with pytest.raises(TableDiffers) as refusal:
        prove_database(connection, proof)

    assert refusal.value.table == "participants"
