"""How big a world is: S, M and L as real directories are, `full` as the goals are set."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """Rows of each table. `issuers` are the participants that card ranges name.

    `audit_commits` is how long the trail is that the part `audit` goes on from, `random_changes`
    how many the part `digest` makes.
    """

    name: str
    participants: int
    identifiers: int
    endpoints: int
    ranges: int
    issuers: int
    audit_commits: int = 100_000
    random_changes: int = 3_000

    @property
    def rows(self) -> int:
        """All rows together."""
        return self.participants + self.identifiers + self.endpoints + self.ranges + self.issuers

    def __str__(self) -> str:
        """Return the sizes as a person reads them."""
        return (
            f"{self.name}: {self.participants:,} participants, {self.identifiers:,} identifiers, "
            f"{self.endpoints:,} endpoints, {self.ranges:,} nested card ranges of "
            f"{self.issuers:,} issuers; {self.rows:,} rows"
        )


SIZES = {
    size.name: size
    for size in (
        Size("S", 1_000, 3_000, 5_000, 6_000, 100, audit_commits=2_000, random_changes=300),
        Size(
            "M", 20_000, 180_000, 60_000, 350_000, 5_000, audit_commits=20_000, random_changes=600
        ),
        Size("L", 1_600_000, 2_700_000, 0, 343_000, 5_000),
        Size("full", 1_000_000, 2_500_000, 1_500_000, 343_000, 5_000),
    )
}
