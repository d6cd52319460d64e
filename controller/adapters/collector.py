"""Python's search for cycles, put to rest while very many values are made that hold none."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def resting() -> Iterator[None]:
    """Look for no cycles inside the block.

    Rows are tuples of text and go when nobody refers to them. Among millions of them the search
    finds nothing and takes a sixth of a first load; in a small pass it is a pause at random.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
