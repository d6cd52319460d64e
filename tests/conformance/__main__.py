"""A client driven by JSON lines: one question a line on stdin, one answer a line on stdout.

    {"do": "init", "root": DOCUMENT}
    {"do": "refresh", "now": INSTANT, "metadata": [DOCUMENT, …]}
    {"do": "get", "now": INSTANT, "metadata": [DOCUMENT, …], "target": PATH}

Answers are `{"ok": …}` or `{"refused": CODE, "message": TEXT}`; see docs/conformance.md.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

from controller.kernel.errors import ControllerError
from controller.kernel.instants import parse_instant
from controller.kernel.strictjson import parse
from tests.conformance.plain import Client, Document, Malformed


class Heap:
    """Documents that lie about in any order, as a question brings them."""

    def __init__(self, documents: Sequence[Document]) -> None:
        if not all(isinstance(one, dict) for one in documents):
            raise Malformed("metadata is not a list of documents")
        self._documents = documents

    def offer(self, role: str, version: int | None) -> Document | None:
        """Return the version asked for, or else the last of the role: who asks will notice."""
        found = [one for one in self._documents if one.get("role") == role]
        exact = [one for one in found if one.get("version") == version]
        if exact or role == "root":
            return exact[-1] if exact else None
        return found[-1] if found else None


def answer(client: Client, line: bytes) -> dict[str, Any]:
    """Return the answer to one question; a refusal is an answer."""
    try:
        question = parse(line)
        if not isinstance(question, dict):
            raise Malformed("a question is an object")
        return {"ok": _done(client, question)}
    except ControllerError as error:
        return {"refused": error.code, "message": str(error)}


def _done(client: Client, question: dict[str, Any]) -> Any:
    heap = Heap(_taken(question, "metadata", list, []))
    now = _taken(question, "now", str, "")
    match question.get("do"):
        case "init":
            client.init(_taken(question, "root", dict, {}))
        case "refresh":
            client.refresh(heap, parse_instant(now))
        case "get":
            target = _taken(question, "target", str, "")
            found = client.get(target, heap, parse_instant(now))
            return {"size": found.size_bytes, "digests": dict(found.digests)}
        case other:
            raise Malformed(f"nobody knows how to {other!r}")
    return {role: document["version"] for role, document in sorted(client.known.items())}


def _taken(question: dict[str, Any], name: str, kind: type, usual: Any) -> Any:
    found = question.get(name, usual)
    if not isinstance(found, kind):
        raise Malformed(f"{name} is not a {kind.__name__}")
    return found


def main() -> None:
    """Answer until nobody asks any more."""
    client = Client()
    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(answer(client, line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
