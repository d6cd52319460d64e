"""Which secrets the settings hold or name: what no log may repeat."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

from controller.adapters.redaction import Redactor, SecretFiles
from controller.app.settings import Settings

_PUBLIC = frozenset({"ca_file", "cert_file", "known_hosts_file"})


def redactor(settings: Settings) -> Redactor:
    """Return what takes this host's secrets out of a text; files count as they are by then."""
    texts: list[str] = []
    files: list[Path] = []
    for name, value in _fields(settings):
        if isinstance(value, SecretStr):
            texts += _parts(value.get_secret_value())
        elif isinstance(value, Path) and name not in _PUBLIC and _is_secret(name):
            files.append(settings.folder / value.expanduser())
    return Redactor(SecretFiles(files, texts))


def _is_secret(name: str) -> bool:
    return name.endswith("_file") or name == "key"


def _parts(url: str) -> list[str]:
    """Return an address that holds a password, and the password as it is and as it is spelt."""
    try:
        password = urlsplit(url).password or ""
    except ValueError:
        password = ""
    return [one for one in dict.fromkeys((url, password, unquote(password))) if one]


def _fields(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Give every setting, however deep, with its own name."""
    if isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _fields(getattr(value, field), field)
    elif isinstance(value, tuple):
        for one in value:
            yield from _fields(one, name)
    else:
        yield name, value
