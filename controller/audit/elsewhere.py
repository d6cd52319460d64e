"""What trails of other controllers tell of revisions: read once, newest first, up to a bound.

Nothing here is proven. It only explains a gap: controllers that take turns each hold some of an
environment's revisions. Whoever may push such a branch may make it long, so what lies beyond the
bounds explains nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from controller.audit.branch import Branch, newest_first, parsed, raw_at
from controller.audit.commit import record_in, reference
from controller.audit.record import AuditRecord
from controller.kernel.errors import ControllerError, Unavailable

COMMITS_MAX = 200_000
SIZE_MAX_BYTES = 1024 * 1024 * 1024
"""Of all trails together: what turns of some years take, even where releases are large."""


@dataclass(slots=True)
class Elsewhere:
    """The revisions that other trails tell of, as far as anybody had to ask."""

    repository: Branch
    controllers: Iterable[str]
    commits_max: int = COMMITS_MAX
    size_max_bytes: int = SIZE_MAX_BYTES
    _told: set[tuple[str, int]] = field(default_factory=set)
    _rest: Iterator[tuple[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is read before somebody asks."""
        self._rest = self._revisions()

    def tell(self, environment: str, revisions: range) -> bool:
        """Whether other trails tell of each of these revisions."""
        return all(self._tell((environment, number)) for number in revisions)

    def _tell(self, wanted: tuple[str, int]) -> bool:
        while wanted not in self._told:
            found = next(self._rest, None)
            if found is None:
                return False
            self._told.add(found)
        return True

    def _revisions(self) -> Iterator[tuple[str, int]]:
        commits, size_bytes = 0, 0
        for name in self.controllers:
            try:
                for raw in self._commits(name):
                    commits, size_bytes = commits + 1, size_bytes + len(raw)
                    if commits > self.commits_max or size_bytes > self.size_max_bytes:
                        return
                    record = AuditRecord.parse(record_in(parsed(raw).message))
                    yield record.environment, record.revision
            except Unavailable:
                raise
            except ControllerError:
                continue  # What cannot be read explains nothing.

    def _commits(self, controller: str) -> Iterator[bytes]:
        tip = self.repository.target(reference(controller))
        for commit in newest_first(self.repository, tip) if tip is not None else ():
            yield raw_at(self.repository, commit)
