"""A TUF client as conformance suites start one: `init`, `refresh` and `download`.

    tufclient --metadata-dir DIR init ROOT.json
    tufclient --metadata-dir DIR --metadata-url URL refresh
    tufclient --metadata-dir DIR --metadata-url URL --target-name PATH --target-base-url URL
              --target-dir DIR download

Exit 0 when all of it was believed, 1 otherwise. What is believed stands in DIR as `<role>.json`.
"""

import argparse
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, unquote

from controller.adapters.clock import SystemClock
from controller.kernel.errors import ControllerError, Unavailable
from controller.trust.listed import Listed, check_listed
from tests.conformance import tuf
from tests.conformance.plain import Client, Document

SECONDS = 20
TARGET_BYTES_MAX = 1 << 30
BYTES_MAX = {"root": 512_000, "timestamp": 16_384, "snapshot": 2_000_000}
TARGETS_BYTES_MAX = 5_000_000
ABSENT = (403, 404)


class Unreachable(Unavailable):
    """A server does not answer, or answers without end."""

    code = "tuf.unreachable"


class Metadata:
    """A repository's metadata files; `client` knows whether their names carry versions.

    `fetch` returns at most so many bytes of a file, `None` where there is none.
    """

    def __init__(self, fetch: Callable[[str, int], bytes | None], client: Client) -> None:
        self._fetch, self._client = fetch, client

    def offer(self, role: str, version: int | None) -> Document | None:
        """Fetch and read a role's metadata; `None` where there is none."""
        versioned = role == "root" or self._client.known["root"]["consistent_snapshot"]
        prefix = f"{version}." if versioned and version is not None else ""
        most = BYTES_MAX.get(role, TARGETS_BYTES_MAX)
        data = self._fetch(f"{prefix}{quote(role, safe='')}.json", most)
        return None if data is None else tuf.read(role, data)


def fetched(url: str, bytes_max: int) -> bytes | None:
    """Return what a URL holds, `None` where it holds nothing."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            data: bytes = answer.read(bytes_max + 1)
    except urllib.error.HTTPError as error:
        if error.code in ABSENT:
            return None
        raise Unreachable(f"{url}: {error}") from None
    except OSError as error:
        raise Unreachable(f"{url}: {error}") from None
    if len(data) > bytes_max:
        raise Unreachable(f"{url}: more than {bytes_max} bytes")
    return data


def remembered(folder: Path) -> Client:
    """Return a client that believes the root in a folder and recalls what stands beside it."""
    client = Client(tuf.accepts)
    client.init(tuf.read("root", (folder / "root.json").read_bytes()))
    for file in folder.glob("*.json"):
        role = unquote(file.stem)
        # What was damaged on the disk is fetched again; nothing recalled is believed unjudged.
        with suppress(ControllerError):
            client.known.setdefault(role, tuf.read(role, file.read_bytes()))
    return client


def keep(client: Client, folder: Path) -> None:
    """Write down what a client believes."""
    for role, document in client.known.items():
        (folder / f"{quote(role, safe='')}.json").write_bytes(document["raw"])


def download(client: Client, server: Metadata, wanted: argparse.Namespace, now: datetime) -> None:
    """Fetch a target that somebody who may says something of; keep it when it is so."""
    target = wanted.target_name
    said = client.get(tuf.name_of(target), server, now)
    kept = wanted.target_dir / quote(target, safe="")
    if kept.exists() and not _differs(target, said, kept.read_bytes()):
        return
    folder, _, name = target.rpartition("/")
    if client.known["root"]["consistent_snapshot"]:
        name = f"{said.digests['sha256']}.{name}"
    path = "/".join(filter(None, [folder, name]))
    most = said.size_bytes if said.size_bytes is not None else TARGET_BYTES_MAX
    data = fetched(f"{wanted.target_base_url.rstrip('/')}/{quote(path)}", most)
    if data is None:
        raise Unreachable(f"there is no {path}")
    check_listed(target, said, _found(data))
    kept.write_bytes(data)


def _differs(target: str, said: Listed, data: bytes) -> bool:
    try:
        check_listed(target, said, _found(data))
    except ControllerError:
        return True
    return False


def _found(data: bytes) -> Listed:
    return Listed(size_bytes=len(data), digests=tuf.digests(data))


def main(arguments: Sequence[str]) -> int:
    """Do what a suite asks and return the exit code."""
    parser = argparse.ArgumentParser()
    for name in ("--metadata-url", "--target-name", "--target-base-url"):
        parser.add_argument(name, default="")
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--target-dir", type=Path)
    parser.add_argument("command", choices=["init", "refresh", "download"])
    parser.add_argument("root", type=Path, nargs="?")
    wanted = parser.parse_args(arguments)
    folder, now = wanted.metadata_dir, SystemClock().now()
    try:
        if wanted.command == "init":
            client = Client(tuf.accepts)
            client.init(tuf.read("root", wanted.root.read_bytes()))
            keep(client, folder)
            return 0
        client = remembered(folder)
        url = wanted.metadata_url.rstrip("/")
        server = Metadata(lambda name, most: fetched(f"{url}/{name}", most), client)
        try:
            client.refresh(server, now)
            if wanted.command == "download":
                download(client, server, wanted, now)
        finally:
            keep(client, folder)
    except ControllerError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
