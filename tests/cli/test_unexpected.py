"""What nobody thought of is an error, not a difference: exit code 2, and production as it was."""

import subprocess
import sys

from controller.adapters.postgres import connect
from tests.support.commands import Desk

BY_HAND = """
CREATE FUNCTION controller.by_hand() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
CREATE TRIGGER by_hand BEFORE INSERT ON controller.journal
FOR EACH ROW EXECUTE FUNCTION controller.by_hand();
"""


def test_a_trigger_of_somebody_else_ends_a_pass_with_an_error(
    desk: Desk, database_url: str
) -> None:
    with connect(database_url, application_name="tests", autocommit=True) as connection:
        connection.execute(BY_HAND.encode())
    command = [sys.executable, "-c", "from controller.cli.main import main; main()"]
    command += ["reconcile", "--once", "--config", str(desk.config)]

    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert said.returncode == 2
    assert "not today" in said.stderr
    assert "this should not have happened" in said.stderr
    assert "report" in said.stderr
    assert desk.run("status", "-o", "json").json["applied"] is None
