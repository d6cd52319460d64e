"""A client over plain values: documents are dicts, refusals are words, the core decides.

Here stand the order in which documents are asked for and what is remembered. Who signed enough,
which root follows which, what went back, what is listed, what expired and who may speak for a path
is decided by `controller.trust.core`, `.delegation` and `.listed`, and nowhere else. The documents'
members are described in docs/conformance.md.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from controller.kernel.errors import Untrusted
from controller.kernel.instants import parse_instant
from controller.trust import core
from controller.trust.delegation import Delegation, explore
from controller.trust.listed import Listed, check_forward, check_listed, check_lists_forward

TOP = frozenset({"root", "timestamp", "snapshot", "targets"})
Document = Mapping[str, Any]
Accepts = Callable[[str, Document, str], bool]
"""Whether a key's material made a signature's value over a document."""


class Shelf(Protocol):
    """Where documents come from; whoever fills it is not believed."""

    def offer(self, role: str, version: int | None) -> Document | None:
        """Return a role's document, the given version or (`None`) whichever is the newest."""
        ...


class Malformed(Untrusted):
    """A document lacks a member, or it is not what it should be."""

    code = "conformance.malformed"


class NotOffered(Untrusted):
    """A document that is needed is not there."""

    code = "conformance.not_offered"


class NoTarget(Untrusted):
    """Nobody who may speak for a path says anything of it."""

    code = "conformance.no_target"


class NotStarted(Untrusted):
    """There is no root to start from."""

    code = "conformance.not_started"


@dataclass(frozen=True, slots=True)
class PlainKey:
    """A key as the core knows one; without an owner of its own it is its own owner."""

    id: str
    material: bytes
    owner: str
    not_before: datetime | None = None
    not_after: datetime | None = None
    revoked_at: datetime | None = None
    revoked_reason: str = ""


def says_so(material: str, document: Document, value: str) -> bool:
    """Accept a plain signature: its value names the material of the key that made it."""
    del document
    return material == value


class Client:
    """Follows roots, lists and delegations. `known` holds what it believes, by role."""

    def __init__(self, accepts: Accepts = says_so) -> None:
        self.known: dict[str, Document] = {}
        self._accepts = accepts

    def init(self, root: Document) -> None:
        """Start from a root that was brought here by hand."""
        self._require(_signers(root, "root"), root, None)
        self.known = {"root": root}

    def refresh(self, shelf: Shelf, now: datetime) -> None:
        """Follow the roots, then bring `timestamp`, `snapshot` and `targets` up to date."""
        self._follow_roots(shelf)
        core.check_expiry("root", _expires(self._root), now)
        self._forget()
        self._newest("timestamp", shelf, now)
        self._listed("snapshot", _signers(self._root, "snapshot"), "timestamp", shelf, now)
        self._listed("targets", _signers(self._root, "targets"), "snapshot", shelf, now)

    def get(self, target: str, shelf: Shelf, now: datetime) -> Listed:
        """Return what the first who may speak for a path says of it."""
        asked = self._listed("targets", _signers(self._root, "targets"), "snapshot", shelf, now)
        said = _objects(asked, "targets").get(target)
        found = explore(
            _delegations(asked),
            target,
            name=lambda grant: str(grant["name"]),
            below=lambda grant: _delegations(self.known[grant["name"]]),
        )
        for one in found:
            if said is not None:
                break
            name = one.grant["name"]
            # The right is judged anew for each who gives it: another may ask for other keys.
            asked = self._listed(name, _made(name, one.grant), "snapshot", shelf, now)
            said = _objects(asked, "targets").get(target)
        if said is None:
            raise NoTarget(f"nobody says anything of {target!r}")
        return _facts(said)

    @property
    def _root(self) -> Document:
        if "root" not in self.known:
            raise NotStarted("no root was given")
        return self.known["root"]

    def _follow_roots(self, shelf: Shelf) -> None:
        while (offered := shelf.offer("root", _version(self._root) + 1)) is not None:
            before, after = _signers(self._root, "root"), _signers(offered, "root")
            core.next_root(
                _root_facts(self._root, before),
                _root_facts(offered, after),
                accepted_by_trusted=self._accepted(before, offered),
                accepted_by_candidate=self._accepted(after, offered),
            )
            self.known["root"] = offered

    def _forget(self) -> None:
        """Forget what the present root's keys did not sign: its versions bind nobody any more."""
        for name in ("timestamp", "snapshot"):
            document = self.known.get(name)
            if document is not None and not self._is_still_met(name, document):
                del self.known[name]

    def _newest(self, name: str, shelf: Shelf, now: datetime) -> None:
        offered, known = shelf.offer(name, None), self.known.get(name)
        if offered is None:
            raise NotOffered(f"there is no {name}")
        self._require(_signers(self._root, name), offered, now)
        if known is not None:
            check_forward(name, known=_version(known), offered=_version(offered))
            check_lists_forward(_lists(known), _lists(offered))
            if _version(known) == _version(offered):
                offered = known
        core.check_expiry(name, _expires(offered), now)
        self.known[name] = offered

    def _listed(
        self, name: str, signers: "Signers", lister: str, shelf: Shelf, now: datetime
    ) -> Document:
        """Return a role's document as `lister` lists it: the known one, or the one offered."""
        if lister not in self.known:
            raise NotOffered(f"there is no {lister}")
        listed = _lists(self.known[lister]).get(name)
        known = self.known.get(name)
        if known is not None and self._is_listed(name, signers, listed, known):
            core.check_expiry(name, _expires(known), now)
            return known
        offered = shelf.offer(name, listed.version) if listed is not None else {}
        if offered is None:
            raise NotOffered(f"there is no {name}")
        check_listed(name, listed, _facts(offered))
        self._require(signers, offered, now)
        if known is not None:
            check_lists_forward(_lists(known), _lists(offered))
        core.check_expiry(name, _expires(offered), now)
        self.known[name] = offered
        return offered

    def _is_listed(
        self, name: str, signers: "Signers", listed: Listed | None, known: Document
    ) -> bool:
        try:
            check_listed(name, listed, _facts(known))
        except Untrusted:
            return False
        return core.is_still_met(signers.role, self._accepted(signers, known))

    def _is_still_met(self, name: str, document: Document) -> bool:
        signers = _signers(self._root, name)
        return core.is_still_met(signers.role, self._accepted(signers, document))

    def _require(self, signers: "Signers", document: Document, now: datetime | None) -> None:
        core.require(signers.role, self._accepted(signers, document), now=now)

    def _accepted(self, signers: "Signers", document: Document) -> frozenset[str]:
        """Return the keys that made a good signature under an id that they were given."""
        good = {
            material
            for key_id, material in signers.ids
            for one in _items(document, "signatures")
            if one.get("key") == key_id and self._accepts(material, document, str(one.get("value")))
        }
        return frozenset(key.id for key in signers.role.keys if key.material.decode() in good)


@dataclass(frozen=True, slots=True)
class Signers:
    """Who may sign a document: a role, and every id under which a key's material was given."""

    role: core.Role[PlainKey]
    ids: tuple[tuple[str, str], ...]


def _signers(root: Document, name: str) -> Signers:
    roles = _objects(root, "roles")
    if name not in roles:
        raise Malformed(f"the root has no role {name!r}")
    return _made(name, roles[name])


def _made(name: str, wanted: Document) -> Signers:
    keys = [_key(item) for item in _items(wanted, "keys")]
    role = core.Role(name, core.one_each(keys), _number(wanted, "threshold"))
    return Signers(role, tuple((key.id, key.material.decode()) for key in keys))


def _key(item: Document) -> PlainKey:
    material = str(item.get("material") or "")
    if not (material and item.get("id")):
        raise Malformed("a key lacks its id or its material")
    return PlainKey(
        id=str(item["id"]),
        material=material.encode(),
        owner=str(item.get("owner", material)),
        not_before=_instant(item.get("not_before")),
        not_after=_instant(item.get("not_after")),
        revoked_at=_instant(item.get("revoked_at")),
    )


def _root_facts(root: Document, signers: Signers) -> core.RootFacts[PlainKey]:
    expires = _expires(root)
    if expires is None:
        raise Malformed("a root has to expire")
    repository = str(root.get("repository", ""))
    return core.RootFacts(repository, _version(root), expires, signers.role)


def _delegations(document: Document) -> Iterable[Delegation[Document]]:
    if any(one.get("name") in TOP for one in _items(document, "delegations")):
        raise Malformed("the roles of the root are nobody's to delegate")
    return [
        Delegation(tuple(map(str, one.get("paths", ()))), one.get("terminating") is True, one)
        for one in _items(document, "delegations")
    ]


def _lists(document: Document) -> dict[str, Listed]:
    return {name: _facts(said) for name, said in _objects(document, "lists").items()}


def _facts(said: Document) -> Listed:
    version = None if said.get("version") is None else _version(said)
    digests = said.get("digests", {})
    if not isinstance(digests, Mapping):
        raise Malformed("digests is not an object")
    return Listed(version, said.get("size"), digests)


def _version(document: Document) -> int:
    return _number(document, "version")


def _number(document: Document, name: str) -> int:
    value = document.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Malformed(f"{name} is not a whole number from 1")
    return value


def _expires(document: Document) -> datetime | None:
    return _instant(document.get("expires"))


def _instant(value: Any) -> datetime | None:
    return None if value is None else parse_instant(str(value))


def _objects(document: Document, name: str) -> Mapping[str, Document]:
    found = document.get(name, {})
    if not (isinstance(found, Mapping) and all(isinstance(one, Mapping) for one in found.values())):
        raise Malformed(f"{name} is not an object of objects")
    return found


def _items(document: Document, name: str) -> list[Document]:
    found = document.get(name, [])
    if not (isinstance(found, list) and all(isinstance(item, Mapping) for item in found)):
        raise Malformed(f"{name} is not a list of objects")
    return found
