"""Who signs the vectors, and what all of them are made with."""

import base64
import hashlib

from controller.kernel.instants import format_instant
from controller.trust.keys import Scheme
from tests.support.trust import NOW, Person

ALICE, BOB, CAROL, AUDITOR = (
    Person.named(name, scheme=scheme)
    for name, scheme in (
        ("alice", Scheme.ED25519),
        ("bob", Scheme.SSHSIG),
        ("carol", Scheme.ED25519),
        ("auditor", Scheme.ED25519),
    )
)
PEOPLE = {"alice": ALICE, "bob": BOB, "carol": CAROL, "auditor": AUDITOR}
AT = format_instant(NOW)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def seed(name: str) -> bytes:
    """The seed of a person's key, as `Person.named` makes it."""
    return hashlib.sha256(b"countersign test key " + name.encode()).digest()
