"""PagerDuty's Events API v2: a failure triggers an incident, its recovery resolves the same one.

What is applied goes to the service's changes, which page nobody.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from controller.adapters.outbound import Call, send
from controller.adapters.senders import Place, secret_line
from controller.kernel.canonical import Json, canonical
from controller.kernel.instants import format_instant
from controller.kernel.notices import Notice, NoticeKind, plain

SUMMARY_MAX = 1_024
ALERTS, CHANGES = "/v2/enqueue", "/v2/change/enqueue"


def path(notice: Notice) -> str:
    """Return where a notice belongs: among the alerts, or among the changes."""
    is_alert = notice.kind in {NoticeKind.FAILURE, NoticeKind.RECOVERY, NoticeKind.TEST}
    return ALERTS if is_alert else CHANGES


def body(notice: Notice, routing_key: str) -> bytes:
    """Return the bytes of a notice."""
    document: dict[str, Json] = {"routing_key": routing_key, "payload": _payload(notice)}
    if path(notice) == ALERTS:
        is_over = notice.kind is NoticeKind.RECOVERY
        document["event_action"] = "resolve" if is_over else "trigger"
        document["dedup_key"] = f"countersign/{notice.environment}/{notice.subject}"
    return canonical(document)


def _payload(notice: Notice) -> dict[str, Json]:
    summary = f"{notice.title}: {notice.message}" if notice.message else notice.title
    payload: dict[str, Json] = {
        "summary": plain(summary, SUMMARY_MAX),
        "source": f"countersign/{notice.environment}",
        "timestamp": format_instant(notice.at),
        "custom_details": {
            "reason": notice.reason,
            "hint": plain(notice.hint),
            "commit": notice.commit.hex() if notice.commit is not None else None,
            "revision": notice.revision,
        },
    }
    if path(notice) == ALERTS:
        payload["severity"] = notice.severity.value
        payload["class"] = notice.reason
        payload["component"] = notice.subject
    return payload


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """Sends notices to one service, which its routing key names."""

    place: Place
    routing_key_file: Path

    def send(self, notice: Notice, *, delivery: str, now: datetime) -> None:
        """Post it. One incident is one `dedup_key`, so one that is sent again changes nothing."""
        del delivery, now
        url = self.place.address().rstrip("/") + path(notice)
        data = body(notice, secret_line(self.routing_key_file))
        send(self.place.route, Call("POST", url, {"content-type": "application/json"}, data))
