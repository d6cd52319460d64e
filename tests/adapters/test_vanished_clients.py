"""How long a client that is gone, or stands still, can hold what its transaction has locked."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from psycopg.conninfo import make_conninfo

from controller.adapters.embedded import EmbeddedPostgres
from controller.adapters.embedded_home import Home
from controller.adapters.postgres import (
    DatabaseUnavailable,
    Limits,
    connect,
    translated,
)
from tests.support.house import ROOT
from tests.support.postgres import ask, passable_folder
from tests.support.proxy import door

LOOPBACK = "127.77.0.1"
KEEPALIVES = (
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_keepalives_count",
    "tcp_user_timeout",
    "client_connection_check_interval",
    "idle_in_transaction_session_timeout",
)
HOLD = "BEGIN; LOCK TABLE controller.applied IN ACCESS EXCLUSIVE MODE"
WAITS = "SELECT 1 FROM controller.applied"


class ByTcp(EmbeddedPostgres):
    """The embedded server, reached by TCP as one of another machine is."""

    def _settings(self, place: Home) -> Iterator[str]:
        yield from super()._settings(place)
        yield from ("-c", f"listen_addresses={LOOPBACK}")


def shown(url: str, limits: Limits | None = None) -> list[str]:
    """Return what a session of ours runs with."""
    with closing(connect(url, application_name="tests", limits=limits or Limits())) as connection:
        rows = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in KEEPALIVES]
    return [row[0] for row in rows if row is not None]


def test_a_server_on_another_machine_gives_up_a_client_that_vanished() -> None:
    with passable_folder() as folder, ByTcp(folder / "state", fsync=False) as server:
        url = make_conninfo(server.url, host=LOOPBACK)

        assert shown(url) == ["10", "5", "4", "30000", "10s", "2min"]
        short = Limits(vanished_seconds=6, watch_ms=8, idle_in_transaction_ms=7_000)
        assert shown(url, short) == ["2", "1", "4", "6000", "8ms", "7s"]
        assert shown(f"{url} keepalives_idle=60")[0] == "10"  # the server's own is ours to say


def test_a_client_gives_up_a_server_that_vanished(database_url: str) -> None:
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    with (
        door(database_url) as made,
        connect(made.url, application_name="tests") as connection,
        socket.socket(fileno=os.dup(connection.fileno())) as ours,
    ):
        alive = ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        found = [ours.getsockopt(socket.IPPROTO_TCP, option) for option in options]
        user_timeout = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)

    assert (alive, found, user_timeout) == (1, [10, 5, 4], 30_000)


def test_a_url_may_ask_for_other_keepalives(database_url: str) -> None:
    with (
        door(database_url) as made,
        connect(f"{made.url}&keepalives_idle=7", application_name="tests") as connection,
        socket.socket(fileno=os.dup(connection.fileno())) as ours,
    ):
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7


def test_a_server_that_cannot_watch_its_clients_is_used_without(database_url: str) -> None:
    """One on Windows refuses the setting; here it is a value that any server refuses."""
    assert shown(database_url, Limits(watch_ms=2**31))[4] == "0"


@contextmanager
def client(url: str, statement: str, limits: Limits) -> Iterator[subprocess.Popen[str]]:
    """Run a client in a process of its own that holds a lock and then does something."""
    script = (
        "import sys\n"
        "from controller.adapters.postgres import Limits, connect, translated\n"
        f"limits = {limits!r}\n"
        "url = sys.stdin.readline().strip()\n"
        "with connect(url, application_name='t', autocommit=True, limits=limits) as connection:\n"
        f"    connection.execute({HOLD!r})\n"
        "    print('holds', flush=True)\n"
        "    with translated():\n"
        f"        {statement}\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(f"{url}\n")
        child.stdin.flush()
        assert child.stdout.readline() == "holds\n"
        yield child
    finally:
        child.kill()
        child.communicate()


def waited(url: str) -> float:
    """Return how many seconds the lock that the client holds keeps us waiting."""
    before = time.monotonic()
    with closing(connect(url, application_name="tests", limits=Limits(lock_ms=60_000))) as mine:
        mine.execute(WAITS)
    return time.monotonic() - before


def test_a_client_that_stands_still_in_a_transaction_loses_it_in_time(database_url: str) -> None:
    limits = Limits(idle_in_transaction_ms=4_000)
    go_on = "sys.stdin.readline(); connection.execute('SELECT 1')"
    with client(database_url, go_on, limits) as child:
        child.send_signal(signal.SIGSTOP)

        took = waited(database_url)

        child.send_signal(signal.SIGCONT)
        _, said = child.communicate("go on\n", timeout=30)
    assert 0.5 < took < 30
    assert DatabaseUnavailable.__name__ in said


def test_a_client_that_does_something_keeps_its_transaction(database_url: str) -> None:
    limits = Limits(idle_in_transaction_ms=4_000)
    busy = "[connection.execute('SELECT pg_sleep(0.5)') for _ in range(10)]"
    with client(database_url, f"{busy}; connection.execute('COMMIT')", limits) as child:
        assert waited(database_url) > 1

        _, said = child.communicate(timeout=30)
    assert (child.returncode, said) == (0, "")


def test_a_client_that_died_in_a_long_statement_holds_nothing_until_its_end(
    database_url: str,
) -> None:
    limits = Limits(watch_ms=1_000)
    with client(database_url, "connection.execute('SELECT pg_sleep(50)')", limits) as child:
        while (
            ask(database_url, "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(50)'")
            is None
        ):
            time.sleep(0.05)
        child.kill()

        assert waited(database_url) < 30


def test_a_session_that_was_ended_is_unavailable_and_not_a_mistake_of_ours(
    database_url: str,
) -> None:
    limits = Limits(idle_in_transaction_ms=50)
    with closing(connect(database_url, application_name="tests", limits=limits)) as connection:
        connection.execute("SELECT 1")
        time.sleep(1)

        with pytest.raises(DatabaseUnavailable) as refusal, translated():
            connection.execute("SELECT 1")

    assert refusal.value.hint
