"""What keeps a new revision out although every check is good: a person, or a window."""

from dataclasses import dataclass
from datetime import datetime

from controller.kernel.errors import Held
from controller.kernel.instants import format_instant


@dataclass(frozen=True, slots=True)
class Holding:
    """Why nothing new is let in: who or what says so, and until when, if that is known."""

    kind: str
    reason: str
    actor: str = ""
    until: datetime | None = None

    def __str__(self) -> str:
        """Return it as people read it."""
        by = f" by {self.actor}" if self.actor else ""
        until = f" until {format_instant(self.until)}" if self.until else ""
        return f"{self.kind}{by}{until}: {self.reason}"


class HeldBack(Held):
    """A hold or a window keeps a good revision out."""

    code = "holds.held_back"

    def __init__(self, holding: Holding) -> None:
        super().__init__(
            f"new revisions are held back, {holding}",
            hint="what is applied is served; `countersign resume` or `countersign unfreeze` "
            "lets new revisions in again, a window ends by itself",
        )
        self.holding = holding
