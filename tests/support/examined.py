"""A deploy host that `countersign doctor` looks over, and ways to break its settings."""

from typing import Any

from tests.support.commands import Desk


def checks_of(desk: Desk) -> tuple[int, dict[str, dict[str, Any]]]:
    said = desk.run("doctor", "-o", "json")
    checks = {one["name"]: one for one in said.json["checks"]}
    assert all(one["hint"] for one in checks.values() if one["verdict"] != "ok")
    assert said.exit_code == any(one["verdict"] == "fail" for one in checks.values())
    return said.exit_code, checks


def verdict_of(desk: Desk, name: str) -> str:
    verdict = checks_of(desk)[1][name]["verdict"]
    assert isinstance(verdict, str)
    return verdict


def set_text(desk: Desk, old: str, new: str) -> None:
    settings = desk.config.read_text()
    assert old in settings
    desk.config.write_text(settings.replace(old, new))


def set_line(desk: Desk, section: str, line: str) -> None:
    """Set one thing in a section, instead of what it says there."""
    name = line.partition(" ")[0]
    before, head, after = desk.config.read_text().partition(f"[{section}]\n")
    own, bracket, rest = after.partition("\n[")
    kept = [one for one in own.splitlines() if not one.startswith(f"{name} ")]
    lines = "\n".join([line, *kept])
    desk.config.write_text(f"{before}[{section}]\n{lines}{bracket}{rest}" + "\n" * (not head))
