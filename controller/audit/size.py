"""How large a record may be: what is written can be read again, by whoever wants to prove it."""

from collections.abc import Mapping

from controller.kernel.canonical import canonical
from controller.kernel.errors import Refused

SIZE_MAX_BYTES = 4 * 1024 * 1024
"""A larger record is not written, and not read."""
SIGNERS_MAX_BYTES = SIZE_MAX_BYTES - 64 * 1024
"""What who signed may take of it: everything else has room in the rest, whatever it says."""


class RecordTooLarge(Refused):
    """What was signed by so many that no record could say it: nobody could prove it later."""

    code = "audit.record_too_large"

    def __init__(self, size_bytes: int, size_max_bytes: int) -> None:
        super().__init__(
            f"the audit record would take {size_bytes:,} bytes for who signed what, at most "
            f"{size_max_bytes:,} are written",
            hint="list fewer bundles in the release, or let no more people sign each than its "
            "role asks for",
        )
        self.size_bytes, self.size_max_bytes = size_bytes, size_max_bytes


def check_signers(signers: Mapping[str, tuple[str, ...]]) -> None:
    """Raise `RecordTooLarge` where a record could not hold who signed what."""
    size = len(canonical({what: list(keys) for what, keys in signers.items()}))
    if size > SIGNERS_MAX_BYTES:
        raise RecordTooLarge(size, SIGNERS_MAX_BYTES)
