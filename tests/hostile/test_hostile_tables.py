"""Tables and documents that mean harm: text that programs read differently, and sheer bulk."""

import json
from collections.abc import Callable

import pytest

from controller.kernel.objects import Oid
from tests.hostile.conftest import Idle, check_cost
from tests.hostile.host import FILE, IGNORED, Attack, Host
from tests.support.trees import raw_tree
from tests.support.world import CARDS, RANGES

FILES = "bundles/card-bin/house-cards/files"
PARTICIPANT = "id,name,country,roles,status,effective_from,effective_to"
RULES = "bundles/caip/chains/files/rules"

CELLS: dict[str, tuple[bytes, str]] = {
    "ragged": (b"a,b\n", "common/ENC007"),
    "wide": (b"a" + b",b" * 40 + b"\n", "common/ENC007"),
    "nul": (b"a,b\0,NL,,,,\n", "common/ENC002"),
    "giant": (b"a," + b"b" * 500_000 + b",NL,,,,\n", "common/ENC009"),
    "open-quote": (b'a,"b,NL,,,,\n', "common/ENC006"),
    "inner-quote": (b'a,b"c,NL,,,,\n', "common/ENC006"),
    "formula": (b'a,"=HYPERLINK(""http://a"",""b"")",NL,,,,\n', "common/ENC008"),
    "at-sign": (b"a,@SUM(A1),NL,,,,\n", "common/ENC008"),
    "bidi": ("a,b\u202ec,NL,,,,\n".encode(), "common/ENC002"),
    "decomposed": ("a,e\u0301,NL,,,,\n".encode(), "common/ENC002"),
    "zero-width": ("a,b\u200bc,NL,,,,\n".encode(), "common/ENC002"),
    "windows": (b"a,b,NL,,,,\r\n", "common/ENC006"),
    "unfinished": (b"a,b,NL,,,,", "common/ENC006"),
    "latin": (b"a,\xe9,NL,,,,\n", "common/ENC001"),
}


def lines(count: int, form: bytes) -> bytes:
    return b"".join(form % number for number in range(count))


def table(data: bytes) -> Callable[[Host], Oid]:
    """Put lines where the good table of ranges was."""
    return lambda host: host.files(host.shop.tip, {RANGES: header(host) + data})


def header(host: Host) -> bytes:
    return host.shop.read(RANGES).partition(b"\n")[0] + b"\n"


def many_files(host: Host) -> Oid:
    """Store a million bad rows in 2,500 files that look like shards."""
    rows = header(host) + lines(400, b"x%06d,,16,true,house,Lagoon,debit,false,NL,EUR,h,,\n")
    files = [host.put("blob", rows + b"%d\n" % number) for number in range(2500)]
    named = [(FILE, b"%04d.csv" % number, oid) for number, oid in enumerate(files)]
    return host.put("tree", raw_tree(named))


BAD = b"%06d,,x,x,x,x,x,x,x,x,x,,\n"
ATTACKS = {
    "a million bad rows in one file": Attack(
        table(lines(1_000_000, BAD)), (0, ""), (1, "common/ENC009")
    ),
    "a million bad rows in many files": Attack(
        lambda host: host.graft(host.shop.tip, f"{FILES}/ranges", many_files(host)),
        (0, ""),
        (1, "trust/authoring.too_much_wrong"),
    ),
    "as many bad rows as a file may hold": Attack(
        table(lines(34_000, BAD)), IGNORED, (1, "trust/authoring.too_much_wrong")
    ),
    "a file of line ends": Attack(table(b"\n" * 1_000_000), IGNORED, (1, "common/ENC009")),
    "as many empty lines as a file may hold": Attack(
        table(b"\n" * 99_000), IGNORED, (1, "common/ENC007")
    ),
    "as many empty rows as a file may hold": Attack(
        table(b",,,,,,,,,,,,\n" * 75_000), IGNORED, (1, "common/DUP000")
    ),
    "one cell of a mebibyte": Attack(table(b'"' + b"a" * 1_000_000), IGNORED, (1, "common/ENC006")),
    "quotes": Attack(table(b'""' * 500_000 + b"\n"), IGNORED, (1, "common/ENC007")),
    "one file under many names": Attack(
        lambda host: host.graft(
            host.shop.tip, f"{FILES}/ranges", host.wide(50_000, host.put("blob", header(host)))
        ),
        IGNORED,
        (1, "common/DUP000"),
    ),
    "a document of violations": Attack(
        lambda host: host.files(host.shop.tip, {f"{RULES}/a.json": b"[" + b"1," * 45_000 + b"1]"}),
        IGNORED,
        (1, "common/SYN001"),
    ),
    "a document of rules that are none": Attack(
        lambda host: host.files(
            host.shop.tip,
            {f"{RULES}/a.json": b'{"version":1,"rules":[' + b'{"a":[1]},' * 9_000 + b"{}]}"},
        ),
        IGNORED,
        (1, "common/SYN001"),
    ),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_hostile_tables_are_refused_cheaply_at_both_doors(
    attack: Attack, meet: Callable[[Attack], None]
) -> None:
    meet(attack)


def test_every_cell_that_means_harm_has_its_finding(host: Host, idle: Idle) -> None:
    columns = host.shop.read(f"{FILES}/participants.csv").partition(b"\n")[0]
    width = columns.count(b",")
    drafts = {
        f"{FILES}/participants/{name}.csv": columns + b"\n" + fitted(row, width)
        for name, (row, _rule) in CELLS.items()
    }

    judged = host.validate(host.files(host.shop.tip, dict(drafts)))

    said = {(one["file"], one["rule"]) for one in json.loads(judged.out)["findings"]}
    wanted = {(f"{FILES}/participants/{name}.csv", rule) for name, (_, rule) in CELLS.items()}
    assert sorted(wanted - said) == []
    assert judged.code == 1
    check_cost(judged, idle.validate)


def fitted(row: bytes, width: int) -> bytes:
    """Give a row as many cells as the table has, where it means to be whole."""
    missing = width - row.count(b",") if b",NL,,,," in row else 0
    return row.replace(b",NL,,,,", b",NL,,,," + b"," * missing)


def test_a_million_bad_rows_that_enough_owners_signed_are_refused_cheaply(
    host: Host, idle: Idle
) -> None:
    shop = host.shop
    commit = host.graft(shop.tip, f"{FILES}/ranges", many_files(host))
    shop.force(commit)
    signed = shop.next_version(CARDS)
    release = shop.release(shop.next_release(shop.sign(signed)))
    before = host.production()

    passed = host.reconcile(release)

    assert passed.code == 1, passed.said[:2000]
    assert "blocking findings" in passed.err
    assert host.production() == before
    check_cost(passed, idle.reconcile)
