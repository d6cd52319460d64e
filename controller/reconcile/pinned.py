"""Whether the root that this host pins is one of those its controller has followed.

A pin in the settings is the last word on whom a host believes. When it names a root that nothing
leads to, somebody changed it by hand: nothing goes on until that is recorded (`repin`), so that
no trail shows one root and then, silently, another.
"""

from controller.kernel.canonical import Digest
from controller.kernel.errors import Untrusted
from controller.reconcile.recall import Recall
from controller.stores.control.known import Known
from controller.trust.root import Pin, Root

FROM_EMPTY = "an empty database starts from whatever root is pinned"


class PinChanged(Untrusted):
    """This host pins a root that the roots followed so far do not lead to."""

    code = "pin.changed"

    def __init__(self, pinned: Root, *, held: int) -> None:
        meant = "record it: `countersign root pin`"
        if pinned.version <= held:
            meant = f"a root that starts again is numbered {held + 1} or higher; {FROM_EMPTY}"
        super().__init__(
            f"this host pins root {pinned.version} ({pinned.digest[:12]}…), which does not follow "
            f"root {held} that its controller has followed so far",
            hint=f"if that was meant, {meant}: docs/runbooks/root-ceremony.md",
        )
        self.version, self.sha256, self.held = pinned.version, pinned.digest, held


def check_pin(recall: Recall, pin: Pin, known: Known) -> None:
    """Raise `PinChanged` unless the pinned root is known, or follows what is known."""
    if not is_known(recall, pin, known):
        pinned = recall.root(pin, ()).root
        raise PinChanged(pinned, held=known.roots[-1].version)


def is_known(recall: Recall, pin: Pin, known: Known) -> bool:
    """Whether a pinned root is among those that were followed, or follows the last of them."""
    if not known.roots or pin.sha256 in {one.sha256 for one in known.roots}:
        return True
    last = known.roots[-1]
    try:
        recall.root(Pin(last.envelope, Digest(last.sha256)), (pin.envelope,))
    except Untrusted:
        return False
    return True
