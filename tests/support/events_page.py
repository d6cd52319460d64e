"""The page of all events, written from their list: `python -m tests.support.events_page`."""
# ruff: noqa: E501  a page is as wide as its tables

from collections.abc import Iterable
from itertools import groupby

from controller.kernel.events import Event
from tests.support.house import ROOT

PAGE = ROOT / "docs" / "events.md"
_HEAD = """\
# Events

Everything that happens to a controller has one of these names, wherever it is told: in the log, in the
table that `countersign events` and the API read, and in notices. A name never changes and is never used
for anything else. This page is written from the list (`controller/kernel/events.py`); a test holds it true.

| severity | who has to do something |
|---|---|
| `info` | nobody |
| `warning` | nobody yet: it ends by itself, or a person wanted it so |
| `error` | somebody; [runbooks/alarms.md](runbooks/alarms.md) says who and what |

## A line of the log

`countersign run` writes to stderr: one JSON object on each line, or text where a person sits at a terminal.
Members that are empty are left out.

| member | meaning |
|---|---|
| `at` | when, RFC 3339 in UTC |
| `level` | the event's severity |
| `event` | the name below |
| `message` | what happened, in words |
| `environment`, `controller`, `role`, `pid` | who says it; `role` is `controller`, `api` or `supervisor` |
| `revision`, `commit` | what it is about |
| `actor` | the person who did it |
| `facts` | more, by event: `code` and `hint` of an error, `target` of a notice, counts of rows |
| `logger` | which library said it (`library.said`, `library.failed`) |
| `trace` | where an unexpected error came from, the last call last: places and first lines, no values |

Secrets never stand there: what the settings hold or name by file, credentials in addresses and headers, tokens,
private keys, and numbers of twelve digits or more, which could be of cards, become `[redacted]`. What stands in the
database (`countersign events -o json`) is described in [machine-output.md](machine-output.md#events).
"""


def events_page(events: Iterable[Event]) -> str:
    """Return the page, one table for each kind of thing that something happens to."""
    lines = [_HEAD]
    ordered = sorted(events, key=str)
    for kind, group in groupby(ordered, key=lambda one: str(one).partition(".")[0]):
        lines += [f"## `{kind}`\n", "| event | severity | meaning |", "|---|---|---|"]
        lines += [f"| `{one}` | {one.severity} | {one.sentence} |" for one in group]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(events_page(Event))
