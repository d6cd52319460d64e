"""The row that a line of a commit is, read with `git show`: an oracle that shares no code."""

import csv
import io
import json

from controller.reconcile.places import Place
from tests.support.world import Shop


def line_at(shop: Shop, place: Place) -> str:
    """Return the text of a place's line."""
    return _text(shop, place).split("\n")[place.line - 1]


def row_at(shop: Shop, place: Place) -> dict[str, str]:
    """Return the cells at a place that are not empty, by column; of a rule, its document."""
    text = _text(shop, place)
    if place.path.endswith(".json"):
        before = sum(len(line) + 1 for line in text.split("\n")[: place.line - 1])
        rule, _ = json.JSONDecoder().raw_decode(text[before:].lstrip())
        return {"id": rule["id"], "document": rule}
    header, *lines = text.split("\n")
    line = lines[place.line - 2]
    (cells,) = csv.reader(io.StringIO(line))
    named = zip(header.split(","), cells, strict=True)
    return {column: cell for column, cell in named if cell}


def _text(shop: Shop, place: Place) -> str:
    return shop.git("show", f"{place.commit.hex()}:{place.path}")
