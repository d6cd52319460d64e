"""Wait until another process has applied a commit: what `--wait` of promote and rollback does."""

import time

from controller.app import host, wiring
from controller.app.settings import Settings
from controller.kernel.objects import Oid
from controller.stores.control import store as control
from controller.stores.control.model import Applied

POLL_SECONDS = 0.5


def wait_until_applied(settings: Settings, commit: Oid) -> Applied:
    """Return once production is at `commit` or at a commit that grew out of it.

    Polls the database; the caller sets the deadline. Nothing is applied here: a controller, or
    `countersign reconcile` in another shell, has to do that. No connection stays open between two
    looks: an embedded server that is going down for it would keep that other process out.
    """
    repository = host.artifact_repository(settings)
    environment = settings.controller.environment
    while True:
        with wiring.database(settings) as connection:
            applied = control.read_applied(connection, environment)
        if applied is not None and repository.is_ancestor(commit, applied.commit):
            return applied
        time.sleep(POLL_SECONDS)
