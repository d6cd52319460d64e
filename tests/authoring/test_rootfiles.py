"""Roots as files: signed one by one, shown, and proved as a chain."""

from datetime import timedelta
from pathlib import Path
from shutil import copy

import pytest

from controller.authoring.rootdoc import Changes, FirstRoot, KeyOf, next_payload
from controller.authoring.rootfiles import (
    NotSignedYet,
    OtherProposal,
    UnreadableRoot,
    chain_in,
    gather,
    last_root,
    newest,
    prove_chain,
    read_root,
    root_file,
    sign_root,
)
from controller.authoring.trusted import KeyNotInRole
from controller.kernel.canonical import Digest
from controller.trust.core import Expired, ThresholdNotMet
from controller.trust.envelope import ROOT
from controller.trust.keys import Scheme
from controller.trust.root import PinMismatch
from controller.trust.sign import SeedSigner, sign_envelope
from tests.support.authoring import NOW, Shop

DORA = SeedSigner.of(b"d" * 32)
DORA_ALONE = sign_envelope(
    ROOT,
    FirstRoot(
        repository="0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11",
        owners=(KeyOf.usual("dora", DORA.public),),
        created=NOW,
        expires=NOW + timedelta(days=1),
        root_threshold=1,
        bundle_threshold=1,
        release_threshold=1,
        rails=("card-bin",),
    ).payload(),
    [(DORA, Scheme.ED25519)],
).to_bytes()


@pytest.fixture
def proposal(shop: Shop) -> Path:
    """The second root, which lets dora sign roots; nobody has signed it."""
    payload = next_payload(
        last_root(shop.workspace.edited()).payload,
        Changes(add={"root": [KeyOf.usual("dora", DORA.public)]}),
        created=NOW,
        expires=NOW + timedelta(days=365),
    )
    path = shop.home / "root-2.json"
    path.write_bytes(payload)
    return path


def test_a_proposal_gets_an_envelope_beside_it(shop: Shop, proposal: Path) -> None:
    signed = sign_root(proposal, shop.signer("alice"))

    assert signed.path == shop.home / "2.root.json"
    assert read_root(signed.path).payload == proposal.read_bytes()
    assert read_root(signed.path).signers(NOW) == {"alice"}


def test_signatures_gather_in_one_envelope(shop: Shop, proposal: Path) -> None:
    sign_root(proposal, shop.signer("alice"))
    sign_root(proposal, shop.signer("bob"))
    again = sign_root(shop.home / "2.root.json", shop.signer("bob"))

    assert again.was_signed_before
    assert read_root(again.path).signers(NOW) == {"alice", "bob"}


def test_a_stranger_does_not_sign_a_root(proposal: Path) -> None:
    with pytest.raises(KeyNotInRole):
        sign_root(proposal, SeedSigner.of(b"x" * 32))


def test_another_proposal_in_its_place_is_not_signed(shop: Shop, proposal: Path) -> None:
    sign_root(proposal, shop.signer("alice"))
    proposal.write_bytes(
        proposal.read_bytes().replace(b'"2027-11-20T12:00:00Z"', b'"2027-11-21T12:00:00Z"')
    )

    with pytest.raises(OtherProposal):
        sign_root(proposal, shop.signer("bob"))


def test_a_chain_that_both_roots_owners_signed_holds(shop: Shop, proposal: Path) -> None:
    first = (shop.keys / "1.root.json").read_bytes()
    for name in ("alice", "bob"):
        sign_root(proposal, shop.signer(name))

    proved = prove_chain(
        [(shop.home / "2.root.json").read_bytes(), first],
        read_root(shop.keys / "1.root.json").digest,
        NOW,
    )

    assert [root.version for root in proved] == [1, 2]


def test_a_chain_whose_new_owners_alone_signed_breaks(shop: Shop, proposal: Path) -> None:
    first = (shop.keys / "1.root.json").read_bytes()
    sign_root(proposal, shop.signer("alice"))
    sign_root(proposal, DORA)

    with pytest.raises(ThresholdNotMet):
        prove_chain([first, (shop.home / "2.root.json").read_bytes()], None, NOW)


def test_another_pin_refuses_the_chain(shop: Shop) -> None:
    with pytest.raises(PinMismatch):
        prove_chain(chain_in(shop.workspace.edited()), Digest("0" * 64), NOW)


def test_an_expired_root_is_said_to_be(shop: Shop) -> None:
    with pytest.raises(Expired):
        prove_chain(chain_in(shop.workspace.edited()), None, NOW + timedelta(days=4000))


def test_an_expired_chain_still_leads_to_the_root_that_another_follows(shop: Shop) -> None:
    chain = chain_in(shop.workspace.edited())

    assert newest(chain, root_file(chain[0]).digest).root.version == 1
    with pytest.raises(PinMismatch):
        newest(chain, Digest("0" * 64))


def test_a_chain_is_proved_from_the_root_that_is_pinned(shop: Shop, proposal: Path) -> None:
    """Whoever starts late pins a later root; what stands before it proves nothing."""
    for name in ("alice", "bob"):
        sign_root(proposal, shop.signer(name))
    second = (shop.home / "2.root.json").read_bytes()
    stranger = DORA_ALONE

    proved = prove_chain([stranger, second], root_file(second).digest, NOW)

    assert [root.version for root in proved] == [2]
    with pytest.raises(ThresholdNotMet):
        prove_chain([stranger, second], root_file(stranger).digest, NOW)


def test_signatures_made_apart_are_gathered(shop: Shop, proposal: Path) -> None:
    apart = []
    for name in ("alice", "bob"):
        desk = shop.home / f"desk of {name}"
        desk.mkdir()
        apart.append(sign_root(Path(copy(proposal, desk)), shop.signer(name)).path)

    gathered = gather(apart, shop.home / "2.root.json")

    assert gathered.signers(NOW) == {"alice", "bob"}
    assert read_root(shop.home / "2.root.json").signers(NOW) == {"alice", "bob"}
    assert gather([*apart, shop.home / "2.root.json"], shop.home / "2.root.json") == gathered


def test_signatures_of_different_roots_are_not_gathered(shop: Shop, proposal: Path) -> None:
    mine = sign_root(proposal, shop.signer("alice")).path
    with pytest.raises(OtherProposal):
        gather([mine, shop.keys / "1.root.json"], shop.home / "gathered.json")
    with pytest.raises(NotSignedYet):
        gather([proposal], shop.home / "gathered.json")

    assert not (shop.home / "gathered.json").exists()


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableRoot):
        read_root(tmp_path / "none.json")
