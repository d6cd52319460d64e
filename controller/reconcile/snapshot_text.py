"""The few texts that a resolver's copy renders itself: instants, and what was asked for."""

from functools import lru_cache

from controller.kernel.instants import format_instant
from controller.reconcile.snapshot_facts import quoted
from controller.stores.directory.model import ANYTHING, Reach
from controller.stores.directory.snapshot_records import instant_of

_PLAIN = b'","capability":null,"currency":null,"rail":null},"state":'


def reach_json(reach: Reach) -> bytes:
    """Return what an answer says between its instant and its state."""
    if reach is ANYTHING:
        return _PLAIN
    words = (reach.capability, reach.currency, reach.rail)
    return b'","capability":%b,"currency":%b,"rail":%b},"state":' % tuple(
        b"null" if word is None else quoted(word) for word in words
    )


@lru_cache(maxsize=1 << 12)
def instant_json(moment: int) -> bytes:
    """Return an instant as JSON."""
    instant = instant_of(moment)
    return b"null" if instant is None else b'"%b"' % format_instant(instant).encode()
