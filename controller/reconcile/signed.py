"""Signed documents read from a tree: the envelopes of a folder, verified before they are parsed.

A folder holds the envelopes of one payload (each further signer adds a file) and, where people
review it, a plain copy of exactly the signed bytes. Anything else in the folder is refused.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from controller.artifacts import levels, walk
from controller.artifacts.layout import is_envelope_name
from controller.artifacts.levels import Entry
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused, Untrusted
from controller.kernel.objects import Objects, Oid
from controller.trust.core import Role
from controller.trust.envelope import (
    ENVELOPES_MAX,
    IN_TOTO,
    SIZE_MAX_BYTES,
    Envelope,
    parse,
)
from controller.trust.keys import PublicKey
from controller.trust.memory import NothingRemembered, VerifiedMemory, verify_files
from controller.trust.verify import Verified

NOTHING_REMEMBERED = NothingRemembered()


class HeldAgainst(NamedTuple):
    """Who has to sign, the digest of the root that says so, and what is remembered of both."""

    role: Role[PublicKey]
    root: Digest
    memory: VerifiedMemory = NOTHING_REMEMBERED


class NotSigned(Untrusted):
    """There is no envelope where one belongs."""

    code = "signed.no_envelope"

    def __init__(self, directory: str, stem: str) -> None:
        super().__init__(
            f"{directory}: no {stem}.dsse.json",
            hint="deny by default: sign it with `countersign sign` or `countersign promote`",
        )
        self.directory, self.stem = directory, stem


class TooManyEnvelopes(Untrusted):
    """A folder holds more envelopes than a payload can have signatures."""

    code = "signed.too_many_envelopes"

    def __init__(self, directory: str, count: int) -> None:
        super().__init__(
            f"{directory}: {count:,} envelopes is more than the {ENVELOPES_MAX} we read",
            hint="every further signer adds one: remove what nobody of yours added",
        )
        self.directory, self.count = directory, count


class CopyDiffers(Untrusted):
    """The plain copy that people review is not what was signed."""

    code = "signed.copy_differs"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is not the signed bytes", hint="restore it: it must equal the payload exactly"
        )
        self.path = path


class StrangeFile(Refused):
    """A folder of signed documents holds a file that does not belong there."""

    code = "signed.strange_file"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} does not belong here", hint="remove it")
        self.path = path


class WrongPlace(Untrusted):
    """A signed document says that it belongs somewhere else."""

    code = "signed.wrong_place"

    def __init__(self, path: str, *, said: str, place: str) -> None:
        super().__init__(
            f"{path} is signed for {said}, not for {place}", hint="it was moved or copied there"
        )
        self.path, self.said, self.place = path, said, place


def read_signed(
    objects: Objects,
    directory: Oid,
    path: str,
    stem: str,
    against: HeldAgainst,
    *,
    now: datetime,
    beside: Collection[str] = (),
) -> Verified:
    """Return the verified payload of `<stem>*.dsse.json` in a folder.

    `<stem>.json` must stand beside it with the same bytes; `beside` names what else may be there.
    """
    entries = levels.children(objects, directory, path)
    copy = f"{stem}.json"
    for entry in entries:
        known = entry.name == copy or entry.name in beside
        if not known and not (is_envelope_name(entry.name, stem) and not entry.is_tree):
            raise StrangeFile(f"{path}/{entry.name}")
    found = envelope_files(entries, path, stem)
    if not found:
        raise NotSigned(path, stem)
    files = {where: read(objects, one, where) for one in found for where in [f"{path}/{one.name}"]}
    verified = verify_files(
        files,
        against.role,
        root=against.root,
        payload_type=IN_TOTO,
        now=now,
        memory=against.memory,
    )
    plain = next((entry for entry in entries if entry.name == copy), None)
    if plain is None or read(objects, plain, f"{path}/{copy}") != verified.payload:
        raise CopyDiffers(f"{path}/{copy}")
    return verified


def open_envelopes(
    objects: Objects, entries: Iterable[Entry], path: str, stem: str
) -> list[Envelope]:
    """Parse every envelope of a stem in a folder; their payloads stay unread."""
    files = envelope_files(entries, path, stem)
    if not files:
        raise NotSigned(path, stem)
    return [open_envelope(objects, entry, f"{path}/{entry.name}") for entry in files]


def envelope_files(entries: Iterable[Entry], path: str, stem: str) -> list[Entry]:
    """Return the envelopes of a stem among the entries of a folder, unread."""
    found = [one for one in entries if not one.is_tree and is_envelope_name(one.name, stem)]
    if len(found) > ENVELOPES_MAX:
        raise TooManyEnvelopes(path, len(found))
    return found


def open_envelope(objects: Objects, entry: Entry, path: str) -> Envelope:
    """Parse the envelope that stands at a path; its payload stays unread."""
    return parse(read(objects, entry, path), path)


def read(objects: Objects, entry: Entry, path: str) -> bytes:
    """Return the bytes of a file that may hold an envelope or a statement."""
    return walk.read_blob(objects, entry.oid, path, SIZE_MAX_BYTES)
