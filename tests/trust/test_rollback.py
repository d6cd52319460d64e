"""The authority to go back: whose it is, what it rests on, and until when a key may give it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from controller.kernel.canonical import Digest, sha256
from controller.kernel.errors import Untrusted
from controller.trust.commit import with_signature
from controller.trust.core import Role
from controller.trust.keys import PublicKey
from controller.trust.rollback import RollbackAuthority, by_commit, by_statement
from controller.trust.sign import sign_commit
from tests.support.trust import ALICE, BOB, NOW, role, sealed

CONTENT = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
    b"author A <a@example> 1700000000 +0100\n"
    b"committer C <c@example> 1700000001 +0000\n"
    b"\nRevert\n"
)
REVERT = with_signature(CONTENT, sign_commit(CONTENT, ALICE.signer))
TO_42 = (42, Digest("a" * 64))
SECOND = timedelta(seconds=1)
BEFORE = Role("rollback", (replace(ALICE.key, not_after=NOW),), 1)


def stated(by: Role[PublicKey], now: datetime) -> RollbackAuthority:
    return by_statement([sealed(b"to 42", by=[ALICE])], by, read=lambda _: TO_42, now=now)


def test_a_signed_revert_says_who_signed_which_commit() -> None:
    made = by_commit(REVERT, role(ALICE, BOB, threshold=1), NOW)

    assert made == RollbackAuthority(frozenset({ALICE.id}), frozenset({"alice"}), sha256(REVERT))


def test_a_statement_says_who_signed_which_bytes_and_for_which_release() -> None:
    made = stated(role(ALICE, BOB, threshold=1), NOW)

    evidence = sha256(b"to 42")
    assert made == RollbackAuthority(frozenset({ALICE.id}), frozenset({"alice"}), evidence, TO_42)


def test_a_key_asks_for_a_rollback_until_its_date_only() -> None:
    assert by_commit(REVERT, BEFORE, NOW - SECOND)
    assert stated(BEFORE, NOW - SECOND)

    with pytest.raises(Untrusted):
        by_commit(REVERT, BEFORE, NOW)
    with pytest.raises(Untrusted):
        stated(BEFORE, NOW)
