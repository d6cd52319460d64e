"""What only reads needs no private key: a host without its audit key still tells all of it."""

from pathlib import Path

import pytest

from tests.support.commands import Desk
from tests.support.examined import set_text
from tests.support.world import NEW_RANGE, OTHER_RANGE

READS = (
    ("status",),
    ("plan",),
    ("history",),
    ("trace", "ranges/990100-990104"),
    ("resolve", "iin", "990105"),
    ("diff", "production", "main"),
    ("audit", "verify"),
    ("audit", "show"),
)


def key_of(desk: Desk) -> Path:
    """Return the private audit key that the settings of a host name."""
    named = desk.config.read_text().partition('[audit]\nkey = "')[2].partition('"')[0]
    return desk.config.parent / named


def settled(desk: Desk) -> Desk:
    """Let a host apply its first release and publish the record of it."""
    assert desk.run("reconcile", "--once").exit_code == 0
    return desk


def without_key(desk: Desk) -> Desk:
    """Take the audit key off a host whose settings still name it."""
    key_of(desk).unlink()
    return desk


@pytest.mark.parametrize("words", READS, ids=" ".join)
def test_a_command_that_only_reads_says_the_same_without_the_key(
    desk: Desk, words: tuple[str, ...]
) -> None:
    words = (*words, "-C", str(desk.folder)) if words[0] == "diff" else words
    before = settled(desk).run(*words)

    after = without_key(desk).run(*words)

    told = [line for line in after.out.splitlines() if "no key to publish" not in line]
    assert before.exit_code == 0, before
    assert (after.exit_code, after.err) == (0, before.err)
    assert told == before.out.splitlines()


def test_a_key_that_this_user_may_not_use_keeps_nobody_from_looking(desk: Desk) -> None:
    key_of(settled(desk)).chmod(0o644)

    said = desk.run("status")

    assert said.exit_code == 0
    assert "can be read by other users" in said.out


def test_status_says_that_no_key_is_there_to_publish(desk: Desk) -> None:
    with_key = settled(desk).run("status", "-o", "json").json

    gone = without_key(desk).run("status", "-o", "json").json
    text = desk.run("status").out
    set_text(desk, f'key = "{key_of(desk).name}"', "")
    never = desk.run("status", "-o", "json").json

    assert with_key["no_audit_key"] is None
    assert str(desk.home / "keys") in gone["no_audit_key"]
    assert f"no key to publish them here: {gone['no_audit_key']}" in text
    assert never["no_audit_key"] == "audit.key is not set"


def test_a_host_without_a_key_tells_how_many_records_wait(desk: Desk) -> None:
    settled(desk)
    set_text(desk, f'key = "{key_of(desk).name}"', "")
    for line in (NEW_RANGE, OTHER_RANGE):
        shop = desk.shop()
        shop.publish(add=[line])
        assert desk.run("reconcile", "--once").exit_code == 0

    said = desk.run("status")

    assert said.exit_code == 0
    assert "2 records wait for their commit" in said.out
    assert "no key to publish them here: audit.key is not set" in said.out


def test_a_rollback_is_asked_about_on_a_host_without_the_key(desk: Desk) -> None:
    settled(desk).shop().publish(add=[NEW_RANGE])
    without_key(settled(desk)).shop().sync()
    key = str(desk.home / "keys" / "rollback")

    said = desk.run("rollback", "--to", "1", "--key", key, "-C", str(desk.folder))

    assert said.exit_code == 0, said.err


def test_what_writes_still_stops_before_it_does_where_the_key_is_gone(desk: Desk) -> None:
    without_key(settled(desk)).shop().publish(add=[NEW_RANGE])

    said = desk.run("reconcile", "--once")

    assert said.exit_code == 2
    assert desk.run("status", "-o", "json").json["applied"]["revision"] == 1
