"""Who an access control list lets at a file: what the mode bits cannot tell.

systemd hands a credential to a service by an entry for its user; the mode then shows the mask where
the group's bits would be, and looks as if a group could read what only that user can.
"""

import os
import struct
from typing import Final

_NAME: Final = "system.posix_acl_access"
_HEADER: Final = struct.Struct("<I")
_ENTRY: Final = struct.Struct("<HHI")
_VERSION: Final = 2
_USER_OBJECT, _USER, _MASK = 0x01, 0x02, 0x10
_OWN: Final = frozenset({_USER_OBJECT, _MASK})


def is_ours_alone(descriptor: int) -> bool:
    """Whether a list lets nobody but the owner and ourselves at a file; without a list: no."""
    try:
        data = os.getxattr(descriptor, _NAME)
    except (OSError, AttributeError):  # there is none, or this system has no such thing
        return False
    if len(data) < _HEADER.size or (len(data) - _HEADER.size) % _ENTRY.size:
        return False
    if _HEADER.unpack_from(data)[0] != _VERSION:
        return False
    entries = _ENTRY.iter_unpack(data[_HEADER.size :])
    return all(
        tag in _OWN or permission == 0 or (tag == _USER and who == os.geteuid())
        for tag, permission, who in entries
    )
