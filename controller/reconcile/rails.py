"""The rails in force at a commit: the shipped ones, unless the repository overrides one.

An overriding folder counts only where the release pins its tree root: whoever may merge a file
must not thereby decide what is checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.artifacts import levels, merkle, walk
from controller.kernel.canonical import Digest, canonical, sha256
from controller.kernel.errors import Refused, Untrusted
from controller.kernel.objects import Objects, Oid
from controller.policy.rail import Files, Rail, overlay, read_rail

RAIL_FILE_MAX_BYTES = 1024 * 1024
POLICIES_MAX_BYTES = 16 * 1024 * 1024
"""All files below `policies/` together: they are kept in memory for as long as they judge."""


class UnknownRail(Refused):
    """No rail of this name is shipped or declared."""

    code = "rails.unknown"

    def __init__(self, rail: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"there is no rail {rail!r}", hint=f"known rails: {', '.join(known)}; see policies/"
        )
        self.rail = rail


class RailNotPinned(Untrusted):
    """The repository overrides a rail and the release does not pin exactly that override."""

    code = "rails.not_pinned"

    def __init__(self, rail: str, *, found: Digest | None, pinned: Digest | None) -> None:
        super().__init__(
            f"policies/{rail} is {found or 'absent'}, the release pins {pinned or 'nothing'}",
            hint="promote again: the release's signers decide which rules judge it",
        )
        self.rail, self.found, self.pinned = rail, found, pinned


@dataclass(frozen=True, slots=True)
class RailSet:
    """The rails of one tree; each is read when it is first asked for."""

    files: Files
    overridden: Mapping[str, Digest]
    _read: dict[str, Rail] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The rails there are."""
        folders = {path.partition("/")[0] for path in self.files}
        return tuple(sorted(name for name in folders if not name.startswith("_")))

    def rail(self, name: str) -> Rail:
        """Return one rail."""
        if name not in self._read:
            if name not in self.names:
                raise UnknownRail(name, self.names)
            self._read[name] = read_rail(name, rail_files(self.files, name))
        return self._read[name]

    def check_pins(self, pinned: Mapping[str, Digest], used: set[str]) -> None:
        """Raise unless the release pins every override that judges one of its bundles."""
        for rail in sorted(used | set(pinned)):
            if self.overridden.get(rail) != pinned.get(rail):
                raise RailNotPinned(rail, found=self.overridden.get(rail), pinned=pinned.get(rail))

    def digest(self, used: set[str]) -> Digest:
        """Return one digest of the rails that judge a release."""
        return sha256(canonical({name: self.rail(name).digest for name in sorted(used)}))


def read_policies(objects: Objects, folder: Oid) -> dict[str, bytes]:
    """Return the files below a `policies/` folder by path below it, none before its size."""
    size_bytes = 0
    found = {}
    for file in walk.files(objects, folder, "policies"):
        size_bytes += walk.check_blob(objects, file.oid, file.path, RAIL_FILE_MAX_BYTES)
        if size_bytes > POLICIES_MAX_BYTES:
            raise levels.TooLarge("policies", size=size_bytes, size_max=POLICIES_MAX_BYTES)
        found[file.path.removeprefix("policies/")] = objects.read(file.oid)
    return found


def rail_files(files: Files, name: str) -> dict[str, bytes]:
    """Return the files of one rail, those it shares with others among them."""
    own, shared = f"{name}/", ("_common/", "_codes/")
    return {
        path.removeprefix(own): data
        for path, data in files.items()
        if path.startswith((own, *shared))
    }


class Rails:
    """Reads the rails of a tree; a policies folder that was seen before is not read again."""

    def __init__(self, shipped: Files) -> None:
        self._shipped = shipped
        self._sets: dict[Oid | None, RailSet] = {}

    def at(self, objects: Objects, tree: Oid) -> RailSet:
        """Return the rails in force in a tree."""
        entry = walk.find(objects, tree, "policies")
        folder = entry.oid if entry is not None and entry.is_tree else None
        if folder not in self._sets:
            self._sets[folder] = self._read(objects, folder)
        return self._sets[folder]

    def _read(self, objects: Objects, folder: Oid | None) -> RailSet:
        if folder is None:
            return RailSet(self._shipped, {})
        own = read_policies(objects, folder)
        overridden = {
            entry.name: merkle.files_root(
                objects, entry.oid, f"policies/{entry.name}", merkle.NoMemory()
            ).root
            for entry in levels.children(objects, folder, "policies")
            if entry.is_tree
        }
        kept = {path: data for path, data in own.items() if path.partition("/")[0] in overridden}
        return RailSet(overlay(self._shipped, kept), overridden)
