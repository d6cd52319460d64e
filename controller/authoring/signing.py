"""Sign: pin a draft as a bundle's next version, or add a signature to the version it matches."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from controller.artifacts.draft import Draft
from controller.artifacts.layout import (
    BUNDLE_STEM,
    BundleId,
    bundle_dir,
    draft_path,
    envelope_name,
    statement_path,
    version_dir,
)
from controller.artifacts.merkle import FilesSummary
from controller.authoring.draft import check_draft, narrowed, read_draft, read_files
from controller.authoring.rails import rails_of
from controller.authoring.trusted import signing_key
from controller.authoring.versions import envelopes_in, latest, pinned, previous_of
from controller.authoring.view import View, Workspace
from controller.kernel.canonical import Digest, sha256
from controller.kernel.findings import Report
from controller.trust.core import tally
from controller.trust.envelope import IN_TOTO, Envelope, merge
from controller.trust.keys import PublicKey
from controller.trust.root import Root
from controller.trust.sign import Signer, sign_envelope
from controller.trust.verify import accepted

_UNFIT = re.compile(r"[^a-z0-9._-]+")
_SLUG_MAX = 48


@dataclass(frozen=True, slots=True)
class Signed:
    """A version that somebody signed, now or before."""

    bundle: BundleId
    version: int
    digest: Digest
    owner: str
    is_new_version: bool
    was_signed_before: bool
    written: tuple[str, ...]
    owners: frozenset[str]
    threshold: int
    summary: FilesSummary
    report: Report

    @property
    def missing(self) -> int:
        """Return how many more owners have to sign."""
        return max(0, self.threshold - len(self.owners))


def sign_bundle(
    workspace: Workspace,
    root: Root,
    bundle: BundleId,
    signer: Signer,
    *,
    now: datetime,
    effective_from: datetime | None = None,
    effective_to: datetime | None = None,
) -> Signed:
    """Sign the draft in the work tree; write the statement and the envelope, commit nothing.

    Other ends of the window than the draft's are written into `draft.json` too, so that the next
    signer signs the same version.
    """
    view = workspace.edited()
    draft = read_draft(view, bundle)
    window = narrowed(draft, effective_from, effective_to)
    changes: dict[str, bytes] = {}
    if window != draft:
        changes[draft_path(bundle)] = window.to_bytes()
        view = view.replaced(draft_path(bundle), window.to_bytes())
    role = root.role_for_bundle(bundle.rail, bundle_dir(bundle))
    key = signing_key(root, role.keys, signer.public, f"bundle {bundle}", now)
    report = check_draft(view, bundle, rails_of(view))
    version, payload, summary = _payload(view, window, root)
    is_new = pinned(view, bundle, version) is None
    held = envelopes_in(view, version_dir(bundle, version), BUNDLE_STEM)
    before = _signatures(held, payload)
    envelope = sign_envelope(IN_TOTO, payload, [(signer, key.scheme)])
    signed_before = bool(accepted(before, [key])) if before else False
    if not signed_before:
        if is_new:
            changes[statement_path(bundle, version)] = payload
        name = envelope_file(BUNDLE_STEM, key, held)
        changes[f"{version_dir(bundle, version)}/{name}"] = envelope.to_bytes()
    for path, data in changes.items():
        workspace.write(path, data)
    whole = merge([before, envelope]) if before else envelope
    count = tally(role, accepted(whole, role.keys), now=now)
    return Signed(
        bundle,
        version,
        sha256(payload),
        key.owner,
        is_new_version=is_new,
        was_signed_before=signed_before,
        written=tuple(changes),
        owners=count.owners,
        threshold=role.threshold,
        summary=summary,
        report=report,
    )


def envelope_file(stem: str, key: PublicKey, held: Mapping[str, Envelope]) -> str:
    """Return a free file name for a key's envelope: the first is nobody's in particular."""
    names = [envelope_name(stem), envelope_name(stem, slug(key.owner))]
    names += [envelope_name(stem, f"{slug(key.owner)}-{count}") for count in range(2, 18)]
    return next(name for name in names if name not in held)


def slug(owner: str) -> str:
    """Return an owner as a path segment."""
    text = _UNFIT.sub("-", owner.lower())[:_SLUG_MAX].strip("-._")
    return text or "signer"


def _payload(view: View, draft: Draft, root: Root) -> tuple[int, bytes, FilesSummary]:
    """Return the version that the draft is: the latest one when it matches, else the next."""
    files = read_files(view, draft)
    version = latest(view, draft.bundle)
    if version:
        same = files.statement(
            root.repository, version, previous_of(view, draft.bundle, version)
        ).payload()
        if same == pinned(view, draft.bundle, version):
            return version, same, files.summary
    previous = previous_of(view, draft.bundle, version + 1)
    payload = files.statement(root.repository, version + 1, previous).payload()
    return version + 1, payload, files.summary


def _signatures(held: Mapping[str, Envelope], payload: bytes) -> Envelope | None:
    """Return all signatures there are; every envelope has to hold these bytes."""
    if not held:
        return None
    expected = Envelope(IN_TOTO, payload, ())
    return merge([expected, *held.values()])
