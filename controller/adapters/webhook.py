"""A signed webhook: one JSON object, and a signature over the time and its bytes.

`docs/formats.md` says how it is verified; names and members are added there, never changed.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from controller.adapters.outbound import Call, send
from controller.adapters.senders import Place, secret_line
from controller.kernel.canonical import canonical
from controller.kernel.notices import Notice

DELIVERY = "X-Countersign-Delivery"
TIMESTAMP = "X-Countersign-Timestamp"
SIGNATURE = "X-Countersign-Signature"


def body(notice: Notice, delivery: str) -> bytes:
    """Return the bytes of a notice: the same each time it is sent."""
    return canonical({"version": 1, "id": delivery, "title": notice.title, **notice.to_json()})


def signature(secret: bytes, timestamp: str, data: bytes) -> str:
    """Return the signature of a body that is sent at a time, in seconds since 1970."""
    signed = timestamp.encode() + b"." + data
    return f"sha256={hmac.new(secret, signed, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Sends notices to an address, signed with the secret in a file."""

    place: Place
    secret_file: Path

    def send(self, notice: Notice, *, delivery: str, now: datetime) -> None:
        """Post it."""
        data, timestamp = body(notice, delivery), str(int(now.timestamp()))
        headers = {
            "content-type": "application/json",
            DELIVERY: delivery,
            TIMESTAMP: timestamp,
            SIGNATURE: signature(secret_line(self.secret_file).encode(), timestamp, data),
        }
        send(self.place.route, Call("POST", self.place.address(), headers, data))
