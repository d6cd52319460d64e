"""Git objects that mean harm: bombs, giants, odd modes and names, trees that git's fsck refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from controller.kernel.objects import Oid
from tests.hostile.conftest import Idle, check_cost
from tests.hostile.host import FILE, FOLDER, Attack, Host, ordered, parsed
from tests.support.trees import raw_tree
from tests.support.world import NEW_RANGE, OTHER_RANGE, PARTICIPANTS, RANGES

RAIL = "policies/evil"
TABLE = "bundles/card-bin/house-cards/files/ranges"
ACKS = "environments/production/acks"


def at(path: str, build: Callable[[Host], Oid], *, mode: bytes = FOLDER) -> Callable[[Host], Oid]:
    return lambda host: host.graft(host.shop.tip, path, build(host), mode=mode)


def wide(count: int) -> Callable[[Host], Oid]:
    return lambda host: host.wide(count, host.put("blob", b""))


def zeros(host: Host) -> Oid:
    return host.zeros(512 << 20)


def million_names(host: Host) -> Oid:
    """Put a million names of other people beside ours, where any name may stand."""
    blob = host.put("blob", b"")
    ours = parsed(host.shop.repository.read(host.shop.tree))
    entries = [(mode, name, oid) for name, (mode, oid) in ours.items()]
    entries += [(FILE, b"z%06d" % number, blob) for number in range(1_000_000)]
    return host.commit(host.put("tree", raw_tree(ordered(entries))), onto=host.shop.tip)


def message(text: str) -> Callable[[Host], Oid]:
    return lambda host: host.commit(host.shop.tree, onto=host.shop.tip, message=text)


def odd_entries(host: Host) -> Oid:
    """Store one tree with everything that may stand in one, and that we never read."""
    blob, folder = host.put("blob", b"1\n"), host.shop.tree
    entries = [
        (b"120000", b"link", blob),
        (b"160000", b"submodule", blob),
        (b"100755", b"program", blob),
        (b"100664", b"shared", blob),
        (FILE, b"Upper", blob),
        (FILE, "e\u0301".encode(), blob),
        (FILE, "a\u202ecsv".encode(), blob),
        (FILE, b"a\nb", blob),
        (FILE, b"\xff", blob),
        (FILE, b"a" * 300, blob),
        (FILE, b".gitattributes", blob),
        (FOLDER, b"aux:", folder),
    ]
    return host.put("tree", raw_tree(ordered(entries)))


def malformed(host: Host) -> Oid:
    """Commit a rail for each kind of tree that git's own check refuses."""
    blob, folder = host.put("blob", b"1\n"), host.put("tree", b"")
    trees: list[bytes] = [
        raw_tree(entries)
        for entries in (
            [(FILE, b"..", blob)],
            [(FILE, b".", blob)],
            [(FOLDER, b".git", folder)],
            [(FILE, b"a/../../evil", blob)],
            [(FILE, b"", blob)],
            [(FILE, b"a", blob), (FILE, b"a", blob)],
            [(FILE, b"a", blob), (FOLDER, b"a", folder)],
            [(FILE, b"b", blob), (FILE, b"a", blob)],
            [(b"040000", b"a", folder)],
            [(FOLDER, b"a", blob)],
        )
    ]
    trees += [raw_tree([(FILE, b"a", blob)])[:-1], b"100644", b"\0" * 40]
    commit = host.shop.tip
    rails = [(FOLDER, b"evil%02d" % n, host.put("tree", raw)) for n, raw in enumerate(trees)]
    policies = host.put("tree", raw_tree(rails))
    return host.graft(commit, "policies", policies)


ATTACKS = {
    "512 MiB of zeros in a rail": Attack(
        at(f"{RAIL}/rail.json", zeros, mode=FILE),
        (2, "536,870,912 bytes is more"),
        (1, "trust/walk.too_large"),
    ),
    "512 MiB of zeros as a table": Attack(
        at(f"{TABLE}/a.csv", zeros, mode=FILE), (0, ""), (1, "common/ENC009")
    ),
    "a tree bomb as a rail": Attack(
        at(RAIL, Host.tree_bomb), (2, "200,001 entries is more"), (1, "trust/walk.too_large")
    ),
    "a tree bomb as a table": Attack(
        at(TABLE, Host.tree_bomb), (0, ""), (1, "trust/authoring.too_much_wrong")
    ),
    "a wide tree as a rail": Attack(
        at(RAIL, wide(200_001)), (2, "bytes is more than"), (1, "trust/walk.too_large")
    ),
    "the widest tree that is read": Attack(at(TABLE, wide(58_000)), (0, ""), (1, "common/DUP000")),
    "a huge tree among the roots": Attack(
        at("trust/root", wide(1_300_000)), (2, "bytes is more than"), (1, "trust/walk.too_large")
    ),
    "a deep tree as a rail": Attack(
        at(RAIL, lambda host: host.deep(300)),
        (2, "13 levels is more than"),
        (1, "trust/walk.too_large"),
    ),
    "a deep tree among the acknowledgements": Attack(
        at(ACKS, lambda host: host.deep(300)), (0, ""), (1, "trust/walk.bad_tree")
    ),
    "a million names at the top": Attack(
        million_names, (2, "bytes is more than the 65,536"), (2, "bytes is more than the 65,536")
    ),
    "a message of a million lines": Attack(
        message("x\n" * 1_000_000), (2, "2,000,"), (2, "more than the 1,048,576")
    ),
    "a commit of 64 MiB": Attack(
        message("x" * (64 << 20)), (2, "67,1"), (2, "more than the 1,048,576")
    ),
    "odd modes and odd names": Attack(
        at(RAIL, odd_entries), (2, "not a name we read"), (1, "trust/walk.bad_tree")
    ),
    "a file that is a folder": Attack(
        at(f"{RAIL}/rail.json", lambda host: host.shop.tree, mode=FILE),
        (2, "named as a file, but its object is a tree"),
        (1, "trust/walk.bad_tree"),
    ),
    "malformed trees": Attack(malformed, (2, "policies/evil00"), (1, "trust/walk.bad_tree")),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_hostile_objects_are_refused_cheaply_at_both_doors(
    attack: Attack, meet: Callable[[Attack], None]
) -> None:
    meet(attack)


def test_a_check_names_every_odd_entry_and_every_malformed_tree(host: Host) -> None:
    odd = host.validate(host.graft(host.shop.tip, RAIL, odd_entries(host)))
    bad = host.validate(malformed(host))

    assert odd.out.count("trust/walk.bad_tree") >= 12
    assert [number for number in range(13) if f"policies/evil{number:02}" not in bad.out] == []


def test_attributes_that_change_a_checkout_change_nothing_that_is_applied(
    host: Host, idle: Idle
) -> None:
    trap = host.desk.home / "sprung"
    host.shop.repository.config_set("filter.trap.smudge", f"touch {trap}")
    host.shop.repository.config_set("filter.trap.clean", f"touch {trap}")
    lines = "* text eol=crlf ident filter=trap export-subst working-tree-encoding=UTF-16\n"
    host.shop.commit({".gitattributes": lines.encode(), "bundles.txt": b"$Id$ $Format:%H$\n"})
    commit = host.shop.publish(add=[NEW_RANGE])

    judged, passed = host.validate(commit), host.reconcile()

    assert (judged.code, passed.code) == (0, 0), judged.said + passed.said
    assert NEW_RANGE[:6] in host.shop.ranges()
    assert not trap.exists()
    check_cost(passed, idle.reconcile)


def test_attributes_among_the_tables_are_refused(meet: Callable[[Attack], None]) -> None:
    def build(host: Host) -> Oid:
        path = f"{Path(RANGES).parent}/.gitattributes"
        return host.files(host.shop.tip, {path: b"*.csv -text\n"})

    meet(Attack(build, (0, ""), (1, "trust/walk.bad_tree")))


HEADERS = {
    "two signatures": b"gpgsig",
    "a signature over another hash": b"gpgsig-sha256",
    "a header that nobody knows": b"x-evil",
}


def second_header(host: Host, header: bytes) -> Oid:
    """Go back to the first release in a well signed commit that has one header more."""
    first = host.shop.released[0]
    for line in (NEW_RANGE, OTHER_RANGE):
        host.shop.publish(add=[line])
    assert host.reconcile().code == 0
    signed = host.shop.repository.raw_commit(host.shop.revert_release(first))
    start = signed.index(b"gpgsig ")
    end = signed.index(b"\n\n")
    again = header + signed[start:end].removeprefix(b"gpgsig")
    return host.put("commit", signed[:end] + b"\n" + again + signed[end:])


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_a_rollback_whose_commit_has_one_header_too_many_is_refused(
    host: Host, idle: Idle, header: bytes
) -> None:
    commit = second_header(host, header)
    before = host.production()

    passed = host.reconcile(commit)

    assert (passed.code, "no rollback key signed it" in passed.err) == (3, True), passed.said
    assert host.production() == before
    check_cost(passed, idle.reconcile)


def test_its_twin_with_one_signature_goes_back(host: Host) -> None:
    first = host.shop.released[0]
    host.shop.publish(add=[NEW_RANGE])
    assert host.reconcile().code == 0
    host.shop.revert_release(first)

    assert host.reconcile().code == 0
    assert NEW_RANGE[:6] not in host.shop.ranges()
    assert host.shop.read(PARTICIPANTS)
