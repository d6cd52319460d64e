"""Vectors of heartbeats."""

import json
from collections.abc import Callable
from typing import Any

from controller.artifacts.heartbeat import Heartbeat
from controller.kernel.canonical import readable, sha256
from controller.kernel.objects import Oid
from tests.support.trust import NOW, REPOSITORY

HEARTBEAT = Heartbeat(REPOSITORY, "production", Oid(b"\3" * 20), NOW, NOW.replace(hour=23))


def heartbeats() -> dict[str, Any]:
    payload = HEARTBEAT.payload()

    def bent(change: Callable[[Any], object]) -> str:
        made = json.loads(payload)
        change(made)
        return readable(made).decode()

    def digest(one: Any) -> dict[str, str]:
        found: dict[str, str] = one["subject"][0]["digest"]
        return found

    changes: dict[str, Callable[[Any], object]] = {
        "another predicate type": lambda one: one.update(predicateType="urn:countersign:ack:v1"),
        "another environment's head": lambda one: one["subject"][0].update(
            name="environments/staging/head"
        ),
        "two commits": lambda one: one["subject"].append(one["subject"][0]),
        "no commit": lambda one: one["subject"].clear(),
        "a commit of 39 digits": lambda one: digest(one).update(gitCommit="3" * 39),
        "a commit in capitals": lambda one: digest(one).update(gitCommit="A" * 40),
        "a second digest": lambda one: digest(one).update(gitTree="3" * 40),
        "an end that never comes": lambda one: one["predicate"].update(expires=None),
        "an end at the beginning": lambda one: one["predicate"].update(
            expires=one["predicate"]["created"]
        ),
        "a fraction of a second": lambda one: one["predicate"].update(
            expires="2027-01-01T00:00:00.5Z"
        ),
        "a number nobody asked for": lambda one: one["predicate"].update(seq=1),
        "no repository": lambda one: one["predicate"].pop("repository"),
    }
    return {
        "good": [{"payload": payload.decode(), "sha256": sha256(payload)}],
        "bad": [{"reason": reason, "payload": bent(change)} for reason, change in changes.items()],
    }
