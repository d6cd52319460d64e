"""What a controller has accepted so far: roots, bundle versions, and what is live."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.adapters.postgres import Connection
from controller.kernel.canonical import Digest
from controller.stores.control import store
from controller.stores.control.model import AppliedBundle, RootRecord


@dataclass(frozen=True, slots=True)
class Known:
    """Accepted so far.

    All of it is written in transactions that move `controller.applied`, if only its epoch, and in
    no others; before the first revision roots are accepted without.
    """

    roots: tuple[RootRecord, ...]
    bundle_versions: Mapping[tuple[str, int], Digest]
    live: tuple[AppliedBundle, ...]


def read(connection: Connection[Any], environment: str) -> Known:
    """Read all of it, which grows with the number of versions there ever were."""
    return Known(
        store.roots(connection),
        store.bundle_versions(connection),
        store.live_bundles(connection, environment),
    )
