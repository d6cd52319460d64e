"""Worlds in which things go wrong, and how much of the campaign a run goes through."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import chronicle, tracer, world
from tests.support.campaign import Campaign, code_digest, table
from tests.support.chronicle import Told
from tests.support.followed import Followed, live_once
from tests.support.house import ROOT
from tests.support.mortal import Mortals, mortals
from tests.support.world import Shop

CAMPAIGN = pytest.StashKey[Campaign]()
FINISHED = "faults/finished"
"""Where the cache of pytest keeps the tests that a campaign has finished, and with which code."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest tests/faults --campaign` dies at every effect of every story: `make faults`."""
    group = parser.getgroup("faults")
    group.addoption("--campaign", action="store_true", help="die everywhere, not only in the slice")
    group.addoption("--go-on", action="store_true", help="leave out what the last campaign passed")
    group.addoption("--freeze", action="store_true", help="write the lists of tests/faults anew")


def is_campaign(config: pytest.Config) -> bool:
    """Whether every effect of every story is to be deadly once, on both sides."""
    # A run of all tests reads this file too late to know the option.
    return bool(config.getoption("--campaign", default=False))


def cache_of(config: pytest.Config) -> pytest.Cache | None:
    """Return what remembers between runs; none with `-p no:cacheprovider`."""
    return getattr(config, "cache", None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the last campaign finished with the same code, where that is asked for."""
    cache = cache_of(config)
    if not is_campaign(config) or cache is None:
        return
    now = code_digest()
    code, finished = cache.get(FINISHED, ("", []))
    if not config.getoption("--go-on") or code != now:
        cache.set(FINISHED, (now, []))
        return
    left_out = [one for one in items if one.nodeid in finished]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [one for one in items if one.nodeid not in finished]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show what the campaign went through."""
    found = config.stash.get(CAMPAIGN, None)
    if found is None or not found.everywhere or not found.runs:
        return
    terminalreporter.section("campaign")
    for line in table(found.runs):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def whole_campaign(request: pytest.FixtureRequest) -> Campaign:
    """Return what all stories of this run report to."""
    config = request.config
    reporter = config.pluginmanager.getplugin("terminalreporter")
    capture = config.pluginmanager.getplugin("capturemanager")
    everywhere = is_campaign(config)

    def tell(text: str) -> None:
        if everywhere and reporter is not None and capture is not None:
            with capture.global_and_fixture_disabled():
                reporter.ensure_newline()
                reporter.write_line(text)

    stories = sum("campaign" in getattr(one, "fixturenames", ()) for one in request.session.items)
    config.stash[CAMPAIGN] = Campaign(everywhere, tell, stories)
    return config.stash[CAMPAIGN]


@pytest.fixture
def campaign(whole_campaign: Campaign, request: pytest.FixtureRequest) -> Iterator[Campaign]:
    """Return the campaign; a test that used it and passed is remembered as finished."""
    failed = request.session.testsfailed
    yield whole_campaign
    cache = cache_of(request.config)
    if whole_campaign.everywhere and cache is not None and request.session.testsfailed == failed:
        code, finished = cache.get(FINISHED, ("", []))
        cache.set(FINISHED, (code, [*finished, request.node.nodeid]))


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of the shop that all others are copies of."""
    return world.start(tmp_path_factory.mktemp("first-day"))


@pytest.fixture(scope="session")
def deadly(first_day: Path) -> Iterator[Mortals]:
    """Return the process that watched acts are forked from."""
    if not tracer.available():
        pytest.skip("needs ptrace on Linux x86-64 to see every effect of a process")
    with mortals(first_day) as found:
        yield found


@pytest.fixture
def new_shop(first_day: Path, tmp_path: Path, database_url: str) -> Iterator[Shop]:
    """Return a shop whose database is empty."""
    with world.open_connection(database_url) as connection:
        yield Shop.copy(first_day, tmp_path, connection)


@pytest.fixture
def shop(new_shop: Shop) -> Shop:
    """Return a shop whose first release is applied."""
    new_shop.reconcile()
    return new_shop


Tell = Callable[[Told], None]


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Tell:
    """Return what compares a story with its record, or puts it there."""

    def tell(story: Told) -> None:
        path = Path(request.node.path).relative_to(ROOT).as_posix()
        named = replace(story, test=(path, request.function.__name__))
        if request.config.getoption("--freeze", default=False):
            chronicle.write(named)
        kept = [one.facts for one in chronicle.records() if one.story == named.story]
        assert kept == [named.facts], "see tests/support/chronicle.py"

    return tell


@pytest.fixture
def followed(new_shop: Shop, tmp_path: Path, database_url: str) -> Followed:
    """Return a host that has followed people's repository up to the first release."""
    found = Followed(new_shop, tmp_path / "state")
    live_once(found, database_url)
    return found
