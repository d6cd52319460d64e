"""The benchmark of small commands runs what it says; how long they take is not asked here."""

from dataclasses import fields
from pathlib import Path

from benchmarks import startup


def test_every_command_is_run_and_measured(tmp_path: Path) -> None:
    found = startup.measure(tmp_path, runs=1)

    costs = {field.name: getattr(found, field.name) for field in fields(found)}
    assert all(cost.wall > 0 for cost in costs.values())
    assert sorted(costs) == ["git", "help", "python", "validate", "version"]
    assert [cost for _, cost in startup.rows(found)] == list(costs.values())
    assert list((tmp_path / "compiled").rglob("validate.*.pyc"))
