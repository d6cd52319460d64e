"""The embedded server: joined or started, owned, killed, and never less than whole."""

import json
import os
import pwd
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.adapters import embedded, embedded_home
from controller.adapters.embedded import EmbeddedPostgres
from controller.adapters.postgres import DatabaseUnavailable, LoginRefused, connect, translated
from tests.support.postgres import ask, owners, passable_folder

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def state() -> Iterator[Path]:
    with passable_folder() as folder:
        yield folder / "state"


@pytest.fixture
def stopped(state: Path) -> Path:
    """A state directory whose server ran and was stopped in order."""
    with EmbeddedPostgres(state, fsync=False) as server:
        ask(server.url, "CREATE TABLE kept AS SELECT 7 AS seven")
    return state


def _data(state: Path) -> Path:
    return state / "postgresql" / "data"


def _ends(pid: int, *, within_seconds: int = 10) -> bool:
    for _ in range(within_seconds * 20):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def _takes_logins(url: str) -> bool:
    try:
        ask(url, "SELECT 1")
    except DatabaseUnavailable:
        return False
    return True


def test_a_fresh_directory_becomes_a_server_without_a_network_port(state: Path) -> None:
    with EmbeddedPostgres(state) as server:
        names = ("listen_addresses", "data_checksums", "fsync", "server_encoding", "TimeZone")
        found = {name: ask(server.url, f"SHOW {name}") for name in names}
        locale = ask(server.url, "SELECT datlocprovider, datlocale FROM pg_database LIMIT 1")

    assert [row and row[0] for row in found.values()] == ["", "on", "on", "UTF8", "UTC"]
    assert locale == (b"b" if isinstance(locale and locale[0], bytes) else "b", "C.UTF-8")


def test_a_second_handle_joins_and_its_leaving_ends_nothing(state: Path) -> None:
    with EmbeddedPostgres(state, fsync=False) as owner:
        with EmbeddedPostgres(state) as guest:
            assert (owner.owns, guest.owns) == (True, False)
            assert guest.url == owner.url

        assert ask(owner.url, "SELECT 1") == (1,)


def test_the_server_is_gone_when_its_owner_stopped(state: Path) -> None:
    with EmbeddedPostgres(state, fsync=False) as server:
        url = server.url

    with pytest.raises(DatabaseUnavailable):
        ask(url, "SELECT 1")


def test_an_owner_that_leaves_waits_for_those_who_joined(state: Path) -> None:
    with owners(state, 1) as [owner]:
        connection = connect(owner.url, application_name="tests", autocommit=True)
        owner.told_to_leave()
        with pytest.raises(subprocess.TimeoutExpired):
            owner.process.wait(1)

        with connection.transaction():
            row = connection.execute("SELECT 7").fetchone()
        connection.close()

        assert row == (7,)
        assert owner.process.wait(30) == 0


def test_who_comes_while_the_server_goes_down_waits_and_starts_the_next(state: Path) -> None:
    with owners(state, 1) as [owner]:
        connection = connect(owner.url, application_name="tests", autocommit=True)
        owner.told_to_leave()
        while _takes_logins(owner.url):
            time.sleep(0.05)
        threading.Timer(1, connection.close).start()

        with EmbeddedPostgres(state, fsync=False) as server:
            assert server.owns
            assert ask(server.url, "SELECT 1") == (1,)
        assert owner.process.wait(30) == 0


def test_who_joined_and_never_leaves_is_cut_off_in_the_end(state: Path) -> None:
    server = EmbeddedPostgres(state, fsync=False, guests_seconds=1)
    server.start()
    connection = connect(server.url, application_name="tests", autocommit=True)

    server.stop()

    with pytest.raises(DatabaseUnavailable), translated():
        connection.execute("SELECT 1")
    connection.close()


def test_what_was_written_is_there_after_a_restart(stopped: Path) -> None:
    with EmbeddedPostgres(stopped, fsync=False) as server:
        assert ask(server.url, "SELECT seven FROM kept") == (7,)


def test_six_processes_on_a_fresh_directory_share_one_server(state: Path) -> None:
    with owners(state, 6) as six:
        births = {ask(each.url, "SELECT pg_postmaster_start_time()") for each in six}

        assert sum(each.owns for each in six) == 1
        assert len(births) == 1


def test_a_killed_owner_takes_the_server_down_and_the_next_one_starts_it_again(
    state: Path,
) -> None:
    with owners(state, 1) as [owner]:
        ask(owner.url, "CREATE TABLE kept AS SELECT 7 AS seven")

        owner.kill()

        assert owner.postmaster is not None
        with EmbeddedPostgres(state) as server:
            assert server.owns
            assert ask(server.url, "SELECT seven FROM kept") == (7,)
        assert _ends(owner.postmaster)


def test_a_server_started_by_a_thread_outlives_the_thread(state: Path) -> None:
    server = EmbeddedPostgres(state, fsync=False)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    time.sleep(0.3)

    try:
        assert ask(server.url, "SELECT 1") == (1,)
    finally:
        server.stop()


def test_no_acknowledged_insert_is_lost_when_the_postmaster_is_killed(state: Path) -> None:
    server = EmbeddedPostgres(state)
    server.start()
    ask(server.url, "CREATE TABLE kept (writer int, number int)")

    acknowledged = [0, 0]
    for _ in range(2):
        _write_until_killed(server, acknowledged)
        server.stop()
        server.start()

    with EmbeddedPostgres(state) as guest:
        stored = [
            ask(guest.url, f"SELECT count(*) FROM kept WHERE writer = {writer}")
            for writer in range(2)
        ]
    server.stop()
    assert min(acknowledged) > 0
    for row, count in zip(stored, acknowledged, strict=True):
        # At most the one insert in flight at each kill may be there without an answer.
        assert row is not None
        assert count <= row[0] <= count + 2


def _write_until_killed(server: EmbeddedPostgres, acknowledged: list[int]) -> None:
    def write(writer: int) -> None:
        connection = connect(server.url, application_name="tests", autocommit=True)
        try:
            with translated():
                while True:
                    number = acknowledged[writer] + 1
                    connection.execute("INSERT INTO kept VALUES (%s, %s)", (writer, number))
                    acknowledged[writer] = number
        except DatabaseUnavailable:
            connection.close()

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    for thread in threads:
        thread.join()


def test_a_stale_pid_file_that_names_a_living_stranger_does_not_stop_a_start(
    stopped: Path,
) -> None:
    server = EmbeddedPostgres(stopped, fsync=False)
    server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    pid_file = _data(stopped) / "postmaster.pid"
    owner = pid_file.stat().st_uid
    sleeper = subprocess.Popen(["/bin/sleep", "60"], user=owner if os.geteuid() == 0 else None)
    pid_file.write_text(f"{sleeper.pid}\n" + pid_file.read_text().partition("\n")[2])

    try:
        with EmbeddedPostgres(stopped, fsync=False) as again:
            assert ask(again.url, "SELECT seven FROM kept") == (7,)
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_wrong_password_is_refused_and_the_right_one_is_not(state: Path) -> None:
    with EmbeddedPostgres(state, fsync=False):
        file = state / "embedded.json"
        right = file.read_text()
        file.write_text(json.dumps(json.loads(right) | {"password": "wrong"}))

        with pytest.raises(LoginRefused) as refusal:
            EmbeddedPostgres(state).start()

        assert "wrong" not in str(refusal.value)
        file.write_text(right)
        EmbeddedPostgres(state).start()


@needs_root
def test_the_server_runs_as_an_unprivileged_user(state: Path) -> None:
    with EmbeddedPostgres(state, fsync=False) as server:
        process = Path(f"/proc/{server.pid}")

        assert pwd.getpwuid(process.stat().st_uid).pw_name in ("countersign", "nobody")


@needs_root
def test_the_account_that_is_named_is_the_one_it_runs_as(state: Path) -> None:
    with EmbeddedPostgres(state, fsync=False, run_as="daemon") as server:
        assert pwd.getpwuid(Path(f"/proc/{server.pid}").stat().st_uid).pw_name == "daemon"


@needs_root
@pytest.mark.parametrize("name", ["root", "no-such-user"])
def test_root_and_unknown_users_are_refused_as_the_account(state: Path, name: str) -> None:
    with pytest.raises(embedded_home.AccountRefused):
        EmbeddedPostgres(state, run_as=name).start()


@needs_root
@pytest.mark.parametrize(("name", "enters"), [("daemon", False), ("nobody", True)])
def test_another_unix_user_does_not_get_in_even_with_the_password(
    state: Path, name: str, enters: bool
) -> None:
    account = pwd.getpwnam(name)
    launcher = Path(embedded.__file__).with_name("launcher.py")
    with EmbeddedPostgres(state, fsync=False, run_as="nobody") as server:
        psql = embedded_home.find_binaries() / "psql"
        command = [
            *(sys.executable, "-I", "-S", str(launcher), str(os.getpid())),
            *(str(account.pw_uid), str(account.pw_gid), str(psql), server.url, "-c", "SELECT 1"),
        ]
        result = subprocess.run(command, cwd="/", capture_output=True, check=False, timeout=30)

    assert (result.returncode == 0) is enters, result.stderr


@needs_root
def test_behind_a_closed_directory_the_data_goes_elsewhere_and_no_mode_changes(
    tmp_path: Path,
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    state = closed / "state"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in state.parents}

    with EmbeddedPostgres(state, fsync=False) as server:
        data = ask(server.url, "SHOW data_directory")

    assert modes == {path: stat.S_IMODE(path.stat().st_mode) for path in state.parents}
    assert data is not None
    assert Path(data[0]).is_relative_to(embedded_home.OUTSIDE)
    embedded.remove(state)
    assert not Path(data[0]).parent.exists()


def test_a_path_too_long_for_a_socket_works(state: Path) -> None:
    long = state / ("x" * 120) / "state"
    long.parent.mkdir(parents=True)
    state.chmod(0o711)

    with EmbeddedPostgres(long, fsync=False) as server, EmbeddedPostgres(long) as guest:
        row = ask(guest.url, "SHOW unix_socket_directories")

        assert server.url == guest.url
        assert row is not None
        assert stat.S_IMODE(Path(row[0]).stat().st_mode) == 0o700
    embedded.remove(long)
    assert not Path(row[0]).exists()


def test_data_of_another_major_version_is_refused(stopped: Path) -> None:
    version = _data(stopped) / "PG_VERSION"
    version.write_text("16\n")
    with pytest.raises(embedded.WrongMajorVersion) as refusal:
        EmbeddedPostgres(stopped).start()
    assert refusal.value.found == "16"

    version.write_text("18\n")
    with EmbeddedPostgres(stopped, fsync=False) as server:
        assert ask(server.url, "SELECT seven FROM kept") == (7,)


def test_damaged_data_is_an_operators_business(stopped: Path) -> None:
    (_data(stopped) / "global" / "pg_control").write_bytes(b"")

    with pytest.raises(embedded.DataDamaged):
        EmbeddedPostgres(stopped).start()


def test_a_data_directory_without_its_version_is_damaged(stopped: Path) -> None:
    (_data(stopped) / "PG_VERSION").unlink()

    with pytest.raises(embedded.DataDamaged):
        EmbeddedPostgres(stopped).start()


def test_a_server_that_ends_at_once_shows_the_end_of_its_log(stopped: Path) -> None:
    with (_data(stopped) / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")

    with pytest.raises(embedded.ServerFailed, match="no_such_setting"):
        EmbeddedPostgres(stopped).start()


def test_data_whose_password_was_lost_is_not_given_a_new_one(stopped: Path) -> None:
    (stopped / "embedded.json").unlink()

    with pytest.raises(embedded_home.StateDamaged):
        EmbeddedPostgres(stopped).start()


def test_a_state_directory_that_anybody_may_write_to_is_refused(state: Path) -> None:
    state.mkdir()
    state.chmod(0o777)
    with pytest.raises(embedded_home.StateNotOurs):
        EmbeddedPostgres(state).start()

    state.chmod(0o711)
    with EmbeddedPostgres(state, fsync=False) as server:
        assert ask(server.url, "SELECT 1") == (1,)


def test_a_start_that_was_cut_off_while_making_the_data_starts_over(state: Path) -> None:
    with EmbeddedPostgres(state, fsync=False):
        pass
    _data(state).rename(_data(state).with_name("data.new"))

    with EmbeddedPostgres(state, fsync=False) as server:
        assert ask(server.url, "SELECT 1") == (1,)


def test_the_password_is_in_no_log_and_no_argument(stopped: Path) -> None:
    password = json.loads((stopped / "embedded.json").read_text())["password"]

    with EmbeddedPostgres(stopped, fsync=False) as server:
        arguments = Path(f"/proc/{server.pid}/cmdline")
        seen = arguments.read_text() if arguments.exists() else ""

    assert password not in (stopped / "postgresql.log").read_text()
    assert password not in seen
    assert not list((stopped / "postgresql").glob("password*"))


def test_a_running_database_is_not_removed(state: Path) -> None:
    with EmbeddedPostgres(state, fsync=False), pytest.raises(embedded.NotReady):
        embedded.remove(state)

    embedded.remove(state)
    assert not _data(state).exists()


def test_a_server_that_somebody_keeps_is_started_again_by_nobody_else(state: Path) -> None:
    with EmbeddedPostgres(state, fsync=False, keeps=True) as kept:
        assert kept.pid is not None
        os.kill(kept.pid, signal.SIGKILL)
        guest = EmbeddedPostgres(state, fsync=False)
        comes = threading.Thread(target=guest.start)
        comes.start()
        time.sleep(1)
        assert comes.is_alive(), "it waits for whoever keeps the server"
        assert kept.ended

        kept.stop()
        kept.start()
        comes.join(60)

        assert (kept.owns, guest.owns) == (True, False)
        assert ask(guest.url, "SELECT 1") == (1,)
    with EmbeddedPostgres(state, fsync=False) as alone:
        assert alone.owns, "nobody keeps it any more"


def test_a_keeper_that_joined_sees_that_the_server_has_ended(state: Path) -> None:
    with EmbeddedPostgres(state, fsync=False, guests_seconds=0) as first:
        keeper = EmbeddedPostgres(state, fsync=False, keeps=True)
        keeper.start()
        assert (keeper.owns, keeper.ended) == (False, False)
        first.stop()

        assert keeper.ended
        with keeper:
            assert (keeper.owns, keeper.ended) == (True, False)
