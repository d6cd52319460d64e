"""Tables and statements in other forms than one, and other bytes behind their ids."""

import zlib
from collections.abc import Callable

import pytest

from controller.adapters.git import GitRepository
from controller.artifacts import layout, walk
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.objects import Oid
from tests.attacks.passes import APPLIED, attempt, stopped
from tests.support.world import CARDS, NEW_RANGE, RANGES, TWO, Shop

FILES = layout.files_path(CARDS)
NOT_FOUND = "pinned.files_not_found"


# SHA-1


def collide(shop: Shop, path: str, forged: bytes) -> None:
    """Put other bytes behind the id of a committed file: what a collision of SHA-1 would do."""
    entry = walk.find(shop.repository, shop.tree, path)
    assert entry is not None
    put_behind(shop, entry.oid, forged)


def put_behind(shop: Shop, oid: Oid, forged: bytes) -> None:
    """Put other bytes behind an id."""
    name = oid.hex()
    file = shop.repository.git_dir / "objects" / name[:2] / name[2:]
    file.chmod(0o644)
    file.write_bytes(zlib.compress(b"blob %d\0" % len(forged) + forged))
    shop.repository = GitRepository.open(shop.folder)  # forgets what it has read


@pytest.mark.stops("sha1.collision")
def test_other_bytes_behind_the_id_of_a_signed_table_are_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    collide(shop, RANGES, shop.read(RANGES).replace(b"Lagoon", b"Mirage"))

    assert attempt(shop) == stopped(NOT_FOUND)


@pytest.mark.stops("sha1.collision")
def test_other_bytes_behind_the_id_of_a_statement_are_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    path = layout.statement_path(CARDS, 2)
    collide(shop, path, shop.read(path).replace(b"production", b"prodvction"))

    assert attempt(shop) == stopped("signed.copy_differs")


@pytest.mark.allows("sha1.collision")
def test_the_same_bytes_behind_the_id_of_a_signed_table_are_applied(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    collide(shop, RANGES, shop.read(RANGES))

    assert attempt(shop).code == APPLIED


@pytest.mark.stops("sha1.remembered")
def test_other_bytes_behind_an_id_that_was_hashed_before_do_not_come_back(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    second, table = shop.released[-1], shop.read(RANGES)
    entry = walk.find(shop.repository, shop.tree, RANGES)
    assert entry is not None
    shop.publish(drop=[NEW_RANGE])
    shop.reconcile()
    put_behind(shop, entry.oid, table.replace(b"Lagoon", b"Mirage"))
    shop.revert_release(second)

    assert attempt(shop) == stopped("proven.bytes_differ")


@pytest.mark.allows("sha1.remembered")
def test_the_same_bytes_behind_an_id_that_was_hashed_before_come_back(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    second = shop.released[-1]
    shop.publish(drop=[NEW_RANGE])
    shop.reconcile()
    shop.revert_release(second)

    assert attempt(shop).code == APPLIED
    assert "990600" in shop.ranges()


# Contents


@pytest.mark.stops("csv.formula")
@pytest.mark.parametrize(
    "brand", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"]
)
def test_a_cell_that_a_spreadsheet_would_run_is_refused(shop: Shop, brand: str) -> None:
    shop.publish(add=[NEW_RANGE.replace("Lagoon Debit", brand)])

    assert attempt(shop) == stopped("inspect.unclean")


@pytest.mark.stops("csv.ragged")
@pytest.mark.parametrize(
    "line",
    [
        NEW_RANGE + ",",
        NEW_RANGE.removesuffix(","),
        NEW_RANGE.replace("Lagoon Debit", "Lagoon\x00Debit"),
        NEW_RANGE.replace("Lagoon Debit", '"Lagoon Debit'),
        NEW_RANGE.replace("Lagoon Debit", '"Lagoon Debit"'),
        NEW_RANGE.replace("Lagoon Debit", "L" * 70_000),
        NEW_RANGE.replace("Lagoon Debit", "Lagoon\u202eDebit"),
        NEW_RANGE.replace("Lagoon Debit", "Lagoon\u200bDebit"),
    ],
    ids=["wide", "narrow", "nul", "open", "quoted", "giant", "turned", "unseen"],
)
def test_a_row_that_two_readers_could_read_differently_is_refused(shop: Shop, line: str) -> None:
    shop.publish(add=[line])

    assert attempt(shop) == stopped("inspect.unclean")


@pytest.mark.stops("csv.ragged")
@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.decode().encode("utf-16"),
        lambda data: data.replace(b"Harbour Debit", b"Harbour \xff"),
        lambda data: data.rstrip(b"\n"),
    ],
    ids=["bom", "crlf", "utf-16", "no text", "no end"],
)
def test_a_table_in_another_form_is_refused(shop: Shop, change: Callable[[bytes], bytes]) -> None:
    shop.commit({RANGES: change(shop.read(RANGES))})
    shop.release(shop.next_release(shop.sign(shop.next_version())))

    assert attempt(shop) == stopped("inspect.unclean")


ALIASES = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (one, one, b",".join([b"*%c" % (one - 1)] * 10)) for one in b"bcdefghij"
)


@pytest.mark.stops("yaml.refused")
@pytest.mark.parametrize("name", ["ranges.yaml", "rules/r.yml", "ranges/more.yaml"])
def test_a_yaml_file_among_signed_files_is_refused_unread(shop: Shop, name: str) -> None:
    shop.commit({f"{FILES}/{name}": ALIASES})
    shop.release(shop.next_release(shop.sign(shop.next_version())))

    assert attempt(shop) == stopped("inspect.unclean")


@pytest.mark.stops("yaml.refused", "json.odd")
@pytest.mark.parametrize(
    "payload",
    [
        b"serial: 2\n",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"a": 1e400}',
        b'{"a": 12345678901234567890}',
        b'{"a": 1.5}',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        b'{"a": "\\ud800"}',
        b'{"a": 1} {}',
        b"[" * 100_000,
    ],
    ids=[
        "yaml",
        "twice",
        "nan",
        "infinite",
        "huge",
        "float",
        "bom",
        "utf-16",
        "lone",
        "trailing",
        "deep",
    ],
)
def test_a_signed_statement_that_parsers_read_differently_is_refused(
    shop: Shop, payload: bytes
) -> None:
    place = layout.release_dir(ENVIRONMENT)
    sealed = shop.sealed(payload, TWO)
    shop.commit({f"{place}/release.json": payload, f"{place}/release.dsse.json": sealed})

    assert attempt(shop) == stopped("json.malformed")
