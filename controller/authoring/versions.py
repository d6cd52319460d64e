"""Pinned versions of bundles: which there are, and whether enough people signed one."""

from dataclasses import dataclass
from datetime import datetime

from controller.artifacts.bundle import BundleStatement, PreviousVersion
from controller.artifacts.layout import (
    BundleId,
    number,
    statement_path,
    versions_dir,
)
from controller.authoring.view import View
from controller.kernel.canonical import Digest, sha256
from controller.kernel.errors import Refused, Untrusted
from controller.reconcile.admit import read_bundle
from controller.reconcile.signed import envelope_files, open_envelope
from controller.trust.envelope import Envelope
from controller.trust.root import Root


class NoVersion(Refused):
    """A bundle has no such version."""

    code = "authoring.no_version"


class StatementDiffers(Untrusted):
    """A version's statement is not what was signed, or speaks of something else."""

    code = "authoring.statement_differs"


@dataclass(frozen=True, slots=True)
class VerifiedVersion:
    """A version that its bundle's role signed. Only `verified_version` makes one."""

    statement: BundleStatement
    digest: Digest
    owners: frozenset[str]


def latest(view: View, bundle: BundleId) -> int:
    """Return the highest pinned version, 0 without any."""
    names = (entry.name for entry in view.children(versions_dir(bundle)))
    return max((number(name) for name in names), default=0)


def pinned(view: View, bundle: BundleId, version: int) -> bytes | None:
    """Return the bytes of a version's `bundle.json`, unread, or `None`."""
    return view.read(statement_path(bundle, version)) if version else None


def previous_of(view: View, bundle: BundleId, version: int) -> PreviousVersion | None:
    """Return how a version names the one before it."""
    if version <= 1:
        return None
    before = pinned(view, bundle, version - 1)
    if before is None:
        raise NoVersion(
            f"{bundle} has version {version} but not {version - 1}",
            hint="restore it: versions are never removed",
        )
    return PreviousVersion(version - 1, sha256(before))


def envelopes_in(view: View, folder: str, stem: str) -> dict[str, Envelope]:
    """Return the envelopes of a folder by file name, unverified."""
    return {
        entry.name: open_envelope(view.objects, entry, f"{folder}/{entry.name}")
        for entry in envelope_files(view.children(folder), folder, stem)
    }


def verified_version(
    view: View, bundle: BundleId, version: int, root: Root, now: datetime
) -> VerifiedVersion:
    """Return what enough owners signed as this version, or raise why no controller believes it."""
    if not version:
        raise NoVersion(
            f"{bundle} has no version in the newest commit",
            hint=f"`countersign sign {bundle} --key FILE`, then commit it",
        )
    statement, verified = read_bundle(view.objects, view.tree, root, bundle, version, now)
    return VerifiedVersion(statement, verified.digest, verified.owners)
