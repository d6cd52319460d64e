"""The objects that were read last, by id: one pass asks for the same few again and again."""

from controller.kernel.objects import Header, Oid

OBJECT_BYTES_MAX = 128 * 1024
BYTES_MAX = 32 * 1024 * 1024


class RecentObjects:
    """Headers and contents of objects, which never change under their id; bounded in bytes.

    Threads may share one: at worst an object is read twice.
    """

    def __init__(
        self, *, object_bytes_max: int = OBJECT_BYTES_MAX, bytes_max: int = BYTES_MAX
    ) -> None:
        self._object_bytes_max, self._bytes_max = object_bytes_max, bytes_max
        self._kept: dict[Oid, tuple[Header, bytes]] = {}
        self._bytes = 0
        self.get = self._kept.get

    def put(self, oid: Oid, kind: str, data: bytes) -> None:
        """Keep an object that is small enough; when there are too many, begin anew."""
        size_bytes = len(data)
        if size_bytes > self._object_bytes_max or oid in self._kept:
            return
        self._bytes += size_bytes
        if self._bytes > self._bytes_max:
            self._kept.clear()
            self._bytes = size_bytes
        self._kept[oid] = Header(kind, size_bytes), data
