"""Roots that grant what the demo's does not: who signs commits, and who signs heartbeats."""

from datetime import timedelta
from typing import Any

from controller.artifacts import layout
from controller.artifacts.heartbeat import Heartbeat
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.objects import Oid
from tests.support.world import Shop

HOUR = timedelta(hours=1)


def granted(
    shop: Shop, role: str, *people: str, threshold: int = 1, not_after: str | None = None
) -> Oid:
    """Commit the next root, in which people whose keys may be new hold a role.

    `not_after` is when each new key ends.
    """
    named = [_signer(shop, name) for name in people]

    def change(document: dict[str, Any]) -> None:
        for name, signer in zip(people, named, strict=True):
            id_, line = signer.public.id, signer.public.line
            new = {"public": line, "owner": name, "scheme": "ed25519"}
            if not_after is not None:
                new["not_after"] = not_after
            document["keys"].setdefault(id_, new)
        ids = [signer.public.id for signer in named]
        document["roles"][role] = {"keys": ids, "threshold": threshold}

    return shop.commit(dict([shop.next_root(change)]), by="alice")


def beat(shop: Shop, *, by: str = "ci", lasts: timedelta = 2 * HOUR, **said: Any) -> Oid:
    """Commit a heartbeat that somebody signed, whatever it says."""
    now = shop.clock.now()
    facts = {
        "repository": shop.root.repository,
        "environment": ENVIRONMENT,
        "commit": shop.tip,
        "created": now,
        "expires": said.get("created", now) + lasts,
    }
    payload = Heartbeat(**{**facts, **said}).payload()
    path = layout.heartbeat_path(ENVIRONMENT)
    return shop.commit({path: shop.sealed(payload, (by,))}, message="Heartbeat")


def _signer(shop: Shop, name: str) -> Any:
    return shop.signer(name) if (shop.keys / name).exists() else shop.new_person(name)
