"""Who may sign what stands at a path: rights over paths, found in one order for everybody.

A right is given for patterns; the first one found that says anything about a path decides. A
terminating right is the last that is asked. Knows nothing of keys or documents: a right (`grant`)
is whatever the caller means by it.
"""

import fnmatch
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from controller.kernel.errors import Untrusted

G = TypeVar("G")
VISITS_MAX = 32
"""So many delegations are asked about one path: a graph of them may be as deep as it likes."""


class TooManyDelegations(Untrusted):
    """A path is delegated on and on."""

    code = "trust.too_many_delegations"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"more than {VISITS_MAX} delegations were asked about {path!r}",
            hint="delegate the path more directly",
        )
        self.path = path


@dataclass(frozen=True, slots=True)
class Delegation(Generic[G]):
    """A right over every path that one of the patterns matches."""

    paths: tuple[str, ...]
    terminating: bool
    grant: G


def search(delegations: Iterable[Delegation[G]], path: str) -> Iterator[Delegation[G]]:
    """Yield the delegations that match `path`, in order; a terminating one is the last."""
    for delegation in delegations:
        if any(matches(pattern, path) for pattern in delegation.paths):
            yield delegation
            if delegation.terminating:
                return


def explore(
    delegations: Iterable[Delegation[G]],
    path: str,
    *,
    name: Callable[[G], Hashable],
    below: Callable[[G], Iterable[Delegation[G]]],
) -> Iterator[Delegation[G]]:
    """Yield who is to be asked about `path`, each before those it delegates to, each name once.

    `below` is asked for a right's own delegations only after it was yielded and the caller wants
    the next: by then it has read whatever they stand in. After a terminating right and those below
    it nobody else is asked. Raises `TooManyDelegations` rather than stop half-way.
    """
    waiting = list(search(delegations, path))[::-1]
    asked: set[Hashable] = set()
    while waiting:
        here = waiting.pop()
        if here.terminating:
            waiting.clear()
        if name(here.grant) in asked:
            continue
        if len(asked) == VISITS_MAX:
            raise TooManyDelegations(path)
        asked.add(name(here.grant))
        yield here
        waiting += list(search(below(here.grant), path))[::-1]


def matches(pattern: str, path: str) -> bool:
    """Whether a glob matches a path, segment by segment: `*` and `?` never cross a `/`.

    A segment that is exactly `**` stands for any number of segments, none included.
    """
    return _match(pattern.split("/"), path.split("/"))


def _match(patterns: Sequence[str], segments: Sequence[str]) -> bool:
    # One row of a table per pattern keeps this linear in both, whatever a root's author wrote.
    reachable = [True] + [False] * len(segments)
    for pattern in patterns:
        following = [False] * (len(segments) + 1)
        if pattern == "**":
            alive = False
            for index, here in enumerate(reachable):
                alive = alive or here
                following[index] = alive
        else:
            for index, segment in enumerate(segments):
                if reachable[index] and fnmatch.fnmatchcase(segment, pattern):
                    following[index + 1] = True
        reachable = following
    return reachable[-1]
