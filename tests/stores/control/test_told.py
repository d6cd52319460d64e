"""A new revision is told with the transaction that makes it, and not before."""

from typing import Any

from controller.adapters.postgres import Connection, connect
from controller.stores.control import store
from tests.support.control import revision


def test_a_revision_is_told_once_it_is_there(database: Connection[Any], database_url: str) -> None:
    listener = connect(database_url, application_name="tests", autocommit=True)
    listener.execute("LISTEN countersign_revision")
    store.append_revision(database, revision(1))
    assert list(listener.notifies(timeout=0.2)) == []

    database.commit()

    told = [one.payload for one in listener.notifies(timeout=5, stop_after=1)]
    listener.close()
    assert told == ["1"]


def test_a_revision_that_is_rolled_back_is_not_told(
    database: Connection[Any], database_url: str
) -> None:
    listener = connect(database_url, application_name="tests", autocommit=True)
    listener.execute("LISTEN countersign_revision")
    store.append_revision(database, revision(1))

    database.rollback()

    assert list(listener.notifies(timeout=0.5)) == []
    listener.close()
