"""Findings for other programs: annotations of a forge's job log, and SARIF 2.1.0."""

from collections.abc import Iterable, Sequence
from typing import Any

from controller import __version__
from controller.kernel.findings import Finding, Severity

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def github(findings: Iterable[Finding]) -> list[str]:
    """Return workflow commands, which a GitHub job turns into remarks beside the lines."""
    return [_command(one) for one in findings]


def sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return one run as code scanning reads it."""
    driver = {
        "name": "countersign",
        "version": __version__,
        "rules": [{"id": rule} for rule in sorted({one.rule for one in findings})],
    }
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(one) for one in findings]}],
    }


def _command(one: Finding) -> str:
    place = {"file": one.file, "line": str(one.line) if one.line else "", "title": one.rule}
    facts = ",".join(f"{name}={_property(value)}" for name, value in place.items() if value)
    return f"::{_COMMANDS[one.severity]} {facts}::{_data(_told(one))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _result(one: Finding) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": one.file}}
    if one.line:
        place["region"] = {"startLine": one.line}
    return {
        "ruleId": one.rule,
        "level": _LEVELS[one.severity],
        "message": {"text": _told(one)},
        "locations": [{"physicalLocation": place}],
    }


def _told(one: Finding) -> str:
    where = f"{one.column}: " if one.column else ""
    hint = f" ({one.hint})" if one.hint else ""
    return f"{where}{one.message}{hint}"
