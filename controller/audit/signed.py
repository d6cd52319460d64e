"""Whether those whom a record names as signers may have signed, and signed the release.

Everything is judged under the root that the record names, at the instant it tells. The signatures
of the release are verified again, so a release that nobody signed is in no record. Who signed
bundles, acknowledgements and returns is held against the roles: their signatures are not read.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from controller.artifacts import layout, levels, walk
from controller.artifacts.release import ReleaseStatement
from controller.audit import trail
from controller.audit.claims import ROOT
from controller.audit.record import AuditRecord
from controller.kernel.objects import Objects, Oid
from controller.stores.control.model import RevisionKind
from controller.trust import core
from controller.trust.core import Role
from controller.trust.envelope import (
    ENVELOPES_MAX,
    IN_TOTO,
    SIZE_MAX_BYTES,
    Envelope,
    MalformedEnvelope,
    parse,
)
from controller.trust.keys import PublicKey
from controller.trust.root import Root
from controller.trust.verify import Verified, verify

RELEASE = "release"


def check(here: trail.Here, objects: Objects, tree: Oid, record: AuditRecord, root: Root) -> None:
    """Check the signers of a record's release, acknowledgements and return; raise `LinkSigners`.

    `tree` is that of the source commit. Of a repin the keys that vouch for its root are checked.
    """
    with here.blaming(trail.LinkSigners):
        if record.kind is RevisionKind.REPIN:
            _require(here, ROOT, root.root, record.signers[ROOT], None)
            return
        if record.kind is not RevisionKind.HEAL:  # Its signers are those of the record before.
            check_release(here, objects, tree, record, root)
        role, at = root.release_role(record.environment), record.applied_at
        for ack in record.acks:
            _require(here, "an acknowledgement", *_for(role, ack.sha256, ack.signers, at))
        if record.rollback is not None:
            back, used = root.rollback_role(record.environment).role, record.rollback
            _require(here, "the rollback", *_for(back, used.evidence or "", used.signers, at))


def check_release(
    here: trail.Here, objects: Objects, tree: Oid, record: AuditRecord, root: Root
) -> None:
    """Check that those signed the release whom a record names; raise `LinkSigners`."""
    with here.blaming(trail.LinkSigners):
        found = _release(objects, tree, record, root)
        if found.digest != record.release_sha256:
            raise here.broken(trail.LinkSigners, f"release {found.digest} was signed")
        if found.signers != set(record.signers[RELEASE]):
            told = ", ".join(sorted(found.signers))
            raise here.broken(trail.LinkSigners, f"the release was signed by {told}")


def check_bundles(
    here: trail.Here, record: AuditRecord, statement: ReleaseStatement, root: Root
) -> None:
    """Check that those may sign bundles whom a record names; raise `LinkSigners`."""
    if record.kind is RevisionKind.REPIN:
        return  # Its signers are those of the record before, under the root of then.
    with here.blaming(trail.LinkSigners):
        for live in statement.bundles:
            role = root.role_for_bundle(live.bundle.rail, layout.bundle_dir(live.bundle))
            name = f"{live.bundle}@{live.version}"
            signers = record.signers[name]
            _require(here, name, *_for(role, live.payload_sha256, signers, record.applied_at))


def _for(
    role: Role[PublicKey], digest: str, signers: Iterable[str], at: datetime
) -> tuple[Role[PublicKey], Iterable[str], datetime | None]:
    """Return who may have signed a document, who is said to have, and when, where dates count."""
    return role.for_document(digest), signers, None if digest in role.grandfathered else at


def _require(
    here: trail.Here,
    what: str,
    role: Role[PublicKey],
    signers: Iterable[str],
    at: datetime | None,
) -> None:
    named = frozenset(signers)
    count = core.require(role, named, now=at)
    if count.signers != named:
        odd = min(named - count.signers)
        told = count.reasons.get(odd, f"is not of role {role.name!r}")
        raise here.broken(trail.LinkSigners, f"{what}: key {odd[:200]} {told}")


def _release(objects: Objects, tree: Oid, record: AuditRecord, root: Root) -> Verified:
    path = layout.release_dir(record.environment)
    folder = walk.find(objects, tree, path)
    role = root.release_role(record.environment)
    envelopes = list(_envelopes(objects, folder.oid, path)) if folder is not None else []
    return verify(envelopes, role, payload_type=IN_TOTO, now=record.applied_at)


def _envelopes(objects: Objects, folder: Oid, path: str) -> Iterator[Envelope]:
    entries = levels.children(objects, folder, path)
    stem = layout.RELEASE_STEM
    found = [one for one in entries if not one.is_tree and layout.is_envelope_name(one.name, stem)]
    if len(found) > ENVELOPES_MAX:
        raise MalformedEnvelope(f"{len(found)} envelopes in {path}; we read {ENVELOPES_MAX}")
    for entry in found:
        where = f"{path}/{entry.name}"
        yield parse(walk.read_blob(objects, entry.oid, where, SIZE_MAX_BYTES), where)
