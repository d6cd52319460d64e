"""Every way the controller can fail, as one tree.

    ControllerError
    ├── Refused          whoever wrote the input must change it          exit 2
    │   ├── Untrusted    a signature, a key or a history was refused     exit 3
    │   ├── Held         a guard, a freeze or a missing ack stops it     exit 4
    │   └── Unclean      a check found something that blocks             exit 1
    ├── Unavailable      nobody: the same call may succeed later         exit 2
    │   └── DeadlinePassed   it took longer than it may                  exit 124
    └── Corrupt          an operator, now: we stop rather than guess     exit 2

The branch decides the exit code, the HTTP status, and whether a loop tries again. A leaf carries
its facts as attributes and a `code` that never changes; nobody reads its message to decide.
"""

from typing import ClassVar


class ControllerError(Exception):
    """The root of the tree; never raised itself.

    `hint` says what to do next and is printed on a line of its own.
    """

    code: ClassVar[str] = "controller"
    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Refused(ControllerError):
    """Whoever wrote the input must change it."""

    code = "refused"


class Untrusted(Refused):
    """A signature, a key, a role or a history was refused."""

    code = "untrusted"
    exit_code = 3


class Held(Refused):
    """A guard, a freeze or a missing acknowledgement stops an otherwise good plan."""

    code = "held"
    exit_code = 4


class Unclean(Refused):
    """A check found something that blocks; the findings say what and where."""

    code = "unclean"
    exit_code = 1


class Unavailable(ControllerError):
    """Nobody has to act: the same call may succeed later."""

    code = "unavailable"


class DeadlinePassed(Unavailable):
    """Something took longer than it may."""

    code = "unavailable.deadline"
    exit_code = 124


class Corrupt(ControllerError):
    """What we stored is not what we wrote: an operator has to look, we stop rather than guess."""

    code = "corrupt"
