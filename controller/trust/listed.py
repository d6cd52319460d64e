"""What one document says of another: which version of it, and which bytes.

A document that lists others fixes what belongs together, so that nobody can mix old parts with new
ones, and its newer versions may not take back what it said. Numbers and digests only: which
document lists which, and how its bytes are read, is a format's affair.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.kernel.errors import Untrusted


class VersionWentBack(Untrusted):
    """A version lower than one already seen."""

    code = "trust.version_went_back"

    def __init__(self, what: str, known: int, offered: int) -> None:
        super().__init__(f"{what}: version {offered} is older than {known}, which we know")
        self.what, self.known, self.offered = what, known, offered


class NoLongerListed(Untrusted):
    """A newer list leaves out what an older one listed."""

    code = "trust.no_longer_listed"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was listed before and is not any more")
        self.what = what


class NotListed(Untrusted):
    """A document that nothing believed lists."""

    code = "trust.not_listed"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not listed")
        self.what = what


class NotAsListed(Untrusted):
    """A document is not the one that is listed: another version, or other bytes."""

    code = "trust.not_as_listed"

    def __init__(self, what: str, fact: str, *, listed: object, found: object) -> None:
        super().__init__(f"{what}: its {fact} is {found}, listed is {listed}")
        self.what, self.fact = what, fact


@dataclass(frozen=True, slots=True)
class Listed:
    """Facts about a document: as another one lists them, or as they were found.

    What is `None`, or a digest that is absent, is not said. `digests` are by algorithm, in hex.
    """

    version: int | None = None
    size_bytes: int | None = None
    digests: Mapping[str, str] = field(default_factory=dict)


def check_forward(what: str, *, known: int, offered: int) -> None:
    """Raise `VersionWentBack` when `offered` is lower than `known`."""
    if offered < known:
        raise VersionWentBack(what, known, offered)


def check_lists_forward(known: Mapping[str, Listed], offered: Mapping[str, Listed]) -> None:
    """Raise when a newer list takes a version back, or leaves out what an older one listed."""
    for what, before in known.items():
        if what not in offered:
            raise NoLongerListed(what)
        check_forward(what, known=before.version or 0, offered=offered[what].version or 0)


def check_listed(what: str, listed: Listed | None, found: Listed) -> None:
    """Raise unless a document is exactly the one that is listed, in everything that is said."""
    if listed is None:
        raise NotListed(what)
    facts: list[tuple[str, object, object]] = [
        ("version", listed.version, found.version),
        ("size", listed.size_bytes, found.size_bytes),
        *((name, digest, found.digests.get(name)) for name, digest in listed.digests.items()),
    ]
    for fact, said, is_so in facts:
        if said is not None and said != is_so:
            raise NotAsListed(what, fact, listed=said, found=is_so)
