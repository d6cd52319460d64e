"""Commits: signed ones verify, by keys in force now; headers git would not write are refused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.trust.commit import (
    PARENTS_MAX,
    SIZE_MAX_BYTES,
    CommitNotSigned,
    CommitNotTrusted,
    MalformedCommit,
    parse_commit,
    verify_commit,
    with_signature,
)
from controller.trust.core import ThresholdNotMet
from controller.trust.rollback import by_commit
from controller.trust.sign import sign_commit
from controller.trust.sshsig import COMMIT_NAMESPACE, armor, assemble, to_be_signed
from controller.trust.sshwire import string
from tests.support.trust import ALICE, BOB, CAROL, NOW, role

CONTENT = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
    b"parent 1111111111111111111111111111111111111111\n"
    b"author A <a@example> 1700000000 +0100\n"
    b"committer C <c@example> 1700000001 +0000\n"
    b"\nSubject\n\nBody\n"
)
SIGNED = with_signature(CONTENT, sign_commit(CONTENT, ALICE.signer))
PARENT = b"parent 1111111111111111111111111111111111111111\n"
KEYS = (BOB.key, ALICE.key)


def test_a_signed_commit_is_verified() -> None:
    assert verify_commit(SIGNED, KEYS, NOW) == ALICE.id


@pytest.mark.allows("commit.odd-headers", "commit.two-signatures")
def test_a_commit_is_read() -> None:
    commit = parse_commit(SIGNED)

    assert commit.tree.hex().startswith("4b825dc6")
    assert [parent.hex()[:4] for parent in commit.parents] == ["1111"]
    assert (commit.author, commit.committer) == ("A <a@example>", "C <c@example>")
    assert commit.authored_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert commit.committed_at == datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC)
    assert commit.message == b"Subject\n\nBody\n"
    assert commit.signed == CONTENT


def test_an_armor_with_a_folded_last_newline_is_verified() -> None:
    folded = SIGNED.replace(b"-----END SSH SIGNATURE-----\n", b"-----END SSH SIGNATURE-----\n \n")

    assert verify_commit(folded, KEYS, NOW) == ALICE.id


def test_an_unsigned_commit_is_refused() -> None:
    with pytest.raises(CommitNotSigned):
        verify_commit(CONTENT, KEYS, NOW)


def test_a_commit_signed_with_gpg_is_not_signed_for_us() -> None:
    pgp = with_signature(CONTENT, "-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----")

    with pytest.raises(CommitNotSigned):
        verify_commit(pgp, KEYS, NOW)


def test_a_commit_by_a_stranger_is_refused() -> None:
    with pytest.raises(CommitNotTrusted) as refusal:
        verify_commit(SIGNED, [BOB.key, CAROL.key], NOW)

    assert refusal.value.key == ""


@pytest.mark.parametrize("old", [b"Body", b"4b82", b"1700000000", b"A <a"])
def test_a_changed_byte_is_refused(old: bytes) -> None:
    new = bytes([old[0] ^ 1]) + old[1:]

    with pytest.raises((CommitNotTrusted, MalformedCommit)):
        verify_commit(SIGNED.replace(old, new), KEYS, NOW)


def test_a_signature_made_for_something_else_is_refused() -> None:
    inner = string(b"ssh-ed25519") + string(ALICE.signer.sign(to_be_signed(CONTENT, "file")))
    other = armor(assemble(ALICE.signer.public.blob, inner, namespace="file"))

    with pytest.raises(CommitNotTrusted):
        verify_commit(with_signature(CONTENT, other), KEYS, NOW)

    assert COMMIT_NAMESPACE == "git"


@pytest.mark.stops("commit.backdated")
def test_a_key_is_judged_when_we_see_the_commit_not_when_it_says_it_was_made() -> None:
    ended = replace(ALICE.key, not_after=NOW)

    assert verify_commit(SIGNED, [ended], NOW - timedelta(seconds=1)) == ALICE.id
    with pytest.raises(CommitNotTrusted) as refusal:
        verify_commit(SIGNED, [ended], NOW)
    assert refusal.value.key == ALICE.id


def headers(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda raw: raw.replace(old, new, 1)


@pytest.mark.stops("commit.odd-headers", "commit.two-signatures")
@pytest.mark.parametrize(
    "change",
    [
        headers(b"\n\nSubject", b"\nSubject"),
        headers(b"Body", b"Bo\x00dy"),
        headers(b"tree ", b"twig "),
        headers(b"author ", b"author  extra <x> 1 +0000\nauthor "),
        headers(b"committer C <c@example> 1700000001 +0000\n", b""),
        headers(b"gpgsig ", b"gpgsig-sha256 "),
        headers(b"\n\n", b"\ngpgsig x\n\n"),
        headers(b"\n\n", b"\nHG:extra 1\n\n"),
        headers(b"\n\n", b"\nnospace\n\n"),
        headers(b"parent", b" parent"),
        headers(b"1111", b"111g"),
        headers(b"1111", b"11"),
        headers(b"+0100", b"0100"),
        headers(b"1700000000", b"99999999999"),
        headers(b"author A <a@example>", b"author A <a@exa<mple>"),
        lambda raw: b" " + raw,
        headers(PARENT, PARENT * 65),
        lambda raw: b"\n".join(sorted(raw.split(b"\n")[:2])) + raw[raw.index(b"\nauthor") :],
        lambda raw: raw + b"x" * 1024 * 1024,
    ],
    ids=range(19),
)
def test_a_commit_git_would_not_write_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(MalformedCommit):
        parse_commit(change(SIGNED))


def test_a_commit_with_encoding_and_mergetag_is_read() -> None:
    tag = b"mergetag object " + b"1" * 40 + b"\n type commit\n \n a tag\nencoding ISO-8859-1\n"
    content = CONTENT.replace(b"\n\n", b"\n" + tag + b"\n", 1)

    signed = with_signature(content, sign_commit(content, ALICE.signer))

    assert verify_commit(signed, KEYS, NOW) == ALICE.id


def test_content_without_headers_cannot_carry_a_signature() -> None:
    with pytest.raises(MalformedCommit):
        with_signature(b"tree", "x")


def test_a_signed_revert_is_authority_for_one_owner_only() -> None:
    assert by_commit(SIGNED, role(ALICE, BOB, threshold=1), NOW).owners == {"alice"}

    with pytest.raises(ThresholdNotMet):
        by_commit(SIGNED, role(ALICE, BOB, threshold=2), NOW)


def test_a_name_that_is_no_text_is_read_as_well_as_it_can_be() -> None:
    raw = CONTENT.replace(b"author A", b"author \xff")

    assert parse_commit(raw).author == "\ufffd <a@example>"


def test_a_signature_that_is_no_text_is_refused() -> None:
    with pytest.raises(CommitNotSigned):
        verify_commit(SIGNED.replace(b"-----BEGIN", b"\xff-----BEGIN"), KEYS, NOW)
    with pytest.raises(CommitNotTrusted):
        verify_commit(SIGNED.replace(b"\n -----END", b"\xff\n -----END"), KEYS, NOW)


LAST_SECOND = 7258118399  # 2199-12-31T23:59:59Z


@pytest.mark.parametrize(
    ("last", "over"),
    [
        (CONTENT.ljust(SIZE_MAX_BYTES), CONTENT.ljust(SIZE_MAX_BYTES + 1)),
        (
            CONTENT.replace(PARENT, PARENT * PARENTS_MAX),
            CONTENT.replace(PARENT, PARENT * (PARENTS_MAX + 1)),
        ),
        (
            CONTENT.replace(b"1700000000", b"%d" % LAST_SECOND),
            CONTENT.replace(b"1700000000", b"%d" % (LAST_SECOND + 1)),
        ),
    ],
    ids=["bytes", "parents", "year"],
)
def test_the_largest_commit_is_read_and_the_next_larger_refused(last: bytes, over: bytes) -> None:
    assert parse_commit(last).author == "A <a@example>"

    with pytest.raises(MalformedCommit):
        parse_commit(over)


@pytest.mark.parametrize("end", [b"X", b"X ", b"X\t"])
def test_of_a_signature_only_the_newlines_at_its_end_are_dropped(end: bytes) -> None:
    armored = b"-----BEGIN SSH SIGNATURE-----\n" + end

    signed = with_signature(CONTENT, armored.decode() + "\n\n")

    assert b"\n " + end + b"\n\nSubject" in signed
    assert parse_commit(signed.replace(end, end + b"\n ")).signature == armored.decode() + "\n"


def test_a_signature_is_read_as_ascii() -> None:
    signed = with_signature(CONTENT, "-----BEGIN SSH SIGNATURE-----\né")

    assert parse_commit(signed).signature == "-----BEGIN SSH SIGNATURE-----\n\ufffd\ufffd\n"


@pytest.mark.parametrize("name", [b"gpgsig", b"encoding", b"mergetag"])
def test_nothing_stands_before_the_tree_or_between_tree_and_committer(name: bytes) -> None:
    head, gap, message = SIGNED.partition(b"\n\n")
    plain, mark, signature = head.partition(b"\ngpgsig ")
    more = mark[1:] + signature if name == b"gpgsig" else name + b" UTF-8"
    lines = plain.split(b"\n")
    assert parse_commit(b"\n".join([*lines, more]) + gap + message).tree.hex()[:4] == "4b82"

    for place in range(len(lines)):
        bent = b"\n".join([*lines[:place], more, *lines[place:]])
        with pytest.raises(MalformedCommit):
            parse_commit(bent + gap + message)
