"""How a table is brought from here to there: three ways, chosen from counts alone.

Measured on 343,000 ranges: arrays in a statement win up to about a thousand rows, a staged table up
to about a tenth of the table; above that a new table that takes the old one's place is faster and
writes less log.
"""

from enum import StrEnum

DELTA_ROWS_MAX = 1_000
STAGED_SHARE_MAX = 10  # one row in ten


class Strategy(StrEnum):
    """A way to change a table."""

    DELTA = "delta"
    STAGED = "staged"
    REBUILD = "rebuild"


def choose(changed: int, rows: int) -> Strategy:
    """Return the way for `changed` rows put or dropped in a table that holds `rows`."""
    if changed <= DELTA_ROWS_MAX:
        return Strategy.DELTA
    if changed * STAGED_SHARE_MAX <= rows:
        return Strategy.STAGED
    return Strategy.REBUILD
