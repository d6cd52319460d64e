"""What the apply refuses inside its transaction, each with the rows that clash."""

from collections.abc import Sequence

from controller.kernel.errors import Corrupt, Refused
from controller.stores.directory.model import RowFacts


class OverlappingWindows(Refused):
    """Two rows of one key would be visible together."""

    code = "directory.overlapping_windows"

    def __init__(self, one: RowFacts, other: RowFacts) -> None:
        super().__init__(
            f"{one.table} {one.name}: {one.place} and {other.place} would both be visible "
            f"({one.window_text} and {other.window_text})",
            hint="end the earlier row (or narrow its version) where the later one starts",
        )
        self.one, self.other = one, other


class KeyCollision(Refused):
    """Two different keys have one row key."""

    code = "directory.key_collision"

    def __init__(self, one: RowFacts, other: RowFacts) -> None:
        super().__init__(
            f"{one.table}: the keys {one.name} ({one.place}) and {other.name} ({other.place}) "
            "share one 64-bit row key",
            hint="change one of the two keys; this happens by chance once in billions of rows",
        )
        self.one, self.other = one, other


class PartialOverlap(Refused):
    """Two card ranges that are visible together share numbers, and neither holds the other."""

    code = "directory.partial_overlap"

    def __init__(self, one: RowFacts, other: RowFacts) -> None:
        super().__init__(
            f"ranges {one.name} ({one.place}) and {other.name} ({other.place}) overlap in part",
            hint="ranges that are visible together must be disjoint or lie inside one another",
        )
        self.one, self.other = one, other


class DanglingReference(Refused):
    """A row refers to a participant or an endpoint that would not be there."""

    code = "directory.dangling_reference"

    def __init__(self, row: RowFacts, *, target: str) -> None:
        super().__init__(
            f"{row.table} {row.name} ({row.place}) refers to a row of {target} that is not there",
            hint=f"add the row to {target}, or remove what refers to it in the same release",
        )
        self.row, self.target = row, target


class BaseDiffers(Corrupt):
    """Rows the plan wants to drop are not in the store: its base is not what was applied."""

    code = "directory.base_differs"

    def __init__(self, table: str, *, expected: int, found: int) -> None:
        super().__init__(
            f"{table}: {expected} rows were to be dropped, {found} of them are in the store",
            hint="someone else wrote to the store: compare the digests, then rebuild the table",
        )
        self.table, self.expected, self.found = table, expected, found


class AlreadyThere(Corrupt):
    """Rows the plan wants to put are in the store as they are: its base is not what was applied."""

    code = "directory.already_there"

    def __init__(self, table: str, *, expected: int, put: int) -> None:
        super().__init__(
            f"{table}: {expected} rows were to be put, {expected - put} of them were there already",
            hint="someone else wrote to the store: compare the digests, then rebuild the table",
        )
        self.table, self.expected, self.put = table, expected, put


class NotAllCopied(Corrupt):
    """Other rows came out of whole files than the plan counted in them."""

    code = "directory.not_all_copied"

    def __init__(self, table: str, *, planned: int, copied: int) -> None:
        super().__init__(
            f"{table}: {planned} rows were to be copied, {copied} were",
            hint="nothing was applied; run it again, and report it when it happens twice",
        )
        self.table, self.planned, self.copied = table, planned, copied


def clash(rows: Sequence[RowFacts]) -> Refused:
    """Return the error for two rows of one row key: different keys collide, else windows do."""
    one, other = rows
    if one.key != other.key:
        return KeyCollision(one, other)
    return OverlappingWindows(one, other)
