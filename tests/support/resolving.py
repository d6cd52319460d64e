"""A directory of random rows that change from revision to revision, and what is asked of it."""

from collections.abc import Iterator
from datetime import datetime
from random import Random  # noqa: TID251 - a seeded source
from typing import Any

from controller.adapters.postgres import Connection, transaction
from controller.kernel.instants import Window
from controller.plan.rows import SourceFile, StoredRow
from controller.reconcile.resolve import Question
from controller.stores.directory import store
from controller.stores.directory.model import Reach
from tests.support.directory import FILE, day, days, row, shards

ENVIRONMENT = "production"
FILES = (
    FILE,
    SourceFile(FILE.bundle, FILE.path + ".moved"),
    SourceFile("sepa/other", 'bundles/sepa/other/files/qu"ote.csv'),
    SourceFile("nobody/lives", "bundles/nobody/lives/files/here.csv"),
)
NAMES = ("", "Ä|b", 'quo"te', "back\\slash", "line\u2028separator", "</script>")
PARTICIPANTS = ("p0", "p1", "p2", "Ü 3")
VALUES = ("A1", "B2", "Ü 5")
SCHEMES = ("bic", "x-own")
_MICRO = ("2026-12-31T00:00:00Z", "2027-01-06T00:00:00Z")

_APPLIED = b"""
INSERT INTO controller.applied
       (environment, repository, commit, release_sha256, serial_current, serial_high,
        root_version, policies_digest, revision, epoch, max_time_seen, applied_at)
VALUES (%(environment)s, '00000000-0000-0000-0000-000000000001', decode(repeat('ab', 20), 'hex'),
        repeat('a', 64), 1, 1, 1, repeat('b', 64), %(revision)s, 1, %(now)s, %(now)s)
ON CONFLICT (environment) DO UPDATE SET revision = excluded.revision
"""
_LIVE = b"""
INSERT INTO controller.live_bundle
       (environment, bundle, version, payload_sha256, files_root, files_tree, policy_digest,
        effective_from, effective_to)
SELECT %(environment)s, bundle, version, repeat('c', 64), repeat('d', 64),
       decode(repeat('cd', 20), 'hex'), repeat('e', 64), starts::timestamptz, ends::timestamptz
  FROM (VALUES ('card-bin/tests', 1, NULL, '2027-01-06Z'),
               ('card-bin/tests', 2, '2027-01-06Z', NULL),
               ('sepa/other', 7, NULL, NULL)) AS live (bundle, version, starts, ends)
"""


class Town:
    """A directory in a database, and the rows that it holds."""

    def __init__(self, connection: Connection[Any], seed: int) -> None:
        self.connection, self.random = connection, Random(seed)
        self.revision = 0
        self.rows: dict[tuple[object, ...], StoredRow] = {}

    def apply(self, put: list[StoredRow], drop: list[StoredRow], changed: int = 1) -> None:
        """Make the next revision of some rows, as a pass does: all in one transaction."""
        self.revision += 1
        counts = dict.fromkeys({one.table for one in (*put, *drop)}, changed)
        with transaction(self.connection):
            self.connection.execute(
                _APPLIED,
                {"environment": ENVIRONMENT, "revision": self.revision, "now": day(0)},
            )
            if self.revision == 1:
                self.connection.execute(_LIVE, {"environment": ENVIRONMENT})
            store.apply(self.connection, shards(put, drop), revision=self.revision, changed=counts)
            self.connection.execute(
                b"SELECT pg_notify('countersign_revision', %(revision)s)",
                {"revision": str(self.revision)},
            )
        for one in drop:
            del self.rows[_place(one)]
        for one in put:
            self.rows[_place(one)] = one

    def begin(self) -> None:
        """Put the participants that everything else names, and some of the rest."""
        named = [row("participants", id=name, name=name) for name in PARTICIPANTS[:2]]
        ends = [row("endpoints", id=f"e{n}", participant_id=f"p{n % 2}") for n in range(2)]
        self.apply([*named, *ends], [])
        self.step()

    def step(self, changed: int = 1) -> None:
        """Drop some rows, put others, and move some to another file."""
        pick = self.random
        loose = [one for one in self.rows.values() if not _is_named(one)]
        drop = pick.sample(loose, k=min(len(loose), pick.randint(0, 4)))
        stays = [one for one in self.rows.values() if one not in drop]
        moved = pick.sample(stays, k=min(len(stays), pick.randint(0, 2)))
        put = [one._replace(source=pick.choice(FILES)) for one in moved]
        drop += moved
        taken = {_place(one) for one in (*stays, *put)}
        for _ in range(pick.randint(4, 12)):
            one = self._row()
            if _place(one) not in taken:
                taken.add(_place(one))
                put.append(one)
        self.apply(put, drop, changed)

    def questions(self, count: int) -> Iterator[tuple[Question, datetime]]:
        """Yield questions of all kinds, at instants in and around every window."""
        pick = self.random
        for _ in range(count):
            at = day(pick.randint(-2, 45))
            reach = Reach(
                pick.choice((None, None, "pacs.008", "invoice", "")),
                pick.choice((None, None, "EUR", "INR")),
                pick.choice((None, None, "card-bin", "sepa")),
            )
            if pick.random() < 0.5:
                digits = "4000" + "".join(pick.choices("01", k=pick.randint(2, 7)))
                yield Question("iin", digits, at, reach), at
            else:
                yield Question(pick.choice(SCHEMES), pick.choice(VALUES), at, reach), at

    def _window(self) -> Window:
        # Disjoint windows of one key: whole decades of days.
        decade = self.random.randint(0, 3) * 10
        return days(
            None if decade == 0 and self.random.random() < 0.5 else decade,
            decade + self.random.randint(1, 10),
        )

    def _row(self) -> StoredRow:
        pick = self.random
        window, source = self._window(), pick.choice(FILES)
        status = pick.choice(("", "active", "deprecated", "suspended", "removed"))
        match pick.choice((0, 1, 1, 1, 2, 2, 3, 4, 4)):
            case 0:
                some = {
                    "id": pick.choice(PARTICIPANTS[2:]),
                    "name": pick.choice(NAMES),
                    "roles": pick.choice(("", "issuer", "issuer|acquirer")),
                    "currencies": pick.choice(("", "EUR|INR")),
                    "status": status,
                }
                return row("participants", window, source, **some)
            case 1:
                successor = pick.random() < 0.4
                some = {
                    "participant_id": pick.choice(("p0", "p1")),
                    "scheme": pick.choice(SCHEMES),
                    "value": pick.choice(VALUES),
                    "usage": pick.choice(NAMES),
                    "primary": pick.choice(("", "true", "false")),
                    "successor_scheme": pick.choice(SCHEMES) if successor else "",
                    "successor_value": pick.choice(VALUES) if successor else "",
                    "removal_date": pick.choice(_MICRO),
                    "status": status,
                }
                return row("identifiers", window, source, **some)
            case 2:
                some = {
                    "id": pick.choice(("e2", "e3", "é4", "E5")),
                    "participant_id": pick.choice(("p0", "p1")),
                    "protocol": pick.choice(NAMES),
                    "priority": pick.choice(("", "2", "10", "x", "0002")),
                    "status": status,
                }
                return row("endpoints", window, source, **some)
            case 3:
                some = {
                    "endpoint_id": pick.choice(("e0", "e1")),
                    "message": pick.choice(("", "pacs.008", "camt.056")),
                    "document_type": pick.choice(("", "invoice", "pacs.008")),
                    "currency": pick.choice(("", "EUR", "USD")),
                    "status": status,
                }
                return row("capabilities", window, source, **some)
            case _:
                # Whole digits, or two neighbours: they lie inside one another or apart.
                digits = "4000" + "".join(pick.choices("01", k=pick.randint(2, 5)))
                pair = digits.endswith("0") and pick.random() < 0.3
                some = {
                    "iin_start": digits,
                    "iin_end": digits[:-1] + "1" if pair else "",
                    "brand": pick.choice(NAMES),
                    "participant_id": pick.choice(("", "p0", "p1")),
                }
                return row("ranges", window, source, **some)


def _place(one: StoredRow) -> tuple[object, ...]:
    """Return what no two rows may share: the key and its decade."""
    end = one.window.end
    return (one.table, one.parts, -1 if end is None else ((end - day(0)).days - 1) // 10)


def _is_named(one: StoredRow) -> bool:
    """Whether other rows may name it: those without a window."""
    return one.window == Window()
