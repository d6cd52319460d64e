"""One server process for the resolver's requests: `python -m benchmarks.resolve_server` with JSON
on its input says its address in a line, and ends with its input.

The same stack each time, uvicorn on uvloop and httptools, and one of four ways to answer: `hot`
from the snapshot on the connection, `constant` one answer on the connection, `application` from the
snapshot through a bare ASGI application, `asgi_constant` one answer there, and `database` there,
by asking PostgreSQL for each request with the statements that `countersign resolve` uses.
"""

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn

from benchmarks.crowd import ENVIRONMENT
from controller.adapters.clock import SystemClock
from controller.adapters.postgres import connect
from controller.reconcile import snapshot_base
from controller.reconcile.answer import document
from controller.reconcile.resolve import Question, resolve
from controller.reconcile.snapshot import Found, Snapshot
from controller.web.connection import protocol
from controller.web.hot import Answers

CONSTANT = b'{"answer":"%b"}' % (b"x" * 1200)


class _Constant(Answers):
    """The hot route with one answer: what the stack costs without a resolver."""

    def _answer(self, snapshot: Snapshot, match: Any) -> Found | None:
        del snapshot, match
        return Found(200, CONSTANT[:20], CONSTANT[20:], 0)


def main() -> None:
    """Serve until the input ends."""
    words = json.loads(sys.stdin.readline())
    snapshot = snapshot_base.newest(Path(words["folder"]), ENVIRONMENT, {})
    clock = SystemClock()
    app: Any = _nothing
    options: dict[str, Any] = {}
    match words["way"]:
        case "hot":
            options["http"] = protocol(Answers(lambda: snapshot, clock))
        case "constant":
            options["http"] = protocol(_Constant(lambda: snapshot, clock))
        case "application":
            app = _of(lambda scheme, value: _from_memory(snapshot, scheme, value))
        case "asgi_constant":
            app = _of(lambda _scheme, _value: CONSTANT)
        case "database":
            app = _of(_from_database(words["url"]))
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(
        app, loop="uvloop", lifespan="off", access_log=False, log_level="critical", **options
    )
    server = uvicorn.Server(config)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), lambda: setattr(server, "should_exit", True))
        await server.serve([listener])

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(serve())


def _from_memory(snapshot: Snapshot | None, scheme: str, value: str) -> bytes | None:
    assert snapshot is not None
    reply = snapshot.resolve(Question(scheme, value, SystemClock().now()))
    return None if reply is None else reply.body


def _from_database(url: str) -> Any:
    connection = connect(url, application_name="countersign-bench", autocommit=True)

    def ask(scheme: str, value: str) -> bytes | None:
        asked = Question(scheme, value, SystemClock().now())
        found = resolve(connection, ENVIRONMENT, asked)
        return None if found is None else json.dumps(document(found)).encode()

    return ask


def _of(answer: Any) -> Any:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        scheme, value = scope["path"].rsplit("/", 2)[1:]
        body = answer(scheme, value)
        status = 404 if body is None else 200
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body or b"")).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body or b""})

    return app


async def _nothing(_scope: Any, _receive: Any, send: Any) -> None:
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    main()
