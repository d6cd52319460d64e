"""What comes with Countersign: the rails of `policies/` and the drafts of `bundles/`, as bytes.

A wheel carries both folders inside the package; in a checkout they stand beside it.
"""

from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

import controller
from controller.kernel.errors import Corrupt

Folder: TypeAlias = Literal["policies", "bundles"]

_PACKAGE = Path(controller.__file__).parent


class NotShipped(Corrupt):
    """A folder that belongs to every installation is not there."""

    code = "shipped.missing"


@cache
def shipped(folder: Folder) -> MappingProxyType[str, bytes]:
    """Return every file of a shipped folder by its path below it, in order."""
    root = next((one for one in _places(folder) if one.is_dir()), None)
    if root is None:
        raise NotShipped(f"{folder}/ did not come with Countersign", hint="install it again")
    return MappingProxyType(
        {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }
    )


def _places(folder: Folder) -> tuple[Path, Path]:
    return (_PACKAGE / "_shipped" / folder, _PACKAGE.parent / folder)
