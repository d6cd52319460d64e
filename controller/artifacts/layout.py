"""Where things stand in an artifact repository: names and paths, both ways, and nothing read.

```
trust/root/<n>.root.json                       policies/<rail>/…
bundles/<rail>/<name>/draft.json               bundles/<rail>/<name>/files/…
bundles/<rail>/<name>/versions/<v>/bundle.json, bundle.dsse.json, bundle.<signer>.dsse.json
environments/<env>/release.json, release.dsse.json, release.<signer>.dsse.json
environments/<env>/rollback.dsse.json          environments/<env>/acks/<name>.dsse.json
environments/<env>/heartbeat.dsse.json
```
"""

import re
from dataclasses import dataclass
from typing import Self

from controller.kernel.errors import Refused

TOP_LEVEL = ("trust", "policies", "bundles", "environments")
"""The top-level names that are ours; whatever else stands beside them is not read."""

VERSION_MAX = 2**31 - 1
"""The largest bundle version, release serial and root version."""

BUNDLE_STEM, RELEASE_STEM, ROLLBACK_STEM = "bundle", "release", "rollback"
ROOT_DIR = "trust/root"

_SEGMENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_STATEMENT = re.compile(r"bundles/([^/]+)/([^/]+)/versions/([^/]+)/bundle\.json")
_ROOT = re.compile(r"trust/root/([^/]+)\.root\.json")


class BadName(Refused):
    """A name or a path does not fit the layout of an artifact repository."""

    code = "layout.bad_name"

    def __init__(self, text: str, what: str, *, hint: str = "") -> None:
        super().__init__(f"{text[:200]!r} is not {what}", hint=hint)
        self.text, self.what = text, what


@dataclass(frozen=True, slots=True, order=True)
class BundleId:
    """A bundle's rail and name, written `card-bin/binlist`."""

    rail: str
    name: str

    def __post_init__(self) -> None:
        """Both parts are path segments."""
        segment(self.rail)
        segment(self.name)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `<rail>/<name>`."""
        rail, slash, name = text.partition("/")
        if not slash:
            raise BadName(text, "a bundle", hint="write it as <rail>/<name>: card-bin/binlist")
        return cls(rail, name)

    def __str__(self) -> str:
        """Return the written form."""
        return f"{self.rail}/{self.name}"


def is_segment(text: str) -> bool:
    """Whether a text may be one part of a path."""
    return _SEGMENT.fullmatch(text) is not None


def segment(text: str) -> str:
    """Return a text that may be one part of a path, or refuse it."""
    if not is_segment(text):
        raise BadName(
            text,
            "a name",
            hint="names are lower-case ASCII: a letter or digit, then letters, digits, . _ - "
            "(64 at most)",
        )
    return text


def number(text: str) -> int:
    """Read a version or serial as it stands in a path: no sign, no leading zero, at least 1."""
    if _NUMBER.fullmatch(text) is None or int(text) > VERSION_MAX:
        raise BadName(text, "a version", hint="versions count 1, 2, 3 without leading zeros")
    return int(text)


def bundle_dir(bundle: BundleId) -> str:
    """Return the folder of a bundle."""
    return f"bundles/{bundle}"


def draft_path(bundle: BundleId) -> str:
    """Return where the next version's name, window and environments stand."""
    return f"bundles/{bundle}/draft.json"


def files_path(bundle: BundleId) -> str:
    """Return the folder that people edit, which is also a bundle statement's subject."""
    return f"bundles/{bundle}/files"


def versions_dir(bundle: BundleId) -> str:
    """Return the folder of all pinned versions."""
    return f"bundles/{bundle}/versions"


def version_dir(bundle: BundleId, version: int) -> str:
    """Return the folder of one pinned version."""
    return f"bundles/{bundle}/versions/{version}"


def statement_path(bundle: BundleId, version: int) -> str:
    """Return where a bundle statement stands to be read; a release names it by this path."""
    return f"bundles/{bundle}/versions/{version}/bundle.json"


def parse_statement_path(path: str) -> tuple[BundleId, int]:
    """Read back what `statement_path` wrote."""
    match = _STATEMENT.fullmatch(path)
    if match is None:
        raise BadName(
            path,
            "a bundle version",
            hint="it is written bundles/<rail>/<name>/versions/<version>/bundle.json",
        )
    return BundleId(match[1], match[2]), number(match[3])


def parse_files_path(path: str) -> BundleId:
    """Read back what `files_path` wrote."""
    parts = path.split("/")
    if len(parts) != 4 or parts[0] != "bundles" or parts[3] != "files":
        raise BadName(path, "a bundle's files", hint="it is written bundles/<rail>/<name>/files")
    return BundleId(parts[1], parts[2])


def release_dir(environment: str) -> str:
    """Return the folder of one environment, which holds its release."""
    return f"environments/{environment}"


def release_path(environment: str) -> str:
    """Return where a release statement stands to be read."""
    return f"environments/{environment}/release.json"


def rollback_path(environment: str) -> str:
    """Return where a signed rollback statement may stand."""
    return f"environments/{environment}/rollback.dsse.json"


def heartbeat_path(environment: str) -> str:
    """Return where an environment's newest heartbeat stands."""
    return f"environments/{environment}/heartbeat.dsse.json"


def acks_dir(environment: str) -> str:
    """Return the folder of an environment's signed acknowledgements."""
    return f"environments/{environment}/acks"


def policies_dir(rail: str) -> str:
    """Return the folder where a repository overrides a shipped rail."""
    return f"policies/{rail}"


def root_path(version: int) -> str:
    """Return where a version of the root of trust stands."""
    return f"{ROOT_DIR}/{version}.root.json"


def parse_root_path(path: str) -> int:
    """Read back what `root_path` wrote."""
    match = _ROOT.fullmatch(path)
    if match is None:
        raise BadName(path, "a root document", hint="it is written trust/root/<n>.root.json")
    return number(match[1])


def envelope_name(stem: str, signer: str = "") -> str:
    """Return an envelope's file name: `bundle.dsse.json`, or `bundle.<signer>.dsse.json`."""
    return f"{stem}.{segment(signer)}.dsse.json" if signer else f"{stem}.dsse.json"


def is_envelope_name(name: str, stem: str) -> bool:
    """Whether a file name is an envelope of a stem, by its first or a further signer."""
    return name == f"{stem}.dsse.json" or (
        name.startswith(f"{stem}.")
        and name.endswith(".dsse.json")
        and is_segment(name.removeprefix(f"{stem}.").removesuffix(".dsse.json"))
    )
