"""What an error says, as a finding: a report names it under its code, at the path it is about."""

from controller.kernel.errors import ControllerError
from controller.kernel.findings import Finding, Severity


def rule_of(error: ControllerError) -> str:
    """Return the rule id that an error is reported under."""
    return f"trust/{error.code.removeprefix('trust.')}"


def told(error: ControllerError, path: str, severity: Severity = Severity.ERROR) -> Finding:
    """Return an error as a finding; `path` is where it is when it does not say so itself."""
    named = getattr(error, "path", path)
    place = named if isinstance(named, str) and named else path
    message = str(error).removeprefix(f"{place}: ").removeprefix(f"{place} ")
    return Finding(rule_of(error), severity, place, message, hint=error.hint)
