"""What may stand as an endpoint's address. Only texts are judged: nothing is ever resolved."""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from controller.policy.judges import matching
from controller.policy.text import quoted

_SCHEMES: Mapping[str, frozenset[str]] = {
    "as4": frozenset({"https", "http"}),
    "smp": frozenset({"https", "http"}),
    "https": frozenset({"https", "http"}),
    "sftp": frozenset({"sftp", "ftp", "ftps"}),
    "mq": frozenset({"mq", "mqs", "amqp", "amqps"}),
    "kafka": frozenset({"kafka", "kafkas"}),
    "grpc": frozenset({"grpc", "grpcs", "https", "http"}),
    "jsonrpc": frozenset({"https", "http", "wss", "ws"}),
}
_PLAIN = frozenset({"http", "ws", "ftp", "mq", "amqp", "kafka", "grpc"})
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
_OTHER_STAGES = frozenset(
    {"test", "testing", "sandbox", "staging", "stage", "uat", "dev", "preprod", "demo"}
)
_WORDS = (*_LOCAL_SUFFIXES, *sorted(_OTHER_STAGES))


# HTTPS to a name of at least two labels, the last one no number: no port, login, query or fragment.
_PLAIN_ADDRESS = matching(
    r"^https://(?:[a-z0-9-]{1,63}\.){1,8}[a-z][a-z0-9-]{0,62}(?:/[a-z0-9/._-]*)?$"
)
_OVER_HTTPS = frozenset(protocol for protocol, schemes in _SCHEMES.items() if "https" in schemes)


@lru_cache(maxsize=4)
def _is_plain(text: str) -> bool:
    """Whether all addresses (one a line) are of the plain form and hold no word that could be bad.

    The words are looked for anywhere, also where they would do no harm: then each address is
    judged by itself. Several rules ask about the same addresses in turn.
    """
    return _PLAIN_ADDRESS.every(text.split("\n")) and not any(word in text for word in _WORDS)


def plainly_good(protocols: Sequence[str], addresses: Sequence[str]) -> bool:
    """Whether no test here can have a complaint about any address; `False` says nothing."""
    return _OVER_HTTPS.issuperset(protocols) and _is_plain("\n".join(addresses))


def scheme_fits(protocol: str, address: str) -> str:
    """Return what is wrong with the URL's scheme for this protocol, or the empty text."""
    allowed = _SCHEMES.get(protocol)
    if allowed is None:
        return ""
    scheme = address.partition(":")[0].lower()
    return "" if scheme in allowed else f"{quoted(scheme)} is not for {protocol}"


def encrypted(_protocol: str, address: str) -> str:
    """Return a complaint about a scheme that sends in the clear."""
    scheme = address.partition(":")[0].lower()
    return f"{quoted(scheme)} sends in the clear" if scheme in _PLAIN else ""


def public(_protocol: str, address: str) -> str:
    """Return a complaint about an address that is not one public host for everyone."""
    if "${" in address or "{{" in address or "<" in address:
        return "a placeholder is not an address"
    parts = _split(address)
    if parts is None or not parts.hostname:
        return "no host can be read from it"
    if parts.username is not None or parts.password is not None:
        return "it holds a user or a password"
    return "it holds a fragment" if "#" in address else _private(parts.hostname.rstrip("."))


def _private(host: str) -> str:
    if _is_literal(host):
        return "an IP address instead of a name"
    if host == "localhost" or host.endswith(_LOCAL_SUFFIXES) or "." not in host:
        return f"{quoted(host)} is not a public name"
    return ""


def live(_protocol: str, address: str) -> str:
    """Return a complaint about a host that names another stage of a system's life."""
    parts = _split(address)
    host = (parts.hostname or "") if parts else ""
    labels = {word for label in host.split(".")[:-1] for word in label.split("-")}
    stages = sorted(labels & _OTHER_STAGES)
    return f"{quoted(host)} says {stages[0]!r}" if stages else ""


@lru_cache(maxsize=1024)
def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - reading it is what refuses a bad port
    except ValueError:
        return None
    return parts


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.replace(".", "").isdigit()
    return True


URL_TESTS: Mapping[str, Callable[[str, str], str]] = {
    "encrypted": encrypted,
    "live": live,
    "public": public,
    "scheme": scheme_fits,
}
"""Every test by the name rules use: an empty answer is good, a text is the complaint."""
