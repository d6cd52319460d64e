"""What people do to a shop, those who behave and those who do not."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from controller.artifacts import layout
from controller.artifacts.release import LiveBundle, ReleaseRef, ReleaseStatement
from controller.artifacts.rollback import RollbackStatement
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import readable, sha256
from controller.kernel.instants import Window, format_instant
from controller.trust.envelope import ROOT
from controller.trust.envelope import parse as parse_envelope
from controller.trust.keys import Kind, PublicLine, Scheme
from controller.trust.sign import sign_envelope
from tests.support.trees import git
from tests.support.world import CARDS, MAIN, NEW_RANGE, TWO, Shop
from tests.tools.verdicts import reconcile

DAY = timedelta(days=1)
PLACE = layout.release_dir(ENVIRONMENT)
ENVELOPE = f"{PLACE}/release.dsse.json"
SMALL_ORDER = PublicLine(Kind.ED25519, bytes([1] + [0] * 31))

Change = Callable[[Shop], object]


def ref(statement: ReleaseStatement) -> ReleaseRef:
    return ReleaseRef(statement.serial, sha256(statement.payload()))


def rewritten(shop: Shop, path: str, change: Callable[[bytes], bytes]) -> object:
    """Commit a file as somebody would who may merge and may not sign."""
    return shop.commit({path: change(shop.read(path))})


def enveloped(shop: Shop, **members: Any) -> bytes:
    """The release's envelope with members changed."""
    return readable({**json.loads(shop.read(ENVELOPE)), **members})


def signature_of(shop: Shop) -> dict[str, str]:
    found: dict[str, str] = json.loads(shop.read(ENVELOPE))["signatures"][0]
    return found


def flipped(shop: Shop) -> dict[str, str]:
    """The first signature with its first bit turned."""
    signature = signature_of(shop)
    sig = bytearray(base64.b64decode(signature["sig"]))
    sig[0] ^= 0x80
    return {**signature, "sig": base64.b64encode(sig).decode()}


def next_live(shop: Shop, **changes: Any) -> LiveBundle:
    """Edit the cards and sign their next version, whatever it says."""
    shop.edit(add=[NEW_RANGE])
    return shop.sign(shop.next_version(**changes))


def released_version(**changes: Any) -> Change:
    return lambda shop: shop.release(shop.next_release(next_live(shop, **changes)))


def with_root(change: Callable[[dict[str, Any]], object], *, by: tuple[str, ...] = TWO) -> Change:
    """Commit the next root, then something for it to judge."""

    def changed(document: dict[str, Any]) -> None:
        change(document)

    def commit(shop: Shop) -> None:
        path, envelope = shop.next_root(changed, by=by)
        shop.commit({path: envelope})

    return commit


def unchecked_root(shop: Shop, change: Callable[[dict[str, Any]], object]) -> object:
    """Commit a next root that our own writer would refuse to write."""
    document = json.loads(parse_envelope(shop.read(layout.root_path(1))).payload)
    document["version"] = 2
    change(document)
    pairs = [(shop.signer(name), Scheme.ED25519) for name in TWO]
    envelope = sign_envelope(ROOT, readable(document), pairs).to_bytes()
    return shop.commit({layout.root_path(2): envelope})


def add_small_order_key(document: dict[str, Any]) -> None:
    document["keys"][SMALL_ORDER.id] = {
        "owner": "nobody",
        "public": SMALL_ORDER.line,
        "scheme": "ed25519",
    }


def null_dates(document: dict[str, Any]) -> None:
    for key in document["keys"].values():
        key["not_after"] = None


def one_person_with_two_keys(shop: Shop) -> None:
    """Alice gets a second key, and signs a release with both."""
    line = shop.new_person("alice-too").public

    def grant(document: dict[str, Any]) -> None:
        document["keys"][line.id] = {"owner": "alice", "public": line.line, "scheme": "ed25519"}
        document["roles"]["release"][ENVIRONMENT]["keys"].append(line.id)

    with_root(grant)(shop)
    shop.release(shop.next_release(), by=("alice", "alice-too"))


def revoke_bob(shop: Shop) -> None:
    """Bob's key is stolen: what only alice and he signed no longer counts."""
    bob = shop.signer("bob").public.id
    at = format_instant(shop.clock.advance(DAY))
    with_root(
        lambda root: root.setdefault("revoked", {}).update({bob: {"at": at, "reason": "stolen"}}),
        by=("alice", "carol"),
    )(shop)


def bob_leaves(*, revoked: bool = True, release: bool = True, versions: bool = True) -> Change:
    """Bob's key leaves every role; of what he signed, the root grandfathers what it says."""

    def commit(shop: Shop) -> None:
        bob, live = shop.signer("bob").public.id, shop.released[-1]
        listed = [sha256(live.payload())] if release else []
        listed += [one.payload_sha256 for one in live.bundles] if versions else []

        def change(root: dict[str, Any]) -> None:
            at = format_instant(shop.clock.instant)
            root["revoked"] = {bob: {"at": at, "reason": "stolen"}} if revoked else {}
            root["grandfathered"] = listed
            roles = root["roles"]
            for role in (roles["root"], roles["release"][ENVIRONMENT], *roles["bundle"]):
                role["keys"].remove(bob)

        with_root(change, by=("alice", "carol"))(shop)

    return commit


def grandfathered_without_threshold(shop: Shop) -> None:
    """Root 2 grandfathers a release that, of all people, only bob signed, whom it revokes."""
    shop.released.append(shop.next_release())
    bob_leaves()(shop)
    shop.release(shop.released.pop(), by=("bob",))


def start_again(shop: Shop) -> None:
    """Release 2 was a mistake; a reset lets serials start again from release 1."""
    second_release(shop)
    first = shop.released[0]
    said = {"serial": first.serial, "sha256": sha256(first.payload())}
    with_root(lambda root: root.update(reset={ENVIRONMENT: said}))(shop)
    assert reconcile(shop) == "accepted"
    shop.released = [first]
    shop.release(shop.next_release(created=shop.clock.instant + DAY))


def moved_version(shop: Shop) -> object:
    """Version 2's envelope and copy stand in the folder of version 3, and are released there."""
    live = next_live(shop)
    there, here = (layout.version_dir(CARDS, number) for number in (2, 3))
    names = ("bundle.json", "bundle.dsse.json")
    shop.commit({f"{here}/{name}": shop.read(f"{there}/{name}") for name in names})
    return shop.release(shop.next_release(replace(live, version=3)))


def swapped_files(shop: Shop) -> object:
    """A version pins a files root that no tree of the history has."""
    return released_version(files_root=sha256(b"other files"))(shop)


def two_versions_at_once(shop: Shop) -> object:
    old = next(one for one in shop.released[-1].bundles if one.bundle == CARDS)
    return shop.release(shop.next_release(old, next_live(shop)))


def changed_version(shop: Shop) -> object:
    """Version 1 is signed anew with other words, and a release lists it."""
    statement = replace(shop.bundle(CARDS, 1), environments=(ENVIRONMENT, "staging"))
    return shop.release(shop.next_release(shop.sign(statement)))


def narrowed(window: Window, signed: Window) -> Change:
    def commit(shop: Shop) -> object:
        live = replace(next_live(shop, window=signed), window=window)
        return shop.release(shop.next_release(live))

    return commit


def second_release(shop: Shop) -> Shop:
    """Release 2 as it should be, applied."""
    shop.publish(add=[NEW_RANGE])
    assert reconcile(shop) == "accepted"
    return shop


def went_back(by: str | None) -> Change:
    def commit(shop: Shop) -> object:
        second_release(shop)
        return shop.revert_release(shop.released[0], by=by)

    return commit


def with_statement(**changes: Any) -> Change:
    """Go back by a statement instead of a signed commit."""

    def commit(shop: Shop) -> object:
        second_release(shop)
        target, now = shop.released[0], shop.clock.instant
        made = RollbackStatement(
            repository=target.repository,
            environment=ENVIRONMENT,
            to_serial=target.serial,
            to_sha256=sha256(target.payload()),
            reason="wrong ranges",
            created=now - DAY,
            expires=now + DAY,
        )
        by = changes.get("by", ("rollback",))
        said = {name: value for name, value in changes.items() if name not in ("by", "root")}
        payload = replace(made, **said).payload()
        envelope = shop.sealed(payload, by)
        with_root(changes["root"](shop, payload))(shop) if "root" in changes else None
        path = layout.rollback_path(ENVIRONMENT)
        shop.commit({path: envelope})
        return shop.revert_release(target, by=None)

    return commit


def rollback_key_revoked(*, grandfathered: bool) -> Change:
    """Carol takes over the role of a stolen rollback key, whose statement stays or does not."""

    def change(shop: Shop, payload: bytes) -> Callable[[dict[str, Any]], None]:
        stolen, carol = (shop.signer(name).public.id for name in ("rollback", "carol"))

        def changed(root: dict[str, Any]) -> None:
            at = format_instant(shop.clock.instant)
            root["revoked"] = {stolen: {"at": at, "reason": "stolen"}}
            root["grandfathered"] = [sha256(payload)] if grandfathered else []
            root["roles"]["rollback"][ENVIRONMENT]["keys"] = [carol]

        return changed

    return with_statement(root=change)


def back_and_forth(shop: Shop) -> object:
    """One statement is used for two returns."""
    with_statement()(shop)
    assert reconcile(shop) == "accepted"
    newest = shop.released[-1]
    shop.release(shop.next_release(previous=ref(newest), bundles=shop.released[0].bundles))
    assert reconcile(shop) == "accepted"
    return shop.revert_release(shop.released[0], by=None)


def raw_entry(mode: bytes, name: bytes, data: bytes) -> Change:
    """Put an entry into the environment's folder that our own writer would not write."""

    def commit(shop: Shop) -> None:
        where = shop.folder
        blob = git(where, "hash-object", "-w", "--stdin", stdin=data)
        env = git(where, "rev-parse", f"{MAIN}:{PLACE}")
        listed = git(where, "ls-tree", env) + f"\n{mode.decode()} blob {blob}\t{name.decode()}\n"
        tree = git(where, "mktree", stdin=listed.encode())
        for path in (PLACE.rpartition("/")[0], ""):
            above = git(where, "ls-tree", f"{MAIN}:{path}")
            child = PLACE.split("/")[1] if path else "environments"
            lines = [line for line in above.splitlines() if not line.endswith(f"\t{child}")]
            entries = "\n".join([*lines, f"040000 tree {tree}\t{child}"]) + "\n"
            tree = git(where, "mktree", stdin=entries.encode())
        made = git(where, "commit-tree", tree, "-p", MAIN, "-m", "An odd entry")
        git(where, "update-ref", MAIN, made)

    return commit


def promise(**changes: Any) -> Change:
    return lambda shop: shop.publish(add=[NEW_RANGE], **changes)
