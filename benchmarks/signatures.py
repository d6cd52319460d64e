"""Bundles that two of three owners signed: verified, and verified again with a memory.

Held against libsodium alone: the same signatures over the same bytes, through PyNaCl, two for each
bundle, with nothing read, parsed, counted or refused. In turns, so that a busy moment hits all.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from nacl.signing import VerifyKey

from benchmarks.measure import Cost, measured, median
from benchmarks.publish import CARDS, ENVIRONMENT, key
from benchmarks.results import Part, at_least
from controller.artifacts import layout
from controller.artifacts.bundle import BundleStatement, PreviousVersion
from controller.artifacts.merkle import Counts
from controller.kernel.canonical import sha256
from controller.kernel.instants import Window
from controller.kernel.objects import Oid
from controller.trust.core import Role
from controller.trust.envelope import IN_TOTO, parse
from controller.trust.keys import KeyId, PublicKey
from controller.trust.memory import LatestRemembered, verify_files
from controller.trust.sign import sign_envelope, usual_scheme

BUNDLES = 1_000
ROUNDS = 9
AGAIN = 5
"""So often in each round with the memory: it takes too little time to be asked once."""

OWNERS = ("alice", "bob", "carol")

_REPOSITORY_ID = "6f0f6a52-92a1-4d0c-8c33-6f4d5ad0be1c"
_NOW = datetime(2026, 11, 20, tzinfo=UTC)
_ROOT = sha256(b"root")


def measure() -> Part:
    """Verify the same bundles three ways, in turns."""
    role = Role("bundle/0", tuple(_public(name) for name in OWNERS), 2)
    files = [{_path(number): envelope(number)} for number in range(1, BUNDLES + 1)]
    messages = [_signed(data) for one in files for data in one.values()]
    memory = LatestRemembered()

    def bare() -> None:
        for message, signatures in messages:
            for owner, signature in signatures:
                owner.verify(message, signature)

    def ours() -> None:
        for one in files:
            verify_files(one, role, root=_ROOT, payload_type=IN_TOTO, now=_NOW, memory=memory)

    def forget() -> None:
        memory.records.clear()

    verified, remembered, library = [], [], []
    for _ in range(ROUNDS):
        library.append(_cost(bare))
        forget()
        verified.append(_cost(ours))
        assert len(memory.records) == BUNDLES
        remembered += [_cost(ours) for _ in range(AGAIN)]
    size = len(next(iter(files[0].values())))
    cold = median(verified)
    return Part(
        "verify",
        f"{BUNDLES:,} bundles, signed by two of three, envelopes of {size:,} bytes; {ROUNDS} times",
        (
            (f"{BUNDLES:,} bundles verified: ours", cold),
            ("  remembered", median(remembered)),
            (f"  {2 * BUNDLES:,} signatures by PyNaCl alone", median(library)),
        ),
        (
            at_least("bundles, of the rate of PyNaCl alone", median(library).cpu / cold.cpu, 0.6),
            at_least("bundles remembered, times verified", cold.cpu / median(remembered).cpu, 50),
        ),
    )


def envelope(number: int) -> bytes:
    """Return the signed statement of a bundle's version, as a repository holds it."""
    statement = BundleStatement(
        repository=_REPOSITORY_ID,
        bundle=CARDS,
        version=number,
        previous=PreviousVersion(number - 1, sha256(b"%d" % (number - 1))) if number > 1 else None,
        window=Window(),
        environments=(ENVIRONMENT,),
        files_root=sha256(b"root %d" % number),
        git_tree=Oid(hashlib.sha1(b"%d" % number).digest()),
        tables={"participants": Counts(1, 5_000, 400_000), "ranges": Counts(2_800, 343_000, 1)},
        documents={},
    )
    signers = [(key(name), usual_scheme(key(name))) for name in OWNERS[:2]]
    return sign_envelope(IN_TOTO, statement.payload(), signers).to_bytes()


def _path(number: int) -> str:
    return f"{layout.version_dir(CARDS, number)}/bundle.dsse.json"


def _public(name: str) -> PublicKey:
    return PublicKey.of(key(name).public, name)


def _signed(data: bytes) -> tuple[bytes, list[tuple[VerifyKey, bytes]]]:
    opened = parse(data)
    owners = {_public(name).id: VerifyKey(_public(name).public.point) for name in OWNERS}
    return opened.message(), [
        (owners[KeyId(one.keyid or "")], one.sig) for one in opened.signatures
    ]


def _cost(work: Callable[[], None]) -> Cost:
    with measured() as meter:
        work()
    return meter.cost
