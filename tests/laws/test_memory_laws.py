"""For every role, root, signature and order of instants: a memory changes no answer."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.kernel.canonical import Digest, sha256
from controller.kernel.errors import Untrusted
from controller.trust.core import Role
from controller.trust.envelope import IN_TOTO
from controller.trust.keys import PublicKey, Scheme
from controller.trust.memory import (
    LatestRemembered,
    NothingRemembered,
    VerifiedMemory,
    verify_files,
)
from controller.trust.verify import Verified
from tests.support.trust import NOW, Person, sealed

PEOPLE = tuple(
    Person.named(f"{owner} {number}", owner=owner, scheme=scheme)
    for owner in ("alice", "bob")
    for number, scheme in enumerate(Scheme)
)
DAYS = st.integers(0, 4).map(lambda days: NOW + timedelta(days=days))
ROOTS = st.sampled_from([sha256(b"root 1"), sha256(b"root 2")])
# Signed once: making signatures is what takes time here.
SIGNERS: tuple[tuple[int, ...], ...] = ((0,), (0, 1), (0, 2), (1, 3), (0, 1, 2, 3))
FILES = {
    (payload, signers): sealed(payload, by=[PEOPLE[at] for at in signers]).to_bytes()
    for payload in (b"1", b"2")
    for signers in SIGNERS
}


@st.composite
def roles(draw: st.DrawFn) -> Role[PublicKey]:
    """Return roles that differ in what a judgement depends on."""
    keys = tuple(
        replace(
            person.key,
            not_before=draw(st.none() | DAYS),
            not_after=draw(st.none() | DAYS),
            revoked_at=draw(st.none() | DAYS),
        )
        for person in PEOPLE
    )
    digests = st.sampled_from([frozenset(), frozenset({sha256(b"1")})])
    return Role(
        "bundle/0",
        keys,
        draw(st.integers(1, 2)),
        exclude_author=draw(st.booleans()),
        grandfathered=draw(digests),
    )


QUESTIONS = st.tuples(
    st.sampled_from(sorted(FILES)),
    st.integers(0, 1),
    ROOTS,
    DAYS,
    st.sampled_from([None, "alice", "carol"]),
)


def answer(
    memory: VerifiedMemory,
    data: bytes,
    role: Role[PublicKey],
    root: Digest,
    now: datetime,
    author: str | None,
) -> Verified | tuple[str, str]:
    """Return what verifying says, a refusal as its code and words."""
    try:
        return verify_files(
            {"bundle.dsse.json": data},
            role,
            root=root,
            payload_type=IN_TOTO,
            now=now,
            memory=memory,
            author=author,
        )
    except Untrusted as refusal:
        return refusal.code, str(refusal)


@given(some=st.tuples(roles(), roles()), questions=st.lists(QUESTIONS, max_size=12))
def test_a_memory_changes_no_answer(
    some: tuple[Role[PublicKey], Role[PublicKey]],
    questions: list[tuple[tuple[bytes, tuple[int, ...]], int, Digest, datetime, str | None]],
) -> None:
    memory = LatestRemembered()

    for file, which, root, now, author in questions:
        asked = (FILES[file], some[which], root, now, author)
        assert answer(memory, *asked) == answer(NothingRemembered(), *asked)
