"""What a host's own clock and time tell: the checks that `countersign doctor` cannot be shown."""

import os
import signal
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.postgres import connect
from controller.app.doctor import Verdict, examine
from tests.support.commands import Desk


@dataclass
class ShiftedClock:
    """The real clock of a host that runs fast or slow."""

    by: timedelta

    def now(self) -> datetime:
        """Return the present instant as this host sees it."""
        return datetime.fromtimestamp(SystemClock().now().timestamp(), UTC) + self.by


@pytest.fixture(scope="module")
def first_desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of the deploy host that all others are copies of."""
    return Desk.make(tmp_path_factory.mktemp("examined")).home


@pytest.fixture
def desk(first_desk: Path, tmp_path: Path, database_url: str) -> Desk:
    """Return a deploy host whose first release is applied."""
    made = Desk(first_desk).copy(tmp_path, database_url)
    assert made.run("reconcile", "--once").exit_code == 0
    return made


def _verdicts(desk: Desk, by: timedelta) -> dict[str, Verdict]:
    return {one.name: one.verdict for one in examine(desk.config, ShiftedClock(by))}


@pytest.mark.stops("clock.ahead")
@pytest.mark.parametrize(
    ("by", "verdict"),
    [
        (timedelta(0), Verdict.OK),
        (timedelta(seconds=10), Verdict.WARN),
        (timedelta(minutes=5), Verdict.FAIL),
        (timedelta(minutes=-5), Verdict.FAIL),
    ],
)
def test_a_clock_apart_from_the_databases_is_told(
    desk: Desk, by: timedelta, verdict: Verdict
) -> None:
    assert _verdicts(desk, by)["clock"] is verdict


def test_a_clock_behind_the_last_pass_fails(desk: Desk) -> None:
    assert _verdicts(desk, timedelta(0))["time"] is Verdict.OK
    assert _verdicts(desk, timedelta(hours=-1))["time"] is Verdict.FAIL


def test_a_root_is_renewed_before_it_expires(desk: Desk) -> None:
    years = timedelta(days=5 * 365)

    assert _verdicts(desk, years - timedelta(days=31))["root"] is Verdict.OK
    assert _verdicts(desk, years - timedelta(days=1))["root"] is Verdict.WARN
    assert _verdicts(desk, years + timedelta(days=1))["root"] is Verdict.FAIL


def test_a_server_that_stops_to_answer_fails_one_check_and_is_not_asked_on(
    desk: Desk, database_url: str
) -> None:
    checks = examine(desk.config, SystemClock(), seconds=2)
    seen = [next(one for one in checks if one.name == "database").verdict]
    with connect(database_url, application_name="tests", autocommit=True) as other:
        backends = [
            row[0]
            for row in other.execute(
                "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database() AND application_name = 'countersign'"
            )
        ]
    assert backends
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)

    try:
        left = list(checks)
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)

    assert seen == [Verdict.OK]
    assert [(one.name, one.verdict, one.late) for one in left] == [("encoding", Verdict.FAIL, True)]
    assert [one.name for one in examine(desk.config, SystemClock(), seconds=60)][-1] == "digests"
