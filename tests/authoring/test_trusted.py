"""Whom an author believes: the chain in the repository, pinned by the host or by itself."""

from datetime import timedelta

import pytest

from controller.authoring.rootdoc import Changes
from controller.authoring.rootfiles import last_root, read_root, sign_root
from controller.authoring.trusted import (
    KeyNotInRole,
    NoRoot,
    OtherRepository,
    signing_key,
    trusted_root,
)
from controller.kernel.canonical import Digest
from controller.trust.core import Expired
from controller.trust.root import Pin, PinMismatch
from tests.support.authoring import CARDS, NOW, Shop


def pin(shop: Shop) -> Pin:
    envelope = (shop.keys / "1.root.json").read_bytes()
    return Pin(envelope, read_root(shop.keys / "1.root.json").digest)


def test_without_a_host_the_first_root_vouches_for_itself(shop: Shop) -> None:
    trusted = trusted_root(shop.workspace.edited(), None, NOW)

    assert (trusted.root.version, trusted.pinned) == (1, False)


def test_a_hosts_pin_leads_to_the_newest_root(shop: Shop) -> None:
    shop.rotate(Changes(thresholds={"bundle": 3}))

    trusted = trusted_root(shop.workspace.edited(), pin(shop), NOW)

    assert (trusted.root.version, trusted.pinned) == (2, True)


def test_a_pin_of_other_bytes_is_refused(shop: Shop) -> None:
    with pytest.raises(PinMismatch):
        trusted_root(shop.workspace.edited(), Pin(pin(shop).envelope, Digest("0" * 64)), NOW)


def test_a_host_of_another_repository_is_told(shop: Shop, first_shop: Shop) -> None:
    del first_shop
    foreign = pin(shop)
    payload = last_root(shop.workspace.edited()).payload
    path = shop.home / "root-1.json"
    path.write_bytes(payload.replace(b'"created": "2026', b'"created": "2025'))
    sign_root(path, shop.signer("alice"))
    shop.write("trust/root/1.root.json", (shop.home / "1.root.json").read_bytes())

    with pytest.raises(OtherRepository):
        trusted_root(shop.workspace.edited(), foreign, NOW)


def test_a_repository_without_a_root_trusts_nobody(shop: Shop) -> None:
    (shop.folder / "trust/root/1.root.json").unlink()

    with pytest.raises(NoRoot):
        trusted_root(shop.workspace.edited(), None, NOW)


def test_an_expired_root_lets_nobody_sign(shop: Shop) -> None:
    with pytest.raises(Expired):
        trusted_root(shop.workspace.edited(), None, NOW + timedelta(days=4000))


def test_a_revoked_key_may_not_sign_and_the_others_still_may(shop: Shop) -> None:
    shop.rotate(Changes(revoke={shop.signer("carol").public.id: "lost"}))
    shop.add_range()

    with pytest.raises(KeyNotInRole):
        shop.sign("carol")
    assert shop.sign("alice", "bob").missing == 0


def test_a_key_that_is_not_yet_in_force_is_refused(shop: Shop) -> None:
    role = shop.root.role_for_bundle(CARDS.rail, f"bundles/{CARDS}")
    public = shop.signer("alice").public

    assert signing_key(shop.root, role.keys, public, "bundles", NOW).owner == "alice"
    with pytest.raises(KeyNotInRole):
        signing_key(shop.root, (), public, "bundles", NOW)
