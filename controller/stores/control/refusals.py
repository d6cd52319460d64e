"""What the rules inside the database are called when they refuse (`0001_controller.sql`)."""

from collections.abc import Callable

from controller.adapters.postgres import DatabaseMessage, register
from controller.kernel.errors import ControllerError, Corrupt, Held, Refused, Untrusted


class HistoryFixed(Refused):
    """A row of a history may not be changed or removed, by nobody."""

    code = "control.history_fixed"


class HistoryGap(Corrupt):
    """A row does not continue the history it was appended to."""

    code = "control.history_gap"


class ReleaseReused(Untrusted):
    """A release serial that was seen before names other bytes now."""

    code = "control.release_reused"


class BundleVersionReused(Untrusted):
    """A bundle version that was seen before names other bytes now."""

    code = "control.bundle_version_reused"


class RootReused(Untrusted):
    """A root version that was accepted before is another document now."""

    code = "control.root_reused"


class HeldMeanwhile(Held):
    """A person placed a hold while a revision was about to be let in; a second look sees it."""

    code = "control.held_meanwhile"


class IllegalMove(Refused):
    """An outbox row may not go from its state to the one asked for."""

    code = "control.illegal_move"


_REFUSALS: dict[str, type[ControllerError]] = {
    "CS001": HistoryFixed,
    "CS002": HistoryGap,
    "CS003": ReleaseReused,
    "CS004": BundleVersionReused,
    "CS005": IllegalMove,
    "CS006": RootReused,
    "CS007": HeldMeanwhile,
}


def _named(refusal: type[ControllerError]) -> Callable[[DatabaseMessage], ControllerError]:
    return lambda message: refusal(message.primary)


for _sqlstate, _refusal in _REFUSALS.items():
    register(_sqlstate, _named(_refusal))
