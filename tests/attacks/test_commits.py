"""Reverts whose commit objects play tricks: two readers of one header are one reader too many."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.adapters.git import Author, commit_content
from controller.kernel.instants import format_instant
from controller.kernel.objects import Oid
from controller.trust.commit import with_signature
from controller.trust.sign import sign_commit
from tests.attacks.passes import attempt, stopped
from tests.support.commands import run
from tests.support.trees import write_literally
from tests.support.world import MAIN, NEW_RANGE, Shop

DAY = timedelta(days=1)
BAD_RANGE = NEW_RANGE.replace("false", "perhaps")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
Trick = Callable[[bytes, str, str], bytes]


def reverted(shop: Shop, trick: Trick, *, when: datetime | None = None) -> Oid:
    """Apply a second release and commit its revert; the trick makes the commit object.

    It gets the unsigned content, the good signature of the rollback key and one of an unlisted key.
    """
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    first = shop.revert_release(shop.released[0], by=None)
    author = Author("Somebody", "somebody@example.test", when or shop.clock.now())
    parents = shop.repository.parents_of(first)
    content = commit_content(shop.repository.tree_of(first), parents, author, "Revert")
    good = sign_commit(content, shop.signer("rollback"))
    bad = sign_commit(content, shop.new_person("mallory"))
    made = write_literally(shop.repository.git_dir, "commit", trick(content, good, bad))
    shop.repository.move(MAIN, first, made)
    return made


def honest(content: bytes, good: str, _bad: str) -> bytes:
    """Sign as git does."""
    return with_signature(content, good)


def headed(name: bytes, armored: str) -> bytes:
    """Return a signature as a folded header."""
    return name + b" " + armored.rstrip("\n").replace("\n", "\n ").encode() + b"\n"


def good_then_bad(content: bytes, good: str, bad: str) -> bytes:
    """Carry two signatures, the good one first."""
    return with_signature(with_signature(content, good), bad)


def bad_then_good(content: bytes, good: str, bad: str) -> bytes:
    """Carry two signatures, the good one last."""
    return with_signature(with_signature(content, bad), good)


def for_other_hash(content: bytes, good: str, _bad: str) -> bytes:
    """Carry the signature in the header of SHA-256 repositories, too."""
    return with_signature(content, good).replace(
        b"\ngpgsig ", b"\n" + headed(b"gpgsig-sha256", good) + b"gpgsig ", 1
    )


def unknown_header(content: bytes, good: str, _bad: str) -> bytes:
    """Carry a header that git does not write."""
    head, blank, message = content.partition(b"\n\n")
    return with_signature(head + b"\nhidden yes" + blank + message, good)


def nul_in_message(content: bytes, good: str, _bad: str) -> bytes:
    """End the message early for whoever reads it as a text of C."""
    return with_signature(content.replace(b"Revert\n", b"Revert\x00 nothing\n"), good)


@pytest.mark.stops("commit.two-signatures", "incident.25-two-parsers")
@pytest.mark.parametrize("trick", [good_then_bad, bad_then_good])
def test_a_revert_with_two_signature_headers_is_refused(shop: Shop, trick: Trick) -> None:
    reverted(shop, trick)

    assert attempt(shop) == stopped("trust.rollback_refused")


@pytest.mark.stops("commit.odd-headers", "incident.25-two-parsers")
@pytest.mark.parametrize("trick", [for_other_hash, unknown_header, nul_in_message])
def test_a_revert_with_headers_that_git_does_not_write_is_refused(shop: Shop, trick: Trick) -> None:
    reverted(shop, trick)

    assert attempt(shop) == stopped("trust.rollback_refused")


@pytest.mark.allows(
    "commit.two-signatures", "commit.odd-headers", "incident.25-two-parsers", "commit.backdated"
)
def test_a_revert_with_one_good_signature_is_applied(shop: Shop) -> None:
    reverted(shop, honest, when=LONG_AGO)

    shop.reconcile()

    assert shop.serial == 1


@pytest.mark.stops("commit.backdated")
@pytest.mark.parametrize("ended", ["not_after", "revoked"])
def test_a_commit_dated_back_to_when_its_key_was_good_is_refused(shop: Shop, ended: str) -> None:
    key = shop.signer("rollback").public.id
    at = format_instant(shop.clock.now())

    def change(document: dict[str, Any]) -> None:
        if ended == "not_after":
            document["keys"][key]["not_after"] = at
        else:
            document["revoked"] = {key: {"at": at, "reason": "stolen"}}

    path, envelope = shop.next_root(change)
    shop.commit({path: envelope})
    shop.clock.advance(DAY)
    reverted(shop, honest, when=LONG_AGO)

    assert attempt(shop) == stopped("trust.rollback_refused")


@pytest.mark.stops("commit.later-signature")
def test_a_signed_commit_on_top_lends_nothing_to_an_unsigned_revert(shop: Shop) -> None:
    reverted(shop, lambda content, _good, _bad: content)
    shop.commit({"README.md": b"New.\n"}, by="rollback")

    assert attempt(shop) == stopped("trust.rollback_refused")


@pytest.mark.allows("commit.later-signature")
def test_an_unsigned_commit_on_top_takes_nothing_from_a_signed_revert(shop: Shop) -> None:
    reverted(shop, honest)
    shop.commit({"README.md": b"New.\n"})

    shop.reconcile()

    assert shop.serial == 1


# A tag and a branch of one name


@pytest.mark.stops("incident.27-tag-and-branch")
def test_a_tag_of_the_branchs_name_is_not_followed(shop: Shop) -> None:
    before = shop.tip
    shop.publish(add=[NEW_RANGE])
    shop.sync()
    shop.git("tag", "main", before.hex())
    shop.git("branch", "refs/heads/main", before.hex())

    (outcome,) = shop.reconcile()

    assert (outcome.commit, shop.serial) == (shop.tip, 2)


@pytest.mark.stops("incident.27-tag-and-branch")
def test_a_tag_does_not_stand_in_for_a_branch_that_is_gone(shop: Shop) -> None:
    shop.sync()
    shop.git("tag", "main")
    shop.git("switch", "--quiet", "--detach")
    shop.git("update-ref", "-d", "refs/heads/main")

    found = attempt(shop)

    assert (found.code, found.reason, found.changed) == ("source.no_branch", "source.no_branch", ())


@pytest.mark.stops("incident.27-tag-and-branch")
@pytest.mark.parametrize("ref", ["main", "main~1", "main^"])
def test_a_word_that_is_a_branch_and_a_tag_is_not_validated(shop: Shop, ref: str) -> None:
    shop.publish(add=[BAD_RANGE])
    shop.git("tag", "main", shop.baseline.hex())

    said = run("validate", shop.folder, "--ref", ref)

    assert said.exit_code == 2
    assert "'main' is a branch and a tag" in said.err


@pytest.mark.allows("incident.27-tag-and-branch")
@pytest.mark.parametrize(
    ("ref", "code"), [("refs/heads/main", 1), ("refs/tags/main", 0), ("HEAD", 1), ("v1", 0)]
)
def test_a_full_name_and_a_word_of_one_meaning_are_validated(
    shop: Shop, ref: str, code: int
) -> None:
    shop.publish(add=[BAD_RANGE])
    shop.git("tag", "main", shop.baseline.hex())
    shop.git("tag", "v1", shop.baseline.hex())

    assert run("validate", shop.folder, "--ref", ref).exit_code == code


@pytest.mark.allows("incident.27-tag-and-branch")
def test_a_tag_of_another_name_changes_nothing(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.sync()
    shop.git("tag", "v1", shop.baseline.hex())

    shop.reconcile()

    assert shop.serial == 2
