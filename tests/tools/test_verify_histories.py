"""Whatever people do to a branch, commit by commit: both judges agree after every one of them."""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from controller.artifacts import layout
from controller.artifacts.release import ReleaseRef, ReleaseStatement
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import sha256
from controller.trust.envelope import ROOT
from controller.trust.envelope import parse as parse_envelope
from controller.trust.keys import Scheme
from controller.trust.sign import sign_envelope
from tests.support.world import CARDS, NEW_RANGE, Shop
from tests.tools.changes import DAY, ENVELOPE, PLACE, ref, with_root
from tests.tools.oddities import STRAY
from tests.tools.verdicts import fresh_copy, judge, reconcile

# Said of what git alone cannot tell: the guards' affair, and how long ago something was live.
NOT_TOLD = {"plan.guard_tripped"}


@dataclass
class Story:
    """A shop, and the releases that people have signed so far, good ones or not."""

    shop: Shop
    ranges: int = 0
    strays: bool = False
    log: list[str] = field(default_factory=list)

    def next_range(self) -> str:
        self.ranges += 1
        return NEW_RANGE.replace("990600", f"99{6000 + self.ranges}")

    def newest(self) -> ReleaseStatement:
        """The release that stands at the tip, whoever signed it."""
        return self.shop.released[-1]

    def publish(self, **changes: Any) -> None:
        by = changes.pop("by", ("alice", "bob"))
        shop = self.shop
        shop.edit(add=[self.next_range()])
        live = shop.sign(shop.next_version())
        shop.release(shop.next_release(live, **changes), by=by)

    def publish_two(self) -> None:
        self.publish()
        self.publish()

    def go_back(self, number: int, by: str | None) -> None:
        target = self.shop.released[number % len(self.shop.released)]
        self.shop.revert_release(target, by=by)

    def follow(self, number: int, *, undone: bool) -> None:
        """Release on top of any release there was, honest about it or not."""
        shop = self.shop
        base = shop.released[number % len(shop.released)]
        taken_back = ref(self.newest()) if undone else None
        serial = max(one.serial for one in shop.released) + 1
        made = shop.next_release(serial=serial, previous=ref(base), rollback_of=taken_back)
        shop.release(made)

    def cosign(self, who: str) -> None:
        """Somebody adds an envelope of the release that stands there."""
        payload = self.shop.read(f"{PLACE}/release.json")
        self.shop.commit({f"{PLACE}/release.{who}.dsse.json": self.shop.sealed(payload, [who])})

    def strip(self) -> None:
        """Only one signature of the release is left."""
        payload = self.shop.read(f"{PLACE}/release.json")
        self.shop.commit({ENVELOPE: self.shop.sealed(payload, ["alice"])})

    def sign_again(self) -> None:
        payload = self.shop.read(f"{PLACE}/release.json")
        self.shop.commit({ENVELOPE: self.shop.sealed(payload, ["bob", "carol"])})

    def reset(self, number: int) -> None:
        target = self.shop.released[number % len(self.shop.released)]
        said = {"serial": target.serial, "sha256": sha256(target.payload())}
        with_root(lambda root: root.update(reset={ENVIRONMENT: said}))(self.shop)

    def drop_root(self) -> None:
        versions = layout.root_path(2)
        if self.has(versions):
            self.shop.commit({versions: None})

    def has(self, path: str) -> bool:
        try:
            return bool(self.shop.read(path))
        except AssertionError:
            return False


def stray(story: Story, number: int) -> None:
    """A file that makes the folder unreadable comes or goes, signed by a rollback key or not."""
    story.strays = not story.strays
    by = ("rollback", None)[number % 2]
    story.shop.commit({STRAY: b"x" if story.strays else None}, by=by)


def elsewhere(story: Story, number: int) -> None:
    story.shop.commit({"README.md": str(number).encode() + bytes([10] * len(story.log))})


def root_by_one(story: Story) -> None:
    """A root that alice alone signed stands there, and bob signs it in the next commit."""
    path, envelope = story.shop.next_root(lambda _: None, by=("alice",))
    story.shop.commit({path: envelope})
    said = reconcile(story.shop)
    assert judge(story.shop).verdict == said != "accepted"
    payload = parse_envelope(envelope).payload
    story.shop.commit({path: seal_root(story.shop, payload)})


def seal_root(shop: Shop, payload: bytes) -> bytes:
    pairs = [(shop.signer(name), Scheme.ED25519) for name in ("alice", "bob")]
    return sign_envelope(ROOT, payload, pairs).to_bytes()


def floor(story: Story, number: int) -> None:
    said = {ENVIRONMENT: {"serial": 1 + number % 3}, "bundles": {str(CARDS): 1}}
    with_root(lambda root: root.update(floors=said))(story.shop)


ACTS: dict[str, Callable[[Story, int], object]] = {
    "publish": lambda story, _: story.publish(),
    "publish two": lambda story, _: story.publish_two(),
    "publish by one": lambda story, _: story.publish(by=("carol",)),
    "skip a serial": lambda story, _: story.publish(serial=story.newest().serial + 2),
    "another past": lambda story, _: story.publish(
        previous=ReleaseRef(story.newest().serial, sha256(b"another"))
    ),
    "follow": lambda story, number: story.follow(number, undone=False),
    "follow honestly": lambda story, number: story.follow(number, undone=True),
    "go back signed": lambda story, number: story.go_back(number, "rollback"),
    "go back": lambda story, number: story.go_back(number, None),
    "cosign": lambda story, number: story.cosign(("alice", "bob", "carol")[number % 3]),
    "strip": lambda story, _: story.strip(),
    "sign again": lambda story, _: story.sign_again(),
    "elsewhere": elsewhere,
    "a stray file": stray,
    "next root": lambda story, _: with_root(
        lambda root: root.update(expires="2031-01-01T00:00:00Z")
    )(story.shop),
    "next root by one": lambda story, _: root_by_one(story),
    "floor": floor,
    "reset": lambda story, number: story.reset(number),
    "drop a root": lambda story, _: story.drop_root(),
    "a day": lambda story, _: story.shop.clock.advance(DAY),
}


def played(story: Story, acts: Iterable[tuple[str, int]]) -> None:
    """Do one thing after another; after each, both judges look at the tip."""
    for name, number in acts:
        ACTS[name](story, number)
        story.log.append(f"{name} {number}")
        said = reconcile(story.shop)
        if said in NOT_TOLD:
            return
        judged = judge(story.shop)
        note(f"{name} {number}: {said}, {judged.verdict}\n{judged.said}")
        assert judged.verdict == said, story.log


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(sorted(ACTS)), st.integers(0, 5)), min_size=3, max_size=7
    )
)
@example(acts=[("floor", 0), ("drop a root", 0), ("next root by one", 0)])
@example(acts=[("publish", 0), ("a stray file", 1), ("go back", 0), ("a stray file", 0)])
@example(acts=[("publish two", 0), ("reset", 1), ("follow", 1), ("go back signed", 0)])
def test_both_judges_agree_after_every_commit(
    audited_day: tuple[Path, str], server_url: str, acts: list[tuple[str, int]]
) -> None:
    with (
        tempfile.TemporaryDirectory() as home,
        fresh_copy(audited_day, Path(home), server_url) as shop,
    ):
        played(Story(shop), acts)
