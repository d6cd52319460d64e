"""Whatever happened, a row of any revision is found where that revision's line stands in git."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pygit2
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from controller.adapters.postgres import connect, with_database
from controller.app import wiring
from controller.artifacts import layout
from controller.kernel.canonical import sha256
from controller.plan.guards import Limits
from controller.plan.strategy import DELTA_ROWS_MAX
from controller.reconcile.keys import Key, asked
from controller.reconcile.places import Place
from controller.reconcile.trace import Event, Trace, Traced, columns_of, trace
from controller.stores.directory import store as directory
from controller.trust.envelope import parse as parse_envelope
from controller.trust.root import parse_root
from tests.reconcile.test_decide import reset_to, rotate
from tests.support import world
from tests.support.rowlines import row_at
from tests.support.world import RANGES, Shop

SCHEMES = wiring.schemes()
NUMBERS = itertools.count(1)
LINE = "{},,16,true,house,Brand {},debit,false,NL,EUR,harbour-bank,,"
BLOCK = {LINE.format(99080000 + number, 1) for number in range(DELTA_ROWS_MAX + 1)}

Rows = dict[Key, list[tuple[str, ...]]]
CHANGES = st.tuples(st.just("change"), st.sets(st.integers(0, 5), max_size=3), st.integers(1, 2))
STEPS = st.lists(
    st.one_of(
        CHANGES,
        CHANGES,
        st.tuples(st.just("move"), st.sampled_from(["ranges", "ranges/99", "ranges/a/b"])),
        st.tuples(st.just("back"), st.integers(0, 4)),
        st.tuples(st.just("reset")),
        st.tuples(st.just("bulk")),
        st.tuples(st.just("draft"), st.integers(0, 5)),
    ),
    min_size=3,
    max_size=6,
)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the home of the shop that every history begins with."""
    pygit2.settings.enable_fsync_gitdir(False)
    yield world.start(tmp_path_factory.mktemp("histories"))
    pygit2.settings.enable_fsync_gitdir(True)


def _ranges(shop: Shop) -> tuple[str, str, set[str]]:
    """Return the one file of ranges, its header and its lines."""
    folder = RANGES.removesuffix("/ranges.csv")
    listed = shop.git("ls-tree", "-r", "--name-only", "main", folder).splitlines()
    (path,) = [one for one in listed if one.removeprefix(f"{folder}/").startswith("ranges")]
    header, *lines = shop.read(path).decode().splitlines()
    return path, header, set(lines)


def _write(shop: Shop, path: str, header: str, lines: set[str], old: str) -> None:
    data = "\n".join([header, *sorted(lines), ""]).encode()
    shop.commit({**({old: None} if old != path else {}), path: data})


def _take(shop: Shop, step: tuple[object, ...]) -> None:
    """Take one step of a history, and release what came of it."""
    path, header, lines = _ranges(shop)
    match step:
        case ("change", set(some), int(brand)):
            kept = {one for one in lines if not one.startswith("9907")}
            _write(shop, path, header, kept | {LINE.format(990700 + n, brand) for n in some}, path)
        case ("bulk",):  # so many that the table is built anew; the next time they go again
            _write(shop, path, header, lines ^ BLOCK, path)
        case ("move", str(name)):
            folder = RANGES.removesuffix("/ranges.csv")
            _write(shop, f"{folder}/{name}.csv", header, lines, path)
        case ("back", int(index)):
            known = [one for one in shop.released if one.serial < shop.released[-1].serial]
            if known:
                shop.revert_release(known[index % len(known)])
            return
        case ("reset",):
            last = shop.statement()
            digest = sha256(last.payload())
            if digest == _last_reset(shop):
                return  # A root that says the same again resets nothing.
            shop.released.append(last)
            rotate(shop, reset_to(last.serial, digest))
        case ("draft", int(number)):
            shop.edit(path, add=[LINE.format(990710 + number, 1)], drop=())
            live = shop.sign(shop.next_version())
            shop.edit(path, drop=[LINE.format(990710 + number, 1)])
            shop.release(shop.next_release(live))
            return
        case _:
            raise AssertionError(step)
    shop.release(shop.next_release(shop.sign(shop.next_version())))


def _last_reset(shop: Shop) -> str | None:
    """Return the digest of the release that the newest root lets serials start again from."""
    names = shop.git("ls-tree", "--name-only", "main", "trust/root/").splitlines()
    newest = max(names, key=layout.parse_root_path)
    reset = parse_root(parse_envelope(shop.read(newest)).payload).reset
    return next((one.sha256 for one in reset.values()), None)


def _served(shop: Shop) -> Rows:
    """Return the cells of what is served, by key: card ranges, and some of other tables."""
    assert shop.connection is not None
    found: Rows = {}
    for table in ("ranges", "rules", "capabilities", "identifiers"):
        stored = sorted(directory.stored_rows(shop.connection, table), key=lambda row: row.cells)
        if table == "ranges":
            stored = [row for row in stored if not row.cells[0].startswith("99080")] + [
                row for row in stored if row.cells[0] == "99080007"
            ]
        for row in stored if table == "ranges" else stored[:1]:
            found.setdefault(Key(table, row.parts), []).append(row.cells)
    return found


@pytest.mark.slow
@given(steps=STEPS)
@example(steps=[("reset",), ("change", {0}, 1), ("back", 3), ("reset",)])
@settings(
    max_examples=8,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a history is too slow to shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_row_of_any_revision_is_the_line_that_its_trace_names(
    first: Path,
    tmp_path_factory: pytest.TempPathFactory,
    server_url: str,
    template_database: str,
    steps: list[tuple[object, ...]],
) -> None:
    name = f"trace_law_{next(NUMBERS)}"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
        with world.open_connection(with_database(server_url, name)) as connection:
            shop = Shop.copy(first, tmp_path_factory.mktemp("history"), connection)
            shop.limits = Limits(small_rows=2 * DELTA_ROWS_MAX)
            _holds(shop, steps)
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _holds(shop: Shop, steps: list[tuple[object, ...]]) -> None:
    shop.reconcile()
    served = {shop.revision: _served(shop)}
    for step in steps:
        _take(shop, step)
        shop.reconcile()
        served[shop.revision] = _served(shop)
    for key in sorted({key for rows in served.values() for key in rows}, key=str):
        for revision, rows in served.items():
            found = _trace(shop, key, revision=revision)
            assert [one.row.cells for one in found.rows] == rows.get(key, [])
            for one in found.rows:
                assert shop.repository.is_ancestor(one.place.commit, _event(found).revision.commit)
                _check_line(shop, one, one.place)
        _check_lives(shop, key, served)


def _check_lives(shop: Shop, key: Key, served: dict[int, Rows]) -> None:
    """Without a revision every life of a row is told: when it came, and when it went."""
    lives = {
        revision
        for one in _trace(shop, key).rows
        for revision in range(
            one.came.revision.revision, one.left.revision.revision if one.left else max(served) + 1
        )
    }
    assert lives == {revision for revision, rows in served.items() if key in rows}
    for one in _trace(shop, key).rows:
        _check_line(shop, one, one.place)
        if one.last is not None:
            _check_line(shop, one, one.last)


def _check_line(shop: Shop, one: Traced, place: Place) -> None:
    line, row = row_at(shop, place), columns_of(one.row)
    if one.row.table == "rules":
        assert line == {"id": row["id"], "document": json.loads(row["document"])}
    else:
        assert line == row


def _trace(shop: Shop, key: Key, revision: int | None = None) -> Trace:
    return trace(shop.world(), asked(SCHEMES, str(key)), shop.clock.now(), revision=revision)


def _event(found: Trace) -> Event:
    assert found.served is not None
    return found.served
