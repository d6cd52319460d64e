"""`countersign audit`: what is proven, and which link breaks first."""

import pytest

from controller.adapters.postgres import connect
from controller.app.settings import load
from tests.support.commands import Desk
from tests.support.world import MAIN, NEW_RANGE


@pytest.mark.allows("insider.rows", "deploy-key.audit-branch")
def test_the_trail_is_proven_from_git_and_against_the_database(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    desk.shop().publish(add=[NEW_RANGE])
    desk.run("reconcile", "--once")

    found = desk.run("audit", "verify", "-o", "json").json

    assert found["git"]["links"] == 2
    assert found["git"]["tip"] == desk.shop().audit_commits()[-1].hex()
    assert found["database"] == {"records": 2, "lag": 0, "tables": 6, "revisions": 2}


def test_without_a_branch_nothing_is_proven(paper_desk: Desk) -> None:
    said = paper_desk.run("audit", "verify", "--git-only")

    assert said.exit_code == 3
    assert "there is no audit branch" in said.err


def test_git_alone_needs_no_database(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    settings = desk.config.read_text()
    desk.config.write_text(settings.partition("[database]")[0] + '[database]\nurl = "nowhere"\n')

    said = desk.run("audit", "verify", "--git-only", "-o", "json")

    assert said.exit_code == 0
    assert said.json["git"]["links"] == 1
    assert said.json["database"] is None


@pytest.mark.stops("deploy-key.audit-branch")
def test_a_trail_that_somebody_else_continued_is_exit_3_at_that_link(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    shop = desk.shop()
    ref = f"refs/heads/audit/{shop.controller}"
    tip = shop.repository.target(ref)
    assert tip is not None
    shop.repository.move(ref, tip, shop.tip)

    said = desk.run("audit", "verify")

    assert said.exit_code == 3
    assert "link 1" in said.err
    shop.repository.move(ref, shop.tip, tip)
    assert desk.run("audit", "verify").exit_code == 0


@pytest.mark.stops("insider.rows")
def test_rows_that_somebody_changed_are_exit_2_with_the_table(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    url = load(desk.config).database_url()
    assert url is not None
    with connect(url, application_name="tests", autocommit=True) as connection:
        connection.execute("UPDATE directory.range SET brand = 'Mine' WHERE iin_start = '990105'")

    said = desk.run("audit", "verify")

    assert said.exit_code == 2
    assert "table ranges has the digest" in said.err
    assert desk.run("audit", "verify", "--git-only").exit_code == 0


def test_the_records_are_shown_newest_first(desk: Desk) -> None:
    assert "no branch" in desk.run("audit", "show").out
    desk.run("reconcile", "--once")
    desk.shop().publish(add=[NEW_RANGE])
    desk.run("reconcile", "--once")

    records = desk.run("audit", "show", "-o", "json").json["records"]

    assert [one["record"]["seq"] for one in records] == [2, 1]
    assert records[0]["record"]["commit"] == desk.shop().repository.target(MAIN).hex()  # type: ignore[union-attr]
    assert len(desk.run("audit", "show", "--limit", "1", "-o", "json").json["records"]) == 1
