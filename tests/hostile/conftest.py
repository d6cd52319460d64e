"""A host that has applied its first release, and what its commands cost when all is well."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.adapters.postgres import connect, with_database
from tests.hostile.host import CPU_SECONDS_MAX, IGNORED, MEMORY_MAX_BYTES, Answer, Attack, Host
from tests.support.commands import Desk
from tests.support.world import NEW_RANGE, open_connection


@pytest.fixture(scope="session")
def first_host(
    tmp_path_factory: pytest.TempPathFactory, server_url: str, template_database: str
) -> tuple[Desk, str]:
    """Return the desk that all others are copies of, and the name of its applied database."""
    home, name = tmp_path_factory.mktemp("first-host"), "template_first_host"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
    url = with_database(server_url, name)
    applied = Desk.make(home / "plain").copy(home / "applied", url)
    assert applied.run("reconcile", "--once").exit_code == 0
    return Desk(home / "plain"), name


@contextmanager
def copied(first_host: tuple[Desk, str], home: Path, server_url: str, name: str) -> Iterator[Host]:
    """Copy the first host and its database."""
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        copy = f"CREATE DATABASE {name} TEMPLATE {first_host[1]} STRATEGY FILE_COPY"
        administrator.execute(copy)
        url = with_database(server_url, name)
        with open_connection(url) as connection:
            desk = first_host[0].copy(home, url)
            shop = desk.shop()
            shop.connection = connection
            yield Host(desk, shop, connection)
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def host(first_host: tuple[Desk, str], tmp_path: Path, server_url: str) -> Iterator[Host]:
    """Return a host whose first release is applied."""
    with copied(first_host, tmp_path, server_url, "hostile_copy") as made:
        yield made


@dataclass(frozen=True)
class Idle:
    """What the two doors cost when nobody means harm."""

    reconcile: Answer
    validate: Answer


@pytest.fixture(scope="session")
def idle(
    first_host: tuple[Desk, str], tmp_path_factory: pytest.TempPathFactory, server_url: str
) -> Idle:
    """Return the twin of every attack: a good release, judged and applied."""
    with copied(first_host, tmp_path_factory.mktemp("idle"), server_url, "idle_copy") as host:
        commit = host.shop.publish(add=[NEW_RANGE])
        found = Idle(host.reconcile(), host.validate(commit))
        assert found.reconcile.code == found.validate.code == 0, found
        assert NEW_RANGE[:6] in host.shop.ranges()
        return found


@pytest.fixture
def meet(host: Host, idle: Idle) -> Callable[[Attack], None]:
    """Return the act and the claim of every attack: both doors refuse it, cheaply."""

    def met(attack: Attack) -> None:
        commit = attack.build(host)
        before, served = host.production(), host.production(served=True)

        judged = host.validate(commit)

        check_cost(judged, idle.validate)
        code, rule = attack.validate
        assert judged.code == code, judged.said[:2000]
        assert rule in (judged.err if code == 2 else judged.rules)
        if attack.reconcile is IGNORED:
            return
        passed = host.reconcile(commit)
        check_cost(passed, idle.reconcile)
        code, words = attack.reconcile
        assert passed.code == code, passed.said[:2000]
        assert words in passed.said
        assert host.production(served=True) == served
        assert code == 0 or host.production() == before

    return met


def check_cost(answer: Answer, twin: Answer) -> None:
    """Demand that an answer cost little more than its twin and is no accident."""
    seconds = answer.cpu_seconds - twin.cpu_seconds
    size_bytes = answer.peak_bytes - twin.peak_bytes
    assert "Traceback" not in answer.said, answer.said[-2000:]
    assert seconds < CPU_SECONDS_MAX, f"{seconds:.2f} s of CPU more than idle"
    assert size_bytes < MEMORY_MAX_BYTES, f"{size_bytes >> 20} MiB more than idle"
