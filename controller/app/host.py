"""What a host's settings name besides its database: the repository, the pinned root, the audit key.

Apart from `controller/app/wiring.py`, so that a command which asks no database loads none.
"""

from controller.adapters.git import GitRepository
from controller.adapters.mirror import Mirror
from controller.app.following import mirror_path
from controller.app.settings import BadSettings, Settings
from controller.app.signers import load_signer
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused
from controller.trust.envelope import parse as parse_envelope
from controller.trust.root import Pin, PinMismatch
from controller.trust.sign import Signer


def artifact_repository(settings: Settings) -> GitRepository:
    """Open the repository that the settings name: the mirror where that is a remote one."""
    if settings.remote.url is not None:
        return Mirror.open(mirror_path(settings)).repository
    return GitRepository.open(settings.path(settings.repository.path))


def pin(settings: Settings) -> Pin:
    """Read the pinned root of this host."""
    file = settings.path(settings.trust.root)
    try:
        envelope = file.read_bytes()
    except OSError as error:
        raise BadSettings(
            f"trust.root {file}: {error.strerror}",
            hint="put the pinned root there, or set trust.root to where it is",
        ) from None
    pinned = Digest(settings.trust.root_sha256)
    found = parse_envelope(envelope, str(file)).digest
    if found != pinned:
        raise PinMismatch(pinned, found)
    return Pin(envelope, pinned)


def audit_signer(settings: Settings) -> Signer | None:
    """Return the signer of audit commits, if this host has one."""
    if settings.audit.key is None:
        return None
    return load_signer(settings.path(settings.audit.key))


def why_no_audit_key(settings: Settings) -> str | None:
    """Return why nobody can publish from here as this user, or `None` where the key is there."""
    try:
        signer = audit_signer(settings)
    except Refused as error:
        return str(error)
    return "audit.key is not set" if signer is None else None
