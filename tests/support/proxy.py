"""A door between a client and PostgreSQL that can be shut at any message, by TCP as in production.

It speaks nothing: it counts the packets that the client sends, passes them on, and resets the
connection before the one that was named, or right after the server got it.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

_CHUNK_BYTES = 1 << 20
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER without waiting: a reset, no farewell


@dataclass
class Door:
    """How to reach the database through the door, and when it shuts."""

    url: str
    server: str
    shuts_at: int = 0
    """The packet of the client's, from 1, at which it shuts; 0: never."""
    lets_it_through: bool = False
    """Whether the server still gets that packet."""
    passed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def shut_at(self, packet: int, *, lets_it_through: bool = False) -> None:
        """Count from the beginning, and shut at a packet."""
        with self._lock:
            self.passed, self.shuts_at, self.lets_it_through = 0, packet, lets_it_through

    def knock(self) -> tuple[bool, bool]:
        """Count a packet; return whether it goes through, and whether the door shuts then."""
        with self._lock:
            self.passed += 1
            shut = bool(self.shuts_at) and self.passed >= self.shuts_at
            through = self.lets_it_through and self.passed == self.shuts_at
            return through or not shut, shut


@contextmanager
def door(url: str) -> Iterator[Door]:
    """Open a door to the database that a URL with a Unix socket names."""
    facts = conninfo_to_dict(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        query = urlencode(
            {"host": "127.0.0.1", "port": port, "dbname": facts["dbname"], "sslmode": "disable"},
            quote_via=quote,
        )
        user, password = facts["user"], quote(str(facts["password"]))
        made = Door(f"postgresql://{user}:{password}@/?{query}", f"{facts['host']}/.s.PGSQL.5432")
        threading.Thread(target=_listen, args=(listener, made), daemon=True).start()
        yield made


def _listen(listener: socket.socket, made: Door) -> None:
    with suppress(OSError):  # closed: the test is over
        while True:
            client, _ = listener.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(made.server)
            for work in (_ask, _answer):
                threading.Thread(target=work, args=(client, server, made), daemon=True).start()


def _ask(client: socket.socket, server: socket.socket, made: Door) -> None:
    with suppress(OSError):
        while data := client.recv(_CHUNK_BYTES):
            through, shut = made.knock()
            if through:
                server.sendall(data)
            if shut:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                client.shutdown(socket.SHUT_RD)
                break
    # The other thread waits on this socket: only a shutdown wakes it, and tells the server.
    with suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)
    for one in (client, server):
        with suppress(OSError):
            one.close()


def _answer(client: socket.socket, server: socket.socket, made: Door) -> None:
    del made
    with suppress(OSError):
        while data := server.recv(_CHUNK_BYTES):
            client.sendall(data)
    with suppress(OSError):
        client.close()
