"""Commits that were pushed are signed by those who may, where a host asks for it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from controller.adapters.git import Author, commit_content
from controller.kernel.instants import format_instant
from controller.kernel.objects import Oid
from controller.reconcile.commits import (
    CommitRefused,
    NobodySignsCommits,
    OddCommit,
    OneSignatureOnly,
    UnsignedCommit,
    UntrustedCommit,
    VerifiedCommits,
    check_commits,
)
from controller.reconcile.cycle import converge
from controller.source.commits import Verify, commits_after
from controller.trust import root as roots
from controller.trust.commit import with_signature
from controller.trust.root import Root
from controller.trust.sign import sign_commit
from tests.attacks.passes import attempt, stopped
from tests.support.openssh import need
from tests.support.trees import write_literally
from tests.support.watched import HOUR, granted
from tests.support.world import MAIN, NEW_RANGE, Shop

NOTE = "notes.txt"
NEW = [Verify.HEAD, Verify.FIRST_PARENT, Verify.ALL]


def signing(drawer: Shop, *people: str, not_after: str | None = None) -> tuple[Oid, Root]:
    """Let people sign commits; return the commit that says so and its root."""
    since = granted(drawer, "commit", *people, not_after=not_after)
    pinned = roots.pin(drawer.pin.envelope, drawer.pin.sha256)
    later = drawer.read("trust/root/2.root.json")
    return since, roots.follow(pinned, [later]).root


def check(
    drawer: Shop,
    root: Root,
    since: Oid | None,
    verify: Verify = Verify.ALL,
    memory: VerifiedCommits | None = None,
) -> int:
    """Raise for what is refused, or return how many commits were looked at."""
    check_commits(
        drawer.repository,
        root,
        drawer.tip,
        since=since,
        verify=verify,
        now=drawer.clock.now(),
        memory=VerifiedCommits() if memory is None else memory,
    )
    return len(commits_after(drawer.repository, since, drawer.tip, verify))


def note(drawer: Shop, text: str = "1", *, by: str | None) -> Oid:
    return drawer.commit({NOTE: text.encode()}, by=by)


@pytest.mark.allows("commit.unsigned")
def test_commits_by_those_who_may_are_accepted(drawer: Shop) -> None:
    since, root = signing(drawer, "dora", "emil")
    note(drawer, by="dora")
    note(drawer, "2", by="emil")

    assert check(drawer, root, since) == 2


@pytest.mark.stops("commit.unsigned")
def test_a_commit_that_is_not_signed_is_named(drawer: Shop) -> None:
    since, root = signing(drawer, "dora")
    bad = note(drawer, by=None)
    note(drawer, "2", by="dora")

    assert check(drawer, root, since, Verify.HEAD) == 1
    for verify in (Verify.FIRST_PARENT, Verify.ALL):
        with pytest.raises(UnsignedCommit) as refusal:
            check(drawer, root, since, verify)
        assert refusal.value.commit == bad
        assert refusal.value.author == "Somebody <somebody@example.test>"
        assert "gpg.format" in refusal.value.hint


@pytest.mark.stops("commit.unsigned")
def test_a_commit_by_a_stranger_names_the_key(drawer: Shop) -> None:
    since, root = signing(drawer, "dora")
    stranger = drawer.new_person("mallory").public.id
    bad = note(drawer, by="mallory")

    with pytest.raises(UntrustedCommit) as refusal:
        check(drawer, root, since)

    assert (refusal.value.commit, refusal.value.key) == (bad, stranger)
    assert stranger in str(refusal.value)
    assert "dora" in refusal.value.hint


def test_a_key_of_another_role_signs_no_commit(drawer: Shop) -> None:
    since, root = signing(drawer, "dora")
    note(drawer, by="alice")

    with pytest.raises(UntrustedCommit):
        check(drawer, root, since)


@pytest.mark.stops("commit.unsigned")
def test_a_key_counts_in_its_window_at_the_pass_whatever_the_commit_says(drawer: Shop) -> None:
    end = format_instant(drawer.clock.now() + HOUR)
    since, root = signing(drawer, "dora", not_after=end)
    note(drawer, by="dora")
    memory = VerifiedCommits()

    assert check(drawer, root, since, memory=memory) == 1
    drawer.clock.advance(HOUR)
    with pytest.raises(UntrustedCommit, match="counted only until"):
        check(drawer, root, since, memory=memory)


def test_a_key_that_a_new_root_revokes_signs_no_commit_although_it_was_remembered(
    drawer: Shop,
) -> None:
    since, root = signing(drawer, "dora", "emil")
    note(drawer, by="dora")
    memory = VerifiedCommits()
    assert check(drawer, root, since, memory=memory) == 1
    revoked = drawer.signer("dora").public.id
    at = format_instant(drawer.clock.now())
    path, envelope = drawer.next_root(
        lambda document: document.update(revoked={revoked: {"at": at, "reason": "lost"}})
    )
    newer = roots.follow(
        roots.pin(drawer.pin.envelope, drawer.pin.sha256),
        [drawer.read("trust/root/2.root.json"), envelope],
    ).root

    with pytest.raises(UntrustedCommit, match="was revoked"):
        check(drawer, newer, since, memory=memory)
    assert path.startswith("trust/root/3")


def objects(drawer: Shop, make: Callable[[bytes, str, str], bytes]) -> Oid:
    """Put a commit literally on the branch; `make` gets content and signatures of it and more."""
    author = Author("Somebody", "somebody@example.test", drawer.clock.now())
    content = commit_content(drawer.tree, [drawer.tip], author, "Trick")
    good = sign_commit(content, drawer.signer("dora"))
    other = sign_commit(content + b"!", drawer.signer("dora"))
    made = write_literally(drawer.repository.git_dir, "commit", make(content, good, other))
    drawer.repository.move(MAIN, drawer.tip, made)
    return made


def twice(content: bytes, good: str, other: str) -> bytes:
    return with_signature(with_signature(content, good), other)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (twice, OddCommit),
        (lambda content, _good, other: with_signature(content, other), UntrustedCommit),
    ],
    ids=["two signatures", "of another commit"],
)
def test_a_signature_that_is_not_the_commits_own_is_refused(
    drawer: Shop, make: Callable[[bytes, str, str], bytes], error: type[CommitRefused]
) -> None:
    since, root = signing(drawer, "dora")
    bad = objects(drawer, make)

    with pytest.raises(error) as refusal:
        check(drawer, root, since)

    assert refusal.value.commit == bad


def test_the_same_commit_with_its_one_signature_is_accepted(drawer: Shop) -> None:
    since, root = signing(drawer, "dora")
    objects(drawer, lambda content, good, _other: with_signature(content, good))

    assert check(drawer, root, since) == 1


def git_signs(drawer: Shop, name: str) -> tuple[str, ...]:
    """Return the options with which real git signs with somebody's key."""
    key = drawer.keys / name
    return (
        "-c",
        "gpg.format=ssh",
        "-c",
        f"user.signingkey={key}",
        "-c",
        "user.name=Dora",
        "-c",
        "user.email=dora@example.test",
        "-c",
        "commit.gpgsign=true",
    )


def test_commits_that_git_signed_amended_and_rebased_are_accepted(drawer: Shop) -> None:
    need("ssh-keygen")
    since, root = signing(drawer, "dora")
    drawer.sync()
    git = git_signs(drawer, "dora")
    drawer.git("checkout", "-q", "-b", "aside")
    drawer.git(*git, "commit", "-q", "--allow-empty", "-S", "-m", "one")
    drawer.git(*git, "commit", "-q", "--allow-empty", "-S", "-m", "two")
    drawer.git("checkout", "-q", "main")
    drawer.git(*git, "commit", "-q", "--allow-empty", "-S", "-m", "main")
    drawer.git(*git, "commit", "-q", "--amend", "--allow-empty", "-m", "amended")
    drawer.git(*git, "rebase", "-q", "main", "aside")
    drawer.git("checkout", "-q", "main")
    drawer.git("merge", "-q", "--ff-only", "aside")

    assert check(drawer, root, since) == 3


def test_a_commit_that_was_amended_without_a_signature_is_refused(drawer: Shop) -> None:
    need("ssh-keygen")
    since, root = signing(drawer, "dora")
    drawer.sync()
    git = git_signs(drawer, "dora")
    drawer.git(*git, "commit", "-q", "--allow-empty", "-S", "-m", "one")
    drawer.git(*git, "commit", "-q", "--amend", "--allow-empty", "--no-gpg-sign", "-m", "amended")

    with pytest.raises(UnsignedCommit):
        check(drawer, root, since)


def merge(drawer: Shop, *, by: str | None, side_by: str | None) -> None:
    """Merge a side of one commit into the branch, each signed by somebody or nobody."""
    start = drawer.tip
    side = note(drawer, "side", by=side_by)
    drawer.force(start)
    drawer.commit({"other.txt": b"1"}, by="dora")
    author = Author("Forge", "forge@example.test", drawer.clock.now())
    content = commit_content(drawer.tree, [drawer.tip, side], author, "Merge")
    armored = sign_commit(content, drawer.signer(by)) if by else None
    drawer.repository.move(MAIN, drawer.tip, drawer.repository.write_commit(content, armored))


@pytest.mark.parametrize("verify", NEW)
def test_a_merge_that_a_forge_made_is_explained(drawer: Shop, verify: Verify) -> None:
    since, root = signing(drawer, "dora")
    merge(drawer, by=None, side_by="dora")

    with pytest.raises(UnsignedCommit) as refusal:
        check(drawer, root, since, verify)

    assert "merge" in str(refusal.value)
    assert "forge" in refusal.value.hint


def test_a_signed_merge_answers_for_what_it_brings_unless_all_is_asked(drawer: Shop) -> None:
    since, root = signing(drawer, "dora")
    merge(drawer, by="dora", side_by=None)

    assert check(drawer, root, since, Verify.FIRST_PARENT) == 2
    with pytest.raises(UnsignedCommit):
        check(drawer, root, since, Verify.ALL)


@pytest.mark.parametrize("verify", NEW)
def test_without_a_role_nobody_signs_commits(drawer: Shop, verify: Verify) -> None:
    since = drawer.tip
    note(drawer, by="alice")

    with pytest.raises(NobodySignsCommits):
        check(drawer, drawer.root, since, verify)
    assert check(drawer, drawer.root, since, Verify.NONE) == 0


def test_a_role_of_two_owners_can_be_met_by_no_commit(drawer: Shop) -> None:
    since = granted(drawer, "commit", "dora", "emil", threshold=2)
    pinned = roots.pin(drawer.pin.envelope, drawer.pin.sha256)
    root = roots.follow(pinned, [drawer.read("trust/root/2.root.json")]).root
    note(drawer, by="dora")

    with pytest.raises(OneSignatureOnly):
        check(drawer, root, since)


def test_a_forgetful_memory_changes_no_verdict(drawer: Shop) -> None:
    since, root = signing(drawer, "dora")
    for number in range(5):
        note(drawer, str(number), by="dora")
    memory = VerifiedCommits(records_max=2)

    assert [check(drawer, root, since, memory=memory) for _ in range(2)] == [5, 5]


# Whole passes


@pytest.mark.stops("commit.unsigned")
@pytest.mark.parametrize("verify", NEW)
def test_a_pass_refuses_a_release_in_a_commit_that_nobody_signed(
    shop: Shop, verify: Verify
) -> None:
    granted(shop, "commit", "dora")
    shop.reconcile()
    shop.publish(add=[NEW_RANGE])

    assert attempt(shop, verify=verify) == stopped("commits.unsigned")
    assert attempt(shop, verify=Verify.NONE).code == "applied"


@pytest.mark.allows("commit.unsigned")
def test_a_pass_applies_a_release_in_a_signed_commit_and_what_was_accepted_stays(
    shop: Shop,
) -> None:
    granted(shop, "commit", "dora")
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    release = shop.next_release()
    shop.release(release, signed_by="dora")

    list(converge(shop.world(verify=Verify.ALL)))

    assert shop.serial == 3


def test_the_first_pass_verifies_from_the_baseline_on(new_shop: Shop) -> None:
    granted(new_shop, "commit", "dora")
    world = new_shop.world(verify=Verify.HEAD)

    with pytest.raises(UntrustedCommit):
        list(converge(world))

    note(new_shop, by="dora")
    list(converge(new_shop.world(verify=Verify.HEAD)))
    assert new_shop.revision == 1


def test_a_commit_without_a_release_is_verified_too(shop: Shop) -> None:
    granted(shop, "commit", "dora")
    shop.reconcile()
    note(shop, by=None)
    shop.clock.advance(timedelta(seconds=1))

    assert attempt(shop, verify=Verify.ALL) == stopped("commits.unsigned")
