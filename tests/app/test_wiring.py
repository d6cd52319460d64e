"""What the settings of a host become in the objects that run."""

from pathlib import Path

from controller.app import wiring
from controller.app.settings import load
from tests.support.commands import Desk


def shown(config: Path, *names: str) -> list[str]:
    with wiring.database(load(config)) as connection:
        rows = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in names]
    return [row[0] for row in rows if row is not None]


def test_the_limits_of_the_settings_are_those_of_the_connection(
    tmp_path: Path, database_url: str
) -> None:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    (tmp_path / "first").mkdir()
    desk = Desk.make(tmp_path / "first").copy(tmp_path, database_url)

    unsaid = shown(desk.config, *names)
    with desk.config.open("a") as settings:
        settings.write("lock_timeout_seconds = 1\nstatement_timeout_seconds = 2\n")
        settings.write("idle_in_transaction_timeout_seconds = 3\n")

    assert unsaid == ["10s", "10min", "2min"]
    assert shown(desk.config, *names) == ["1s", "2s", "3s"]
