"""Vectors of plan digests, row keys and the digest of policies."""

from typing import Any

from controller.artifacts.tables import row_key
from controller.kernel.canonical import canonical, sha256
from controller.kernel.instants import Window, format_instant
from controller.plan.changes import FileChange
from controller.plan.plan import make_plan
from controller.plan.rows import SourceFile, StoredRow, key_of
from controller.plan.shard import ShardChange
from controller.plan.whole import WholeFile, read_facts
from tests.support.audit import digest_of
from tests.support.trees import MemoryObjects
from tests.support.vectors.people import b64


def plans() -> dict[str, Any]:
    open_, dated = Window(), Window.parse("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")
    source = SourceFile("card-bin/binlist", "bundles/card-bin/binlist/files/ranges.csv")
    cells = ("457173", "", "16", "true", "visa", "Fjord Ünì", "debit", "", "DK", "DKK", "", "", "")
    data = b"iin_start,scheme\n457173,visa\n457174,visa\n"
    objects, facts = MemoryObjects(), read_facts(data, "ranges")

    def row(first: str, window: Window) -> StoredRow:
        mine = (first, *cells[1:])
        return StoredRow("ranges", key_of("ranges", mine), window, mine, source)

    def lines(goes: list[StoredRow], comes: list[StoredRow]) -> tuple[FileChange, dict[str, Any]]:
        sides = {"goes": [_row(one) for one in goes], "comes": [_row(one) for one in comes]}
        return ShardChange(source, "ranges", tuple(goes), tuple(comes)), {"rows": sides}

    def whole(goes: list[Window], comes: list[Window]) -> tuple[FileChange, dict[str, Any]]:
        sides = {"goes": [_ends(one) for one in goes], "comes": [_ends(one) for one in comes]}
        assert facts.is_plain
        file = WholeFile(
            source, "ranges", objects.blob(data), facts, tuple(goes), tuple(comes), objects
        )
        return file, {"file": b64(data), "windows": sides}

    both = [row("457173", dated), row("457174", open_)]
    stories = [
        (None, [lines([], [row("457173", open_)])], False),
        (digest_of("release 1"), [lines([row("457173", open_)], both)], False),
        (digest_of("release 1"), [], False),
        (None, [whole([], [dated, Window.parse("2027-02-01T00:00:00Z", None)])], True),
        (digest_of("release 1"), [whole([open_], [])], True),
    ]
    found = []
    for base, changes, one_sided in stories:
        target = digest_of("release 2")
        made = make_plan(
            "production", base, target, [one for one, _ in changes], one_sided=one_sided
        )
        place = {"bundle": source.bundle, "path": source.path}
        files = [{**place, **wire} for _, wire in changes]
        story = {"environment": "production", "base": base, "target": target, "files": files}
        found.append({**story, "digest": made.digest})
    return {"good": found}


def _ends(window: Window) -> dict[str, str]:
    start, end = window.start, window.end
    return {
        "start": format_instant(start) if start else "",
        "end": format_instant(end) if end else "",
    }


def _row(row: StoredRow) -> dict[str, Any]:
    return {"table": row.table, **_ends(row.window), "cells": list(row.cells)}


def row_keys() -> dict[str, Any]:
    some = [
        ("participants", ("harbour-bank",)),
        ("identifiers", ("bic", "HARBNL2A")),
        ("ranges", ("457173000000", "457173999999")),
        ("rules", ("card-bin/binlist", "r1")),
        ("capabilities", ("e1", "", "", "", "", "pacs.008", "EUR")),
    ]
    return {
        "good": [
            {"table": table, "parts": list(parts), "key": row_key(table, parts)}
            for table, parts in some
        ]
    }


def policies() -> dict[str, Any]:
    rails = {
        "card-bin": {
            "rail.json": b"{}\n",
            "_common/rules.json": b"[]\n",
            "_codes/iso4217.json": b"{}\n",
        },
        "caip": {"rail.json": b"{ }\n", "_common/rules.json": b"[]\n"},
    }
    # The program's own version counts up; what its first one made stays as it is.
    checks = 1
    digests = {
        rail: sha256(
            canonical(
                {"checks": checks, "files": {path: sha256(data) for path, data in files.items()}}
            )
        )
        for rail, files in rails.items()
    }
    encoded = {
        rail: {path: b64(data) for path, data in files.items()} for rail, files in rails.items()
    }
    return {
        "good": [
            {
                "checks": checks,
                "rails": encoded,
                "rail_digests": digests,
                "digest": sha256(canonical(digests)),
            }
        ]
    }
