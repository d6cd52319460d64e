"""Heartbeats: one file, signed by those who may, of the commit that stands there."""

from datetime import timedelta

import pytest

from controller.artifacts import heartbeat
from controller.authoring.heartbeat import Beat, NoTime, beat
from controller.authoring.rootdoc import Changes, KeyOf, next_payload
from controller.authoring.trusted import KeyNotInRole
from controller.trust.core import ThresholdNotMet
from controller.trust.envelope import parse as parse_envelope
from controller.trust.root import NoRole, Root, parse_root
from tests.support.authoring import GIT, LATER, NOW, PRODUCTION, Shop

HOUR = timedelta(hours=1)
PATH = "environments/production/heartbeat.dsse.json"


def granting(shop: Shop, *names: str, threshold: int = 1) -> Root:
    """Return the root in which people may sign heartbeats; nobody has to sign it here."""
    keys = [KeyOf(name, shop.signer(name).public) for name in names]
    current = parse_envelope(shop.read("trust/root/1.root.json")).payload
    changes = Changes(add={"heartbeat": keys}, thresholds={"heartbeat": threshold})
    return parse_root(next_payload(current, changes, created=NOW, expires=LATER))


def beats(shop: Shop, root: Root, *names: str, lasts: timedelta = 2 * HOUR) -> Beat:
    return beat(
        shop.workspace, root, PRODUCTION, shop.signers(*names), now=NOW, lasts=lasts, git=GIT
    )


def test_a_heartbeat_names_the_commit_it_is_put_on(shop: Shop) -> None:
    root, before = granting(shop, "carol"), shop.head

    done = beats(shop, root, "carol")

    said = heartbeat.parse(parse_envelope(shop.read(PATH)).payload)
    assert (said, done.path, done.commit) == (done.heartbeat, PATH, shop.head)
    assert (said.commit, said.created, said.expires) == (before, NOW, NOW + 2 * HOUR)
    assert said.repository == root.repository
    assert shop.workspace.repository.parents_of(shop.head) == (before,)


def test_the_next_one_replaces_it(shop: Shop) -> None:
    root = granting(shop, "carol")
    first = beats(shop, root, "carol")

    second = beats(shop, root, "carol")

    assert second.heartbeat.commit == first.commit
    assert [one.name for one in shop.workspace.committed().children("environments/production")] == [
        "heartbeat.dsse.json",
        "release.dsse.json",
        "release.json",
    ]


def test_only_the_heartbeat_is_committed_of_a_work_tree_that_is_edited(shop: Shop) -> None:
    root = granting(shop, "carol")
    shop.add_range()

    beats(shop, root, "carol")

    assert shop.workspace.repository.parents_of(shop.head)
    assert shop.workspace.committed().tree != shop.workspace.edited().tree


def test_without_the_role_nobody_beats(shop: Shop) -> None:
    with pytest.raises(NoRole):
        beats(shop, shop.root, "alice")


def test_a_key_of_another_role_does_not_beat(shop: Shop) -> None:
    with pytest.raises(KeyNotInRole):
        beats(shop, granting(shop, "carol"), "alice")


def test_where_two_have_to_sign_one_is_too_few_and_two_are_enough(shop: Shop) -> None:
    root = granting(shop, "carol", "alice", threshold=2)

    with pytest.raises(ThresholdNotMet):
        beats(shop, root, "carol")

    assert beats(shop, root, "carol", "alice").owners == {"carol", "alice"}


@pytest.mark.parametrize("lasts", [timedelta(0), -HOUR], ids=str)
def test_a_heartbeat_holds_for_a_while(shop: Shop, lasts: timedelta) -> None:
    with pytest.raises(NoTime):
        beats(shop, granting(shop, "carol"), "carol", lasts=lasts)
