"""SSH's binary words: length-prefixed strings and integers, read strictly.

Knows nothing of keys or signatures. A reader never returns fewer bytes than were promised, and
`finish` refuses bytes that nobody asked for.
"""

import struct

from controller.kernel.errors import Untrusted


class MalformedSsh(Untrusted):
    """Bytes are not the SSH structure they should be."""

    code = "trust.malformed_ssh"


def string(value: bytes) -> bytes:
    """Return `value` behind its size, a 32-bit big-endian number of bytes."""
    return struct.pack(">I", len(value)) + value


def uint32(value: int) -> bytes:
    """Return a 32-bit big-endian number."""
    return struct.pack(">I", value)


class Reader:
    """Takes words off the front of some bytes; every shortage is a `MalformedSsh`."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._offset, self._what = data, 0, what

    def take(self, count: int) -> bytes:
        """Return exactly `count` bytes."""
        end = self._offset + count
        if end > len(self._data):
            raise MalformedSsh(f"{self._what}: ends after {len(self._data)} bytes, in a field")
        taken = self._data[self._offset : end]
        self._offset = end
        return taken

    def uint32(self) -> int:
        """Return a 32-bit big-endian number."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """Return a length-prefixed string."""
        return self.take(self.uint32())

    def finish(self) -> None:
        """Refuse bytes after the last field."""
        left = len(self._data) - self._offset
        if left:
            raise MalformedSsh(f"{self._what}: {left} bytes after its end")
