"""The file that stands alone says of a branch what a controller says of it."""

import json
from dataclasses import replace

import pytest

from controller.artifacts import layout
from controller.artifacts.bundle import PreviousVersion
from controller.artifacts.release import LiveBundle, ReleaseRef
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import Digest, sha256
from controller.kernel.instants import Window
from controller.kernel.objects import Oid
from controller.trust.envelope import ROOT
from tests.support.world import CARDS, NEW_RANGE, OTHER_RANGE, Shop
from tests.tools.changes import (
    DAY,
    ENVELOPE,
    PLACE,
    Change,
    add_small_order_key,
    back_and_forth,
    bob_leaves,
    changed_version,
    enveloped,
    flipped,
    grandfathered_without_threshold,
    moved_version,
    narrowed,
    next_live,
    null_dates,
    one_person_with_two_keys,
    promise,
    raw_entry,
    ref,
    released_version,
    revoke_bob,
    rewritten,
    rollback_key_revoked,
    second_release,
    signature_of,
    start_again,
    swapped_files,
    two_versions_at_once,
    unchecked_root,
    went_back,
    with_root,
    with_statement,
)
from tests.tools.verdicts import judge, reconcile

ACCEPTED: dict[str, Change] = {
    "nothing happened": lambda _: None,
    "a release as it should be": lambda shop: shop.publish(add=[NEW_RANGE]),
    "two releases at once": lambda shop: (
        shop.publish(add=[NEW_RANGE]),
        shop.publish(add=[OTHER_RANGE]),
    ),
    "a file beside our folders": lambda shop: shop.commit({"docs/A b.txt": b"hello"}),
    "a further signer's envelope": lambda shop: shop.commit(
        {
            f"{PLACE}/release.carol.dsse.json": shop.sealed(
                shop.read(f"{PLACE}/release.json"), ["carol"]
            )
        }
    ),
    "a hint that names nobody": lambda shop: shop.commit(
        {
            ENVELOPE: enveloped(
                shop,
                signatures=[
                    {"sig": one["sig"]} for one in json.loads(shop.read(ENVELOPE))["signatures"]
                ],
            )
        }
    ),
    "a narrowed window": narrowed(
        Window.parse("2027-01-01T00:00:00Z", None), Window.parse("2026-12-01T00:00:00Z", None)
    ),
    "the next root": with_root(lambda root: root.update(expires="2030-01-01T00:00:00Z")),
    "a release in time": promise(expires=None),
    "a signed return": went_back("rollback"),
    "a return by statement": with_statement(),
    "a new beginning after a reset": start_again,
    "what a root grandfathers": bob_leaves(),
    "a return that a root grandfathers": rollback_key_revoked(grandfathered=True),
    "files beside the rails": lambda shop: shop.commit(
        {f"policies/{one}.md": b"a" * (1 << 20) for one in range(15)}
    ),
    "a rail that nobody uses, of 12 levels": lambda shop: shop.commit(
        {f"policies/x/{'d/' * 10}rail.json": b"{}"}
    ),
    "a wrong git tree id": released_version(git_tree=Oid(b"\1" * 20)),
}

REFUSED: dict[str, tuple[Change, str]] = {
    "a dropped signer": (
        lambda shop: shop.release(shop.next_release(), by=("alice",)),
        "trust.threshold_not_met",
    ),
    "one owner twice": (one_person_with_two_keys, "trust.threshold_not_met"),
    "somebody of another role": (
        lambda shop: shop.release(shop.next_release(), by=("alice", "rollback")),
        "trust.threshold_not_met",
    ),
    "a revoked signer": (revoke_bob, "trust.threshold_not_met"),
    "a key that left and grandfathers nothing": (
        bob_leaves(release=False, versions=False),
        "trust.threshold_not_met",
    ),
    "grandfathered versions of a release that is not": (
        bob_leaves(release=False),
        "trust.threshold_not_met",
    ),
    "a grandfathered release of versions that are not": (
        bob_leaves(versions=False),
        "trust.threshold_not_met",
    ),
    "grandfathered, by a key that left without being revoked": (
        bob_leaves(revoked=False),
        "trust.threshold_not_met",
    ),
    "grandfathered, by one owner": (grandfathered_without_threshold, "trust.threshold_not_met"),
    "a return by a revoked key": (
        rollback_key_revoked(grandfathered=False),
        "trust.rollback_refused",
    ),
    "a flipped bit in a signature": (
        lambda shop: shop.commit({ENVELOPE: enveloped(shop, signatures=[flipped(shop)])}),
        "trust.threshold_not_met",
    ),
    "a changed plain copy": (
        lambda shop: rewritten(shop, f"{PLACE}/release.json", lambda data: data + b" "),
        "signed.copy_differs",
    ),
    "no plain copy": (
        lambda shop: shop.commit({f"{PLACE}/release.json": None}),
        "signed.copy_differs",
    ),
    "no envelope": (lambda shop: shop.commit({ENVELOPE: None}), "signed.no_envelope"),
    "a payload of another type": (
        lambda shop: shop.commit({ENVELOPE: enveloped(shop, payloadType=ROOT)}),
        "trust.wrong_payload_type",
    ),
    "a payload of a strange type": (
        lambda shop: shop.commit({ENVELOPE: enveloped(shop, payloadType="text/plain")}),
        "trust.unknown_payload_type",
    ),
    "two payloads in one place": (
        lambda shop: shop.commit(
            {f"{PLACE}/release.carol.dsse.json": shop.sealed(b"{}", ["carol"])}
        ),
        "trust.payloads_differ",
    ),
    "a strange file": (
        lambda shop: shop.commit({f"{PLACE}/notes.txt": b"hello"}),
        "signed.strange_file",
    ),
    "an unknown member": (
        lambda shop: shop.commit({ENVELOPE: enveloped(shop, more=1)}),
        "trust.malformed_envelope",
    ),
    "a key that stands twice": (
        lambda shop: rewritten(
            shop, ENVELOPE, lambda data: data.replace(b"{", b'{"payloadType": "x",', 1)
        ),
        "trust.malformed_envelope",
    ),
    "a byte order mark": (
        lambda shop: rewritten(shop, ENVELOPE, lambda data: b"\xef\xbb\xbf" + data),
        "trust.malformed_envelope",
    ),
    "base64 with spare bits": (
        lambda shop: shop.commit(
            {
                ENVELOPE: enveloped(
                    shop, signatures=[{"sig": signature_of(shop)["sig"][:-3] + "B=="}]
                )
            }
        ),
        "trust.malformed_envelope",
    ),
    "no signatures": (
        lambda shop: shop.commit({ENVELOPE: enveloped(shop, signatures=[])}),
        "trust.malformed_envelope",
    ),
    "seventeen signatures": (
        lambda shop: shop.commit({ENVELOPE: enveloped(shop, signatures=[signature_of(shop)] * 17)}),
        "trust.malformed_envelope",
    ),
    "a link in the folder": (raw_entry(b"120000", b"release.bob.dsse.json", b"x"), "walk.bad_tree"),
    "an executable file": (
        raw_entry(b"100755", b"release.bob.dsse.json", b"x"),
        "walk.bad_tree",
    ),
    "a name in capitals": (raw_entry(b"100644", b"README.md", b"x"), "walk.bad_tree"),
    "no release": (
        lambda shop: shop.commit({ENVELOPE: None, f"{PLACE}/release.json": None}),
        "succession.no_release",
    ),
    "a moved version": (moved_version, "signed.wrong_place"),
    "other files": (swapped_files, "pinned.files_not_found"),
    "other counts": (released_version(tables={}), "admit.counts_differ"),
    "another environment": (
        released_version(environments=("staging",)),
        "admit.not_for_environment",
    ),
    "another repository": (
        promise(repository="0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11"),
        "signed.wrong_place",
    ),
    "a version that is not there": (
        lambda shop: shop.release(shop.next_release(LiveBundle(CARDS, 7, sha256(b"gone")))),
        "admit.bundle_missing",
    ),
    "another digest": (
        lambda shop: shop.release(
            shop.next_release(replace(next_live(shop), payload_sha256=sha256(b"x")))
        ),
        "admit.bundle_differs",
    ),
    "a version by one owner": (
        lambda shop: (
            shop.edit(add=[NEW_RANGE]),
            shop.release(shop.next_release(shop.sign(shop.next_version(), by=("alice",)))),
        ),
        "trust.threshold_not_met",
    ),
    "a version with another past": (
        released_version(previous=PreviousVersion(1, sha256(b"another"))),
        "trust.bundle_equivocation",
    ),
    "a changed version": (changed_version, "trust.bundle_equivocation"),
    "two versions at once": (two_versions_at_once, "admit.windows_overlap"),
    "a widened window": (
        narrowed(
            Window.parse("2026-11-01T00:00:00Z", None), Window.parse("2026-12-01T00:00:00Z", None)
        ),
        "release.widens_window",
    ),
    "a window of nothing": (
        narrowed(
            Window.parse("2027-01-01T00:00:00Z", None), Window.parse(None, "2026-12-31T00:00:00Z")
        ),
        "instant.empty_window",
    ),
    "a skipped serial": (promise(serial=3), "trust.serial_skipped"),
    "another predecessor": (
        promise(previous=ReleaseRef(1, Digest("a" * 64))),
        "trust.previous_mismatch",
    ),
    "two releases with one serial": (
        lambda shop: (
            second_release(shop),
            shop.publish(add=[OTHER_RANGE], serial=2, previous=ref(shop.released[0])),
        ),
        "trust.equivocation",
    ),
    "an unsigned return": (went_back(None), "trust.rollback_refused"),
    "a return by a release key": (went_back("alice"), "trust.rollback_refused"),
    "a return by a statement of nobody": (with_statement(by=("alice",)), "trust.rollback_refused"),
    "a statement for another release": (
        with_statement(to_sha256=sha256(b"another")),
        "trust.rollback_refused",
    ),
    "a lapsed statement": (
        lambda shop: with_statement(expires=shop.clock.instant)(shop),
        "succession.rollback_lapsed",
    ),
    "a statement used twice": (back_and_forth, "succession.rollback_spent"),
    "a floor": (
        lambda shop: (
            with_root(lambda root: root.update(floors={ENVIRONMENT: {"serial": 5}}))(shop),
            shop.publish(add=[NEW_RANGE]),
        ),
        "trust.serial_below_floor",
    ),
    "a bundle's floor": (
        with_root(lambda root: root.update(floors={"bundles": {str(CARDS): 2}})),
        "trust.bundle_below_floor",
    ),
    "an expired release": (
        lambda shop: (
            shop.publish(add=[NEW_RANGE], expires=shop.clock.instant + DAY),
            shop.clock.advance(DAY),
        ),
        "trust.release_expired",
    ),
    "an expired root": (
        lambda shop: (shop.commit({"README.md": b"later"}), shop.clock.advance(6 * 365 * DAY)),
        "trust.expired",
    ),
    "a root by one owner": (
        with_root(lambda root: root.update(expires="2030-01-01T00:00:00Z"), by=("alice",)),
        "trust.threshold_not_met",
    ),
    "a root that skips a version": (
        lambda shop: unchecked_root(shop, lambda root: root.update(version=3)),
        "trust.root_version_not_next",
    ),
    "a root of another repository": (
        with_root(lambda root: root.update(repository="0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11")),
        "trust.repository_differs",
    ),
    "a key of small order": (
        lambda shop: unchecked_root(shop, add_small_order_key),
        "trust.malformed_root",
    ),
    "an unknown role": (
        lambda shop: unchecked_root(shop, lambda root: root["roles"].update(more={})),
        "trust.malformed_root",
    ),
    "a threshold of nobody": (
        lambda shop: unchecked_root(shop, lambda root: root["roles"]["root"].update(threshold=0)),
        "trust.malformed_root",
    ),
    "a gap in the roots": (
        lambda shop: shop.commit({layout.root_path(3): shop.read(layout.root_path(1))}),
        "roots.not_whole",
    ),
    "a root that was taken away": (
        lambda shop: (
            with_root(lambda root: root.update(expires="2030-01-01T00:00:00Z"))(shop),
            shop.commit({layout.root_path(2): None}),
        ),
        "roots.removed",
    ),
    "a strange name among the roots": (
        lambda shop: shop.commit({"trust/root/readme.json": b"{}"}),
        "layout.bad_name",
    ),
    "rules that nobody pinned": (
        lambda shop: shop.commit({"policies/card-bin/rail.json": b"{}"}),
        "rails.not_pinned",
    ),
    "a pin without rules": (promise(policies={"card-bin": sha256(b"x")}), "rails.not_pinned"),
    "an envelope of a thousand words": (
        lambda shop: shop.commit({ENVELOPE: b"[" + b"1," * 600 + b"1]"}),
        "trust.malformed_envelope",
    ),
    "seventeen envelopes": (
        lambda shop: shop.commit(
            {f"{PLACE}/release.s{one}.dsse.json": shop.read(ENVELOPE) for one in range(16)}
        ),
        "signed.too_many_envelopes",
    ),
    "a policy of more than a MiB": (
        lambda shop: shop.commit({"policies/card-bin/rail.json": b" " * (1 << 20) + b"{}"}),
        "walk.too_large",
    ),
    "a file of more than a MiB beside the rails": (
        lambda shop: shop.commit({"policies/readme.md": b"a" * (2 << 20)}),
        "walk.too_large",
    ),
    "files of more than 16 MiB beside the rails": (
        lambda shop: shop.commit({f"policies/{one}.md": b"a" * (1 << 20) for one in range(17)}),
        "walk.too_large",
    ),
    "policies of 13 levels": (
        lambda shop: shop.commit({f"policies/x/{'d/' * 11}rail.json": b"{}"}),
        "walk.too_large",
    ),
    "a strange name beside the rails": (
        lambda shop: shop.commit({"policies/README.md": b"hello"}),
        "walk.bad_tree",
    ),
    "a date of a key that is null": (
        lambda shop: unchecked_root(shop, null_dates),
        "trust.malformed_root",
    ),
    "a nested document": (
        lambda shop: shop.commit({ENVELOPE: b"[" * 40 + b"]" * 40}),
        "trust.malformed_envelope",
    ),
}


@pytest.mark.parametrize("change", ACCEPTED.values(), ids=ACCEPTED)
def test_what_a_controller_accepts_is_accepted(shop: Shop, change: Change) -> None:
    change(shop)

    assert reconcile(shop) == "accepted"
    judged = judge(shop)
    assert judged.verdict == "accepted", judged.said
    assert judged.json["release"]["serial"] == shop.statement().serial
    assert judged.json["release"]["sha256"] == sha256(shop.read(f"{PLACE}/release.json"))


@pytest.mark.parametrize(("change", "code"), REFUSED.values(), ids=REFUSED)
def test_what_a_controller_refuses_is_refused_for_the_same_reason(
    shop: Shop, change: Change, code: str
) -> None:
    assert judge(shop).verdict == "accepted"
    change(shop)

    judged = judge(shop)

    assert reconcile(shop) == code
    assert judged.verdict == code, judged.said
    assert judged.json["refusal"]["where"]
    assert judged.json["refusal"]["what"]
