"""Plain documents for tests: keys are names, a signature says whose it is."""

from collections.abc import Mapping, Sequence
from typing import Any

NOW = "2026-11-20T12:00:00Z"
LATER = "2027-11-20T12:00:00Z"
TOP = ("root", "timestamp", "snapshot", "targets")


def key(name: str, **changes: Any) -> dict[str, Any]:
    """Return somebody's key."""
    return {"id": name, "material": f"{name}'s", **changes}


def role(*names: str, threshold: int = 1) -> dict[str, Any]:
    """Return a role of people."""
    return {"keys": [key(name) for name in names], "threshold": threshold}


def signed(document: Mapping[str, Any], *by: str) -> dict[str, Any]:
    """Return a document that people signed, and nobody else."""
    made = [{"key": name, "value": f"{name}'s"} for name in by]
    return {**document, "signatures": made}


def root(version: int = 1, *, by: Sequence[str] = ("r",), **roles: Any) -> dict[str, Any]:
    """Return a root whose roles are those given; the others have one key each: r, t, s, g."""
    usual = {name: role(short) for name, short in zip(TOP, "rtsg", strict=True)}
    document = {"role": "root", "version": version, "expires": LATER, "roles": {**usual, **roles}}
    return signed(document, *by)


def timestamp(version: int = 1, snapshot: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a timestamp that lists a snapshot."""
    lists = {"snapshot": {"version": snapshot}}
    document = {"role": "timestamp", "version": version, "expires": LATER, "lists": lists}
    return signed({**document, **changes}, *changes.pop("by", "t"))


def snapshot(version: int = 1, **listed: int) -> dict[str, Any]:
    """Return a snapshot that lists versions; `targets` 1 where nothing else is said."""
    lists = {name: {"version": one} for name, one in {"targets": 1, **listed}.items()}
    return signed({"role": "snapshot", "version": version, "expires": LATER, "lists": lists}, "s")


def targets(
    version: int = 1, *, name: str = "targets", by: Sequence[str] = "g", **changes: Any
) -> dict[str, Any]:
    """Return a document that says something of `file`, or of what is given."""
    said = {"file": {"size": 4, "digests": {"sha256": f"{name}-{version}"}}}
    document = {"role": name, "version": version, "expires": LATER, "targets": said}
    return signed({**document, **changes}, *by)


def delegation(
    name: str, *keys: str, paths: Sequence[str] = ("**",), threshold: int = 1, **changes: Any
) -> dict[str, Any]:
    """Return a right that a document gives to another."""
    return {"name": name, "paths": list(paths), **role(*keys, threshold=threshold), **changes}
