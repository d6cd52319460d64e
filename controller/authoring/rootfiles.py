"""Roots as files: sign a proposal, read one, prove a chain; all of it without a network."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from controller.adapters.files import write_file
from controller.adapters.keyfiles import write_new
from controller.artifacts.layout import ROOT_DIR, root_path
from controller.authoring.trusted import KeyNotInRole, NoRoot, latest_version
from controller.authoring.view import View
from controller.kernel import strictjson
from controller.kernel.canonical import Digest, sha256
from controller.kernel.errors import ControllerError, Corrupt, Refused
from controller.trust import root as roots
from controller.trust.core import ThresholdNotMet, tally
from controller.trust.envelope import ROOT, Envelope, merge
from controller.trust.envelope import parse as parse_envelope
from controller.trust.keys import PublicKey
from controller.trust.root import Root, TrustedRoot, parse_root
from controller.trust.sign import Signer, sign_envelope
from controller.trust.verify import WrongPayloadType, accepted


class UnreadableRoot(Refused):
    """A root's file cannot be read."""

    code = "authoring.unreadable_root"


class NotSignedYet(Refused):
    """There is no signature to gather."""

    code = "authoring.not_signed_yet"


class OtherProposal(Refused):
    """Where the signed root belongs, another root stands."""

    code = "authoring.other_proposal"


@dataclass(frozen=True, slots=True)
class RootFile:
    """A root document, and its envelope once somebody has signed it."""

    payload: bytes
    envelope: Envelope | None

    @property
    def root(self) -> Root:
        """Return what the document says; it is not believed."""
        return parse_root(self.payload)

    @property
    def digest(self) -> Digest:
        """Return what people compare by voice, and hosts pin."""
        return sha256(self.payload)

    def signers(self, now: datetime) -> frozenset[str]:
        """Return the owners among the root's own signers whose signatures count."""
        if self.envelope is None:
            return frozenset()
        role = self.root.root
        return tally(role, accepted(self.envelope, role.keys), now=now).owners


@dataclass(frozen=True, slots=True)
class SignedRoot:
    """A root that somebody signed, and where its envelope stands.

    `is_of_role`: the key is of the root's own role `root`. One that is not counts where the root
    before lists it there, as an owner's does who leaves.
    """

    file: RootFile
    path: Path
    owner: str
    was_signed_before: bool
    is_of_role: bool


def read_root(path: Path) -> RootFile:
    """Return a proposal or an envelope from a file."""
    data = read_bytes(path)
    with _naming(str(path)):
        return root_file(data)


def read_envelope(path: Path) -> bytes:
    """Return the bytes of a root that somebody has signed, from a file."""
    if read_root(path).envelope is None:
        raise NotSignedYet(
            f"{path}: nobody has signed this root",
            hint=f"each owner: countersign root sign {path} --key FILE",
        )
    return read_bytes(path)


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Say which file or root a refusal is about."""
    try:
        yield
    except ControllerError as error:
        error.args = (f"{what}: {error}",)
        raise


def read_bytes(path: Path) -> bytes:
    """Return a root's file as it is."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableRoot(f"{path}: {error.strerror}") from None


def root_file(data: bytes) -> RootFile:
    """Return a proposal or an envelope from its bytes; either holds a document that can be read."""
    document = strictjson.parse(data)
    envelope = None
    if isinstance(document, dict) and "payloadType" in document:
        envelope = merge([parse_envelope(data)])
        if envelope.payload_type != ROOT:
            raise WrongPayloadType(envelope.payload_type, ROOT)
    payload = data if envelope is None else envelope.payload
    parse_root(payload)
    return RootFile(payload, envelope)


def last_root(view: View) -> RootFile:
    """Return the newest root of a repository."""
    version = latest_version(view)
    data = view.read(root_path(version)) if version else None
    if data is None:
        raise NoRoot
    return root_file(data)


def chain_in(view: View) -> list[bytes]:
    """Return the envelopes of a repository's roots, in order, from the first."""
    found = [view.read(root_path(version)) for version in range(1, latest_version(view) + 1)]
    if not found:
        raise NoRoot
    if None in found:
        raise Corrupt(f"{ROOT_DIR} lacks version {found.index(None) + 1}")
    for version, data in enumerate(found, start=1):
        with _naming(root_path(version)):
            root_file(data or b"")
    return [data for data in found if data is not None]


def sign_root(path: Path, signer: Signer) -> SignedRoot:
    """Sign a proposal, or add a signature to an envelope.

    A proposal's envelope is written beside it as `<version>.root.json`; an envelope is replaced.
    """
    read = read_root(path)
    key = _listed(read.root, signer)
    target = path
    if read.envelope is None:
        target = path.with_name(f"{read.root.version}.root.json")
        read = _beside(target, read)
    is_of_role = key in read.root.root.keys
    if read.envelope is not None and accepted(read.envelope, [key]):
        return SignedRoot(read, target, key.owner, was_signed_before=True, is_of_role=is_of_role)
    signed = sign_envelope(ROOT, read.payload, [(signer, key.scheme)])
    whole = merge([read.envelope, signed]) if read.envelope else signed
    if read.envelope is None:
        write_new(target, whole.to_bytes(), mode=0o644)
    else:
        write_file(target, whole.to_bytes())
    file = RootFile(read.payload, whole)
    return SignedRoot(file, target, key.owner, was_signed_before=False, is_of_role=is_of_role)


def gather(paths: Sequence[Path], target: Path) -> RootFile:
    """Write one envelope with the signatures of several; all of them are of one root."""
    files = [read_root(path) for path in paths]
    for path, file in zip(paths, files, strict=True):
        if file.payload != files[0].payload:
            raise OtherProposal(
                f"{path} holds another root ({file.digest[:12]}…) than {paths[0]}",
                hint="compare both with `root show`; owners sign one proposal",
            )
    envelopes = [file.envelope for file in files if file.envelope is not None]
    if not envelopes:
        raise NotSignedYet(
            "nobody has signed any of these", hint="each owner: countersign root sign FILE"
        )
    whole = merge(envelopes)
    if target not in paths:
        write_new(target, whole.to_bytes(), mode=0o644)
    else:
        write_file(target, whole.to_bytes())
    return RootFile(whole.payload, whole)


def newest(envelopes: Sequence[bytes], pin: Digest | None) -> RootFile:
    """Return the last root of a chain whose links hold; that it has expired is no hindrance.

    Good for proposing what follows it.
    """
    ordered = _from_pin(envelopes, pin)
    _followed(ordered, pin)
    return root_file(ordered[-1])


def prove_chain(envelopes: Sequence[bytes], pin: Digest | None, now: datetime) -> list[Root]:
    """Return the roots of a chain when each follows from the one before; raise where it breaks.

    `pin` is the SHA-256 of the one to start from, what comes before it proves nothing and is left
    out; without it the first root vouches for itself.
    """
    ordered = _from_pin(envelopes, pin)
    # Links first, and then the dates, which are judged on the last root only.
    trusted = _followed(ordered, pin)
    try:
        roots.extend(trusted, (), now)
    except ThresholdNotMet as error:
        error.args = (f"root {trusted.root.version}: {error}",)
        raise
    return [root_file(data).root for data in ordered]


def _from_pin(envelopes: Sequence[bytes], pin: Digest | None) -> list[bytes]:
    if not envelopes:
        raise NoRoot
    ordered = sorted(envelopes, key=lambda data: root_file(data).root.version)
    digests = [root_file(data).digest for data in ordered]
    return ordered[digests.index(pin) :] if pin in digests else ordered


def _followed(ordered: Sequence[bytes], pin: Digest | None) -> TrustedRoot:
    """Return where the links lead; a refusal names the root that it is about."""
    if len(ordered) > roots.STEPS_MAX + 1:
        raise roots.RootTooLarge(f"more than {roots.STEPS_MAX} roots after the first")
    with _naming(_name(ordered[0])):
        trusted = roots.pin(ordered[0], pin or parse_envelope(ordered[0]).digest)
    for data in ordered[1:]:
        with _naming(_name(data)):
            trusted = roots.follow(trusted, [data])
    return trusted


def _name(data: bytes) -> str:
    return f"root {root_file(data).root.version}"


def _listed(root: Root, signer: Signer) -> PublicKey:
    key = root.keys.get(signer.public.id)
    if key is None:
        raise KeyNotInRole(
            f"key {signer.public.id} is not in this root",
            hint="`root show` lists its keys; `root propose --add-key` adds one",
        )
    if root.version == 1 and key not in root.root.keys:
        raise KeyNotInRole(
            f"key {key.id} of {key.owner} is not in the role `root`, which signs a first root",
            hint="`root show FILE` lists who is; `root init --owner` starts one with others",
        )
    return key


def _beside(target: Path, proposal: RootFile) -> RootFile:
    """Return the envelope that others have signed already, if it is of this proposal."""
    if not target.exists():
        return proposal
    there = read_root(target)
    if there.payload != proposal.payload:
        raise OtherProposal(
            f"{target} holds another root ({there.digest[:12]}…)",
            hint="compare both with `root show`; move one away",
        )
    return there
