"""Sign: a draft becomes the next version, or gains a signature."""

from datetime import timedelta

import pytest

from controller.artifacts import bundle as bundles
from controller.artifacts import draft as drafts
from controller.authoring.draft import DraftNotClean, NoDraft
from controller.authoring.signing import sign_bundle, slug
from controller.authoring.trusted import KeyNotInRole
from controller.authoring.versions import latest
from controller.kernel.canonical import sha256
from controller.kernel.instants import Window
from controller.trust.envelope import PayloadsDiffer
from controller.trust.envelope import parse as parse_envelope
from controller.trust.sign import SeedSigner
from tests.support.authoring import CARDS, LATER, NOW, Shop

VERSIONS = f"bundles/{CARDS}/versions"


def test_a_changed_draft_becomes_the_next_version(shop: Shop) -> None:
    shop.add_range()

    signed = shop.sign("alice")

    assert (signed.version, signed.is_new_version, signed.missing) == (2, True, 1)
    statement = bundles.parse(shop.read(f"{VERSIONS}/2/bundle.json"))
    assert statement.previous is not None
    assert statement.previous.sha256 == sha256(shop.read(f"{VERSIONS}/1/bundle.json"))
    assert statement.tables["ranges"].rows == 12


def test_an_unchanged_draft_gains_a_signature_in_a_file_of_its_own(shop: Shop) -> None:
    signed = shop.sign("carol")

    assert (signed.version, signed.is_new_version) == (1, False)
    assert signed.written == (f"{VERSIONS}/1/bundle.carol.dsse.json",)
    assert signed.owners == {"alice", "bob", "carol"}


def test_the_second_signer_signs_the_same_bytes(shop: Shop) -> None:
    shop.add_range()

    first, second = shop.sign("alice"), shop.sign("bob")

    assert (second.version, second.digest, second.missing) == (2, first.digest, 0)
    envelope = parse_envelope(shop.read(f"{VERSIONS}/2/bundle.bob.dsse.json"))
    assert envelope.payload == shop.read(f"{VERSIONS}/2/bundle.json")


def test_signing_twice_with_one_key_writes_nothing(shop: Shop) -> None:
    signed = shop.sign("alice")

    assert signed.was_signed_before
    assert signed.written == ()
    assert shop.status() == ""


def test_a_key_of_no_role_may_not_sign(shop: Shop) -> None:
    shop.add_range()

    with pytest.raises(KeyNotInRole) as refusal:
        shop.sign("rollback")

    assert "alice, bob, carol" in refusal.value.hint
    assert latest(shop.workspace.edited(), CARDS) == 1


def test_a_stranger_may_not_sign(shop: Shop) -> None:
    stranger = SeedSigner.of(b"s" * 32)

    with pytest.raises(KeyNotInRole):
        sign_bundle(shop.workspace, shop.root, CARDS, stranger, now=NOW)


def test_an_unclean_draft_is_not_signed(shop: Shop) -> None:
    shop.add_range("99060,,16,true,house,Short,credit,false,GB,GBP,tidewater-bank,,\n")

    with pytest.raises(DraftNotClean) as refusal:
        shop.sign("alice")

    assert "card-bin/SYN001" in refusal.value.report.counts()
    assert latest(shop.workspace.edited(), CARDS) == 1


def test_a_missing_draft_is_refused_with_the_bundles_there_are(shop: Shop) -> None:
    (shop.folder / f"bundles/{CARDS}/draft.json").unlink()

    with pytest.raises(NoDraft) as refusal:
        shop.sign("alice")

    assert "caip/chains" in refusal.value.hint


def test_a_window_that_is_signed_stands_in_the_draft_too(shop: Shop) -> None:
    signed = shop.sign("alice", effective_from=LATER)

    assert signed.version == 2
    draft = drafts.parse(shop.read(f"bundles/{CARDS}/draft.json"))
    assert draft.window == Window(LATER, None)
    assert shop.sign("bob").digest == signed.digest


def test_another_end_of_the_window_is_another_version(shop: Shop) -> None:
    shop.sign("alice", effective_from=LATER)

    signed = shop.sign("alice", effective_to=LATER + timedelta(days=1))

    assert signed.version == 3


def test_an_envelope_of_other_bytes_is_not_signed_beside(shop: Shop) -> None:
    other = shop.read("bundles/caip/chains/versions/1/bundle.dsse.json")
    shop.write(f"{VERSIONS}/1/bundle.mallory.dsse.json", other)

    with pytest.raises(PayloadsDiffer):
        shop.sign("carol")


@pytest.mark.parametrize(
    ("owner", "expected"),
    [("alice@bank.example", "alice-bank.example"), ("Bob", "bob"), ("!!!", "signer")],
)
def test_an_owner_becomes_a_file_name(owner: str, expected: str) -> None:
    assert slug(owner) == expected
