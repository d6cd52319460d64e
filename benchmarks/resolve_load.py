"""A small load generator: keep-alive connections, one request under way on each.

`python -m benchmarks.resolve_load PORT SECONDS` reads targets from its input, one a line, and
prints what it counted as JSON. It runs in a process of its own, so that it only costs the server
what clients cost.
"""

import json
import selectors
import socket
import sys
import time

CONNECTIONS = 32
_WARM_SECONDS = 0.3


class _Client:
    """One connection and what it waits for."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.sent_at = 0.0

    def complete(self) -> bytes | None:
        """Read; return the status line once a whole answer is there."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return None
        at = head.lower().index(b"content-length:")
        size = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(body) < size:
            return None
        assert len(body) == size
        self.buffer = b""
        return head[9:12]


def main(port: str, seconds: str) -> None:
    """Ask as fast as answers come, for so long; print requests, and times to an answer."""
    requests = [
        b"GET %b HTTP/1.1\r\nhost: resolver.example\r\naccept: application/json\r\n"
        b"user-agent: bench\r\n\r\n" % line.strip()
        for line in sys.stdin.buffer
    ]
    selector = selectors.EpollSelector()
    number = 0

    def ask(client: _Client) -> None:
        nonlocal number
        client.sent_at = time.perf_counter()
        client.socket.sendall(requests[number % len(requests)])
        number += 1

    for _ in range(CONNECTIONS):
        client = _Client(int(port))
        selector.register(client.socket, selectors.EVENT_READ, client)
        ask(client)
    begin = time.perf_counter() + _WARM_SECONDS
    end = begin + float(seconds)
    times: list[float] = []
    statuses: dict[str, int] = {}
    resets = 0
    while True:
        for key, _ in selector.select():
            client = key.data
            try:
                status = client.complete()
            except ConnectionError:
                # A server that stood still closes what it believes to be idle: begin anew.
                resets += 1
                selector.unregister(client.socket)
                client = _Client(int(port))
                selector.register(client.socket, selectors.EVENT_READ, client)
                ask(client)
                continue
            if status is None:
                continue
            now = time.perf_counter()
            if now >= begin:
                times.append(now - client.sent_at)
                statuses[status.decode()] = statuses.get(status.decode(), 0) + 1
            ask(client)
        if time.perf_counter() >= end:
            break
    times.sort()
    print(
        json.dumps(
            {
                "requests": len(times),
                "all_requests": number,
                "seconds": time.perf_counter() - begin,
                "statuses": statuses,
                "resets": resets,
                "p50": times[len(times) // 2],
                "p99": times[len(times) * 99 // 100],
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
