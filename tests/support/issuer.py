"""An identity provider on loopback: discovery, keys, and tokens that a test asks it to sign."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

AUDIENCE = "countersign"
Key = ECKey | RSAKey


def new_key(key_id: str) -> ECKey:
    """Make a key for ES256."""
    return ECKey.generate_key("P-256", parameters={"kid": key_id, "use": "sig", "alg": "ES256"})


@dataclass
class Issuer:
    """What it publishes, how often it was asked, and whether it answers."""

    url: str = ""
    keys: list[Key] = field(default_factory=lambda: [new_key("first")])
    status: int = 200
    named: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def documents(self) -> dict[str, Any]:
        """What stands where."""
        public = [key.as_dict(private=False) for key in self.keys]
        return {
            "/.well-known/openid-configuration": {
                "issuer": self.named or self.url,
                "jwks_uri": f"{self.url}/keys",
            },
            "/keys": {"keys": public},
        }

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a token that holds for five minutes; `None` leaves one out."""
        now = int(time.time())  # noqa: TID251  tokens are judged by the real clock
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "somebody",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "scope": "directory:read status:read",
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """Sign a token with the first key."""
        key = self.keys[0]
        head = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid, **(header or {})}
        words = {name: value for name, value in head.items() if value is not None}
        return jwt.encode(words, self.claims(**changes), key, algorithms=[words["alg"]])


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Run one while the block runs."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            found = issuer.documents.get(self.path)
            status = issuer.status if found is not None else 404
            body = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()


def secret_of(key: ECKey) -> bytes:
    """Return a public key in PEM, which careless verifiers take for a shared secret."""
    return key.as_pem(private=False)


__all__ = ["AUDIENCE", "Issuer", "KeySet", "issuing", "new_key", "secret_of"]
