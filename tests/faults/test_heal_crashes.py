"""A heal that dies leaves every row as it drifted, or every row as it is declared."""

import json
from collections import Counter

import pytest

from controller.adapters.clock import SystemClock
from controller.reconcile import drift
from controller.reconcile.proof import prove_database, prove_git
from tests.support.campaign import Campaign
from tests.support.deaths import everywhere, of_slice
from tests.support.mortal import Mortals
from tests.support.tracer import Doom, Watched
from tests.support.world import Shop

SLICE = 2
EDITS = (
    "UPDATE directory.participant SET name = 'Mallory' WHERE id = 'harbour-bank'",
    "DELETE FROM directory.range WHERE iin_start = '990105'",
    "UPDATE directory.table_digest SET rows = 0",
)


def drifted(shop: Shop) -> str:
    """Let rows drift; return the digest of it."""
    for edit in EDITS:
        shop.world().connection.execute(edit.encode())
    return digest(shop) or ""


def digest(shop: Shop) -> str | None:
    found = drift.look(shop.world())
    return found.digest if found is not None else None


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_heal_that_dies_leaves_all_rows_drifted_or_none(
    shop: Shop, database_url: str, deadly: Mortals, campaign: Campaign
) -> None:
    config = shop.keys / "countersign.toml"
    with config.open("a") as settings:
        settings.write(f"\n[database]\nurl = {json.dumps(database_url)}\n")
    config.chmod(0o600)
    found: Counter[int] = Counter()

    def heal(named: str, doom: Doom | None = None) -> Watched:
        arguments = ["drift", "--heal", named, "--config", str(config)]
        return deadly.run("command", shop.folder.parent, doom, arguments=arguments)

    tried = heal(drifted(shop)).tried
    assert (digest(shop), shop.revision) == (None, 2)
    dooms = list(everywhere(tried)) if campaign.everywhere else of_slice(tried, SLICE)
    for doom in campaign.through("a heal", tried, dooms, deadly):
        seen, old = drifted(shop), shop.revision

        dead = heal(seen, doom)

        assert dead.died or doom.effect > len(dead.tried)
        healed = shop.revision - old
        found[healed] += 1
        assert digest(shop) == (None if healed else seen)
        if not healed:
            heal(seen)
        shop.clock.instant = SystemClock().now()
        shop.reconcile()
        assert (digest(shop), shop.revision) == (None, old + 1)
    assert set(found) == {0, 1}
    proof = prove_git(
        shop.repository,
        shop.pin,
        branch="main",
        controller=shop.controller,
        now=shop.clock.now(),
    )[1]
    proven = prove_database(shop.world().connection, shop.repository, proof)
    assert (proven.rows, proven.lag) == (shop.revision, 0)
