"""What the rules inside the database are called when they refuse (`0001_controller.sql`)."""

from controller.adapters.postgres import DatabaseMessage, register
from controller.kernel.errors import ControllerError, Corrupt, Refused, Untrusted


class _Rule(ControllerError):
    def __init__(self, message: DatabaseMessage) -> None:
        super().__init__(message.primary)


class HistoryFixed(_Rule, Refused):
    """A row of a history may not be changed or removed, by nobody."""

    code = "control.history_fixed"


class HistoryGap(_Rule, Corrupt):
    """A row does not continue the history it was appended to."""

    code = "control.history_gap"


class ReleaseReused(_Rule, Untrusted):
    """A release serial that was seen before names other bytes now."""

    code = "control.release_reused"


class BundleVersionReused(_Rule, Untrusted):
    """A bundle version that was seen before names other bytes now."""

    code = "control.bundle_version_reused"


class RootReused(_Rule, Untrusted):
    """A root version that was accepted before is another document now."""

    code = "control.root_reused"


class IllegalMove(_Rule, Refused):
    """An outbox row may not go from its state to the one asked for."""

    code = "control.illegal_move"


register("CS001", HistoryFixed)
register("CS002", HistoryGap)
register("CS003", ReleaseReused)
register("CS004", BundleVersionReused)
register("CS005", IllegalMove)
register("CS006", RootReused)
