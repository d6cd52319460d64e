"""A signed folder is believed as a whole or not at all: every file of it, and every byte."""

from dataclasses import replace
from typing import Any

import pytest

from controller.artifacts import layout
from controller.artifacts.wire import BadDocument
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.strictjson import MalformedJson
from controller.reconcile import admit, signed
from controller.trust.core import OneOwnerCountsOnce, ThresholdNotMet
from controller.trust.envelope import (
    IN_TOTO,
    ROOT,
    Envelope,
    MalformedEnvelope,
    PayloadsDiffer,
    parse,
)
from controller.trust.verify import SignatureInvalid, SignerNotInRole, WrongPayloadType
from tests.support.world import CARDS, TWO, Shop

PLACE = layout.release_dir(ENVIRONMENT)
COPY, ENVELOPE = f"{PLACE}/release.json", f"{PLACE}/release.dsse.json"
VERSION = layout.version_dir(CARDS, 1)


def forged(envelope: bytes, payload: bytes) -> bytes:
    """Return an envelope whose payload somebody replaced under its signatures."""
    return replace(parse(envelope), payload=payload).to_bytes()


def read_cards(shop: Shop) -> Any:
    """Return the statement of the first version of the cards."""
    return admit.read_bundle(shop.repository, shop.tree, shop.root, CARDS, 1, shop.clock.now())


def test_a_release_that_two_owners_signed_is_believed_and_says_who(drawer: Shop) -> None:
    release = drawer.signed_release()

    assert release.statement == drawer.released[0]
    assert release.verified.owners == set(TWO)


def test_a_payload_that_was_changed_under_its_signatures_is_refused(drawer: Shop) -> None:
    payload = replace(drawer.released[0], created=drawer.clock.now()).payload() + b" "
    drawer.commit({COPY: payload, ENVELOPE: forged(drawer.read(ENVELOPE), payload)})

    with pytest.raises(SignatureInvalid) as refusal:
        drawer.signed_release()

    assert (refusal.value.have, refusal.value.need) == (0, 2)


def test_a_bundles_payload_that_was_changed_under_its_signatures_is_refused(drawer: Shop) -> None:
    payload = replace(drawer.bundle(CARDS, 1), environments=("staging",)).payload()
    paths = [f"{VERSION}/bundle.dsse.json", f"{VERSION}/bundle.bob.dsse.json"]
    envelopes: dict[str, bytes | None] = {
        path: forged(drawer.read(path), payload) for path in paths
    }
    drawer.commit({f"{VERSION}/bundle.json": payload, **envelopes})

    with pytest.raises(SignatureInvalid):
        read_cards(drawer)


def test_a_bundle_that_two_owners_signed_is_believed(drawer: Shop) -> None:
    statement, verified = read_cards(drawer)

    assert statement == drawer.bundle(CARDS, 1)
    assert verified.owners == set(TWO)


def test_a_plain_copy_that_is_not_what_was_signed_is_refused(drawer: Shop) -> None:
    drawer.commit({COPY: drawer.read(COPY).replace(b'"serial": 1', b'"serial": 2')})

    with pytest.raises(signed.CopyDiffers) as refusal:
        drawer.signed_release()

    assert refusal.value.path == COPY


def test_a_bundles_plain_copy_that_is_not_what_was_signed_is_refused(drawer: Shop) -> None:
    drawer.commit({f"{VERSION}/bundle.json": drawer.read(f"{VERSION}/bundle.json") + b"\n"})

    with pytest.raises(signed.CopyDiffers) as refusal:
        read_cards(drawer)

    assert refusal.value.path == f"{VERSION}/bundle.json"


def test_a_plain_copy_that_is_missing_is_refused(drawer: Shop) -> None:
    drawer.commit({COPY: None})

    with pytest.raises(signed.CopyDiffers):
        drawer.signed_release()


@pytest.mark.parametrize("name", ["notes.txt", "release.txt", "bundle.dsse.json", "release.dsse"])
def test_a_file_that_does_not_belong_beside_a_release_is_refused(drawer: Shop, name: str) -> None:
    drawer.commit({f"{PLACE}/{name}": b"?"})

    with pytest.raises(signed.StrangeFile) as refusal:
        drawer.signed_release()

    assert refusal.value.path == f"{PLACE}/{name}"


def test_a_file_that_does_not_belong_in_a_version_is_refused(drawer: Shop) -> None:
    drawer.commit({f"{VERSION}/ranges.csv": b"?"})

    with pytest.raises(signed.StrangeFile):
        read_cards(drawer)


def test_acknowledgements_in_a_version_are_strange_files(drawer: Shop) -> None:
    drawer.commit({f"{VERSION}/acks/one.dsse.json": b"?"})

    with pytest.raises(signed.StrangeFile):
        read_cards(drawer)


def test_a_folder_named_like_an_envelope_is_refused(drawer: Shop) -> None:
    drawer.commit({f"{PLACE}/release.bob.dsse.json/inner": b"?"})

    with pytest.raises(signed.StrangeFile):
        drawer.signed_release()


def test_acknowledgements_and_a_rollback_statement_may_stand_beside_a_release(
    drawer: Shop,
) -> None:
    drawer.commit({f"{PLACE}/acks/one.dsse.json": b"?", f"{PLACE}/rollback.dsse.json": b"?"})

    assert drawer.signed_release().statement == drawer.released[0]


def test_a_signature_of_another_role_does_not_count(drawer: Shop) -> None:
    drawer.commit({ENVELOPE: drawer.sealed(drawer.read(COPY), ("alice", "rollback"))})

    with pytest.raises(SignerNotInRole) as refusal:
        drawer.signed_release()

    assert (refusal.value.have, refusal.value.need) == (1, 2)


def test_a_signature_of_the_third_owner_counts(drawer: Shop) -> None:
    drawer.commit({ENVELOPE: drawer.sealed(drawer.read(COPY), ("alice", "carol"))})

    assert drawer.signed_release().verified.owners == {"alice", "carol"}


def test_one_signature_is_too_few(drawer: Shop) -> None:
    drawer.commit({ENVELOPE: drawer.sealed(drawer.read(COPY), ("alice",))})

    with pytest.raises(ThresholdNotMet) as refusal:
        drawer.signed_release()

    assert (refusal.value.have, refusal.value.need) == (1, 2)


def test_one_signature_each_in_two_envelopes_is_enough(drawer: Shop) -> None:
    copy = drawer.read(COPY)
    drawer.commit(
        {
            ENVELOPE: drawer.sealed(copy, ("alice",)),
            f"{PLACE}/release.bob.dsse.json": drawer.sealed(copy, ("bob",)),
        }
    )

    assert drawer.signed_release().verified.owners == set(TWO)


def test_the_same_signature_in_two_envelopes_counts_once(drawer: Shop) -> None:
    copy = drawer.read(COPY)
    drawer.commit(
        {
            ENVELOPE: drawer.sealed(copy, ("alice",)),
            f"{PLACE}/release.alice.dsse.json": drawer.sealed(copy, ("alice",)),
        }
    )

    with pytest.raises(ThresholdNotMet):
        drawer.signed_release()


def with_second_key(shop: Shop, *, owner: str) -> None:
    """Let `spare`, a key of `owner`, sign releases, and sign the release with it and alice's."""
    line = shop.new_person("spare").public

    def change(document: dict[str, Any]) -> None:
        document["keys"][line.id] = {"owner": owner, "public": line.line, "scheme": "ed25519"}
        document["roles"]["release"][ENVIRONMENT]["keys"].append(line.id)

    path, envelope = shop.next_root(change)
    shop.commit({path: envelope, ENVELOPE: shop.sealed(shop.read(COPY), ("alice", "spare"))})


def test_two_keys_of_one_owner_are_one_owner(drawer: Shop) -> None:
    with_second_key(drawer, owner="alice")

    with pytest.raises(OneOwnerCountsOnce) as refusal:
        drawer.signed_release()

    assert (refusal.value.have, refusal.value.need) == (1, 2)


def test_two_keys_of_two_owners_are_two_owners(drawer: Shop) -> None:
    with_second_key(drawer, owner="dave")

    assert drawer.signed_release().verified.owners == {"alice", "dave"}


def test_envelopes_of_two_payloads_are_refused(drawer: Shop) -> None:
    other = replace(drawer.released[0], serial=2, previous=None).payload()
    drawer.commit({f"{PLACE}/release.bob.dsse.json": drawer.sealed(other, ("bob",))})

    with pytest.raises(PayloadsDiffer):
        drawer.signed_release()


def test_a_release_without_envelope_is_not_signed(drawer: Shop) -> None:
    drawer.commit({ENVELOPE: None})

    with pytest.raises(signed.NotSigned) as refusal:
        drawer.signed_release()

    assert (refusal.value.directory, refusal.value.stem) == (PLACE, "release")


def test_an_envelope_of_another_payload_type_is_refused(drawer: Shop) -> None:
    sealed = parse(drawer.read(ENVELOPE))
    drawer.commit({ENVELOPE: Envelope(ROOT, sealed.payload, sealed.signatures).to_bytes()})

    with pytest.raises(WrongPayloadType) as refusal:
        drawer.signed_release()

    assert (refusal.value.found, refusal.value.expected) == (ROOT, IN_TOTO)


def test_an_envelope_that_is_rubbish_is_named(drawer: Shop) -> None:
    drawer.commit({f"{PLACE}/release.bob.dsse.json": b"rubbish"})

    with pytest.raises(MalformedEnvelope) as refusal:
        drawer.signed_release()

    assert refusal.value.path == f"{PLACE}/release.bob.dsse.json"


def test_what_nobody_signed_is_not_even_parsed(drawer: Shop) -> None:
    drawer.commit({COPY: b"{", ENVELOPE: drawer.sealed(b"{", ("rollback",))})

    with pytest.raises(ThresholdNotMet):
        drawer.signed_release()


def test_what_owners_signed_is_parsed_strictly(drawer: Shop) -> None:
    drawer.commit({COPY: b"{", ENVELOPE: drawer.sealed(b"{", TWO)})

    with pytest.raises(MalformedJson):
        drawer.signed_release()


def test_an_unknown_member_is_refused_though_owners_signed_it(drawer: Shop) -> None:
    payload = drawer.read(COPY).replace(b'"serial": 1', b'"serial": 1,\n    "urgent": true')
    drawer.commit({COPY: payload, ENVELOPE: drawer.sealed(payload, TWO)})

    with pytest.raises(BadDocument) as refusal:
        drawer.signed_release()

    assert refusal.value.pointer == "/predicate/urgent"


def test_a_release_of_another_repository_is_refused(drawer: Shop) -> None:
    other = replace(drawer.released[0], repository="0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11")
    drawer.release(other)

    with pytest.raises(signed.WrongPlace) as refusal:
        drawer.signed_release()

    assert refusal.value.said == f"{other.repository}/{ENVIRONMENT}"


def test_a_release_of_another_environment_is_refused(drawer: Shop) -> None:
    drawer.release(replace(drawer.released[0], environment="staging"))

    with pytest.raises(signed.WrongPlace) as refusal:
        drawer.signed_release()

    assert refusal.value.path == PLACE


def test_the_same_release_signed_again_for_this_place_is_believed(drawer: Shop) -> None:
    drawer.release(drawer.released[0])

    assert drawer.signed_release().statement.environment == ENVIRONMENT


@pytest.mark.parametrize(("count", "is_read"), [(16, True), (17, False)])
def test_a_folder_holds_so_many_envelopes_and_no_more(
    drawer: Shop, count: int, is_read: bool
) -> None:
    further: dict[str, bytes | None] = {
        f"{PLACE}/release.s{number}.dsse.json": drawer.read(ENVELOPE) for number in range(1, count)
    }
    drawer.commit(further)

    if is_read:
        assert drawer.signed_release().verified.owners == set(TWO)
    else:
        with pytest.raises(signed.TooManyEnvelopes):
            drawer.signed_release()
