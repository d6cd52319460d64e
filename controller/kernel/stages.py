"""The stages of a turn, and who watches how long each takes: metrics and traces."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import TypeAlias


class Stage(StrEnum):
    """What a turn does, in this order; the last three once for each pass."""

    LOOK = "look"
    """Bring the mirror to where its remotes are."""
    CHECK = "check"
    """The heartbeat and the clock."""
    DECIDE = "decide"
    """History, signatures, contents, plan, guards and holds."""
    APPLY = "apply"
    """The transaction that changes production."""
    PUBLISH = "publish"
    """The signed audit commits."""


Staged: TypeAlias = Callable[[Stage], AbstractContextManager[None]]
"""Watches a stage for as long as the block runs."""


def unwatched(_stage: Stage) -> AbstractContextManager[None]:
    """Let a stage run; nobody watches."""
    return nullcontext()
