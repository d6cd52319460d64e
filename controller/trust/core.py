"""Who has to agree, and how trust moves on: one pure core without wire formats.

It knows keys only by id, owner and material, and signatures only as "the ids of the keys that made
a good one". An adapter for another format (TUF's, say) builds these values and runs its own tests.

    Key                                     Protocol: id, owner, material, not_before, not_after,
                                            revoked_at, revoked_reason
    Role(name, keys, threshold, …)          a threshold over distinct owners
    tally(role, accepted, now=…)            who counts and, key by key, why not
    require(role, accepted, now=…)          the same, or `ThresholdNotMet`; `OneOwnerCountsOnce`
                                            where only the owners are too few
    is_still_met(role, accepted)            whether what was believed once would be under this role
    one_each(keys)                          the keys, without twins under a second id
    RootFacts(repository, version, expires, role)
    next_root(trusted, candidate, …)        N+1 after N: version, repository, both thresholds
    check_expiry(what, expires, now)        or `Expired`; the instant itself is already too late
Nothing is remembered between calls: every question is judged anew against its own role. Rights over
paths are in `delegation`, what one document says of another in `listed`: the same kind of core.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from controller.kernel.errors import Untrusted
from controller.kernel.instants import format_instant


class Key(Protocol):
    """What the core needs to know of a key."""

    @property
    def id(self) -> str:
        """Return its name."""
        ...

    @property
    def owner(self) -> str:
        """Return whose it is; owners are what a threshold counts."""
        ...

    @property
    def material(self) -> bytes:
        """Return what makes two keys the same key."""
        ...

    @property
    def not_before(self) -> datetime | None:
        """Return the first instant it counts."""
        ...

    @property
    def not_after(self) -> datetime | None:
        """Return the first instant it no longer counts."""
        ...

    @property
    def revoked_at(self) -> datetime | None:
        """Return the first instant it is revoked."""
        ...

    @property
    def revoked_reason(self) -> str:
        """Return why it was revoked."""
        ...


K = TypeVar("K", bound=Key)
K_co = TypeVar("K_co", bound=Key, covariant=True)


class BadRole(Untrusted):
    """A role cannot be met or could be met by fewer people than it says."""

    code = "trust.bad_role"


class ThresholdNotMet(Untrusted):
    """Too few different owners signed with keys that count.

    `reasons` says of each key of the role that did not count why; `signers` are those that did.
    `owners` names whose each key is, for the message.
    """

    code = "trust.threshold_not_met"

    def __init__(
        self,
        role: str,
        *,
        have: int,
        need: int,
        signers: Iterable[str],
        reasons: Mapping[str, str],
        owners: Mapping[str, str] | None = None,
    ) -> None:
        self.role, self.have, self.need = role, have, need
        self.signers, self.reasons = frozenset(signers), dict(reasons)
        self.owners = dict(owners or {})
        message, hint = self._say()
        super().__init__(message, hint=hint)

    def _say(self) -> tuple[str, str]:
        """Return message and hint; the facts are there already."""
        told = "; ".join(sorted(f"{self.owner(key)} {why}" for key, why in self.reasons.items()))
        command = "countersign root sign" if self.role == "root" else "countersign sign"
        return (
            f"role {self.role!r} needs {self.need} owners, {self.have} signed"
            + (f" ({told})" if told else ""),
            f"ask another owner of this role to add a signature: `{command}`",
        )

    def owner(self, key: str) -> str:
        """Return whose a key of the role is; the key itself where nobody said."""
        return self.owners.get(key, key)


class OneOwnerCountsOnce(ThresholdNotMet):
    """Enough keys of the role signed, but too few different people hold them."""

    code = "trust.one_owner_counts_once"

    def _say(self) -> tuple[str, str]:
        people = ", ".join(sorted({self.owner(key) for key in self.signers}))
        message = (
            f"role {self.role!r} needs {self.need} owners; the {len(self.signers)} keys that "
            f"signed belong to {people}, and one owner counts once"
        )
        return message, "let another owner sign: several keys of one person are one person"


class AuthorUnknown(Untrusted):
    """A role does not count the author's signature and nobody said who the author is."""

    code = "trust.author_unknown"


class VersionNotNext(Untrusted):
    """A root's version is not the trusted one's plus one."""

    code = "trust.root_version_not_next"

    def __init__(self, trusted: int, offered: int) -> None:
        super().__init__(f"root version {offered} does not follow {trusted}")
        self.trusted, self.offered = trusted, offered


class RepositoryDiffers(Untrusted):
    """A root speaks of another repository."""

    code = "trust.repository_differs"

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"repository {found!r} is not {expected!r}")
        self.expected, self.found = expected, found


class Expired(Untrusted):
    """A document's time is over."""

    code = "trust.expired"

    def __init__(self, what: str, expires: datetime, now: datetime) -> None:
        super().__init__(
            f"{what} expired at {format_instant(expires)}, it is {format_instant(now)}",
            hint="publish a newer version, signed by those who may",
        )
        self.what, self.expires, self.now = what, expires, now


@dataclass(frozen=True, slots=True)
class Role(Generic[K_co]):
    """Some keys and how many different owners of them have to sign.

    `grandfathered` are digests of documents whose signatures count whatever became of the keys;
    `former` are keys that were revoked, which count for those documents only.
    """

    name: str
    keys: tuple[K_co, ...]
    threshold: int
    exclude_author: bool = False
    grandfathered: frozenset[str] = frozenset()
    former: tuple[K_co, ...] = ()

    def for_document(self, digest: str) -> "Role[K_co]":
        """Return who may have signed a document: for a grandfathered one, former keys as well."""
        if digest not in self.grandfathered:
            return self
        here = {key.id for key in self.keys}
        gone = tuple(key for key in self.former if key.id not in here)
        return replace(self, keys=(*self.keys, *gone))

    def __post_init__(self) -> None:
        """A role that exists can be met, and only by `threshold` owners."""
        if len({key.id for key in self.keys}) != len(self.keys):
            raise BadRole(f"role {self.name!r} names a key twice")
        if len({key.material for key in self.keys}) != len(self.keys):
            raise BadRole(f"role {self.name!r} holds one key under two ids")
        owners = len({key.owner for key in self.keys})
        if not 1 <= self.threshold <= owners:
            raise BadRole(
                f"role {self.name!r} has threshold {self.threshold}, its keys have {owners} owners",
                hint="a threshold is at least 1 and at most the number of distinct owners",
            )


@dataclass(frozen=True, slots=True)
class Tally:
    """Who counts towards a threshold, and why each other key does not."""

    signers: frozenset[str]
    owners: frozenset[str]
    reasons: Mapping[str, str]


def tally(
    role: Role[K],
    accepted: Collection[str],
    *,
    now: datetime | None,
    author: str | None = None,
) -> Tally:
    """Count the keys whose good signatures were `accepted`; `now=None` judges no dates."""
    signers, owners, reasons = set(), set(), {}
    for key in role.keys:
        reason = _reason_against(key, accepted, now)
        if not reason and role.exclude_author and key.owner == author:
            reason = f"belongs to the author, {author}"
        if reason:
            reasons[key.id] = reason
            continue
        signers.add(key.id)
        owners.add(key.owner)
    return Tally(frozenset(signers), frozenset(owners), reasons)


def require(
    role: Role[K],
    accepted: Collection[str],
    *,
    now: datetime | None,
    author: str | None = None,
) -> Tally:
    """Return the tally when enough different owners signed, or raise `ThresholdNotMet`."""
    if role.exclude_author and author is None:
        raise AuthorUnknown(f"role {role.name!r} excludes the author, who is unknown")
    count = tally(role, accepted, now=now, author=author)
    if len(count.owners) < role.threshold:
        enough_keys = len(count.signers) >= role.threshold
        refusal = OneOwnerCountsOnce if enough_keys else ThresholdNotMet
        raise refusal(
            role.name,
            have=len(count.owners),
            need=role.threshold,
            signers=count.signers,
            reasons=count.reasons,
            owners={key.id: key.owner for key in role.keys},
        )
    return count


def is_still_met(role: Role[K], accepted: Collection[str]) -> bool:
    """Whether a document that was believed once would be under this role; dates are not judged.

    After a role's keys were replaced it is not, and then the version it carries binds nobody: so
    whoever pushed a version far ahead with stolen keys is undone by taking the keys away.
    """
    return len(tally(role, accepted, now=None).owners) >= role.threshold


def one_each(keys: Iterable[K]) -> tuple[K, ...]:
    """Return the keys in order, without those that are an earlier one under another id.

    Our own roots refuse such keys; a format that allows them must not count them twice.
    """
    found: dict[bytes, K] = {}
    for key in keys:
        found.setdefault(key.material, key)
    return tuple(found.values())


def _reason_against(key: Key, accepted: Collection[str], now: datetime | None) -> str:
    if key.id not in accepted:
        return "did not sign"
    return "" if now is None else reason_not_in_force(key, now)


def reason_not_in_force(key: Key, now: datetime) -> str:
    """Return why a key does not count at `now`, or the empty text when it does."""
    if key.revoked_at is not None and key.revoked_at <= now:
        why = f" ({key.revoked_reason})" if key.revoked_reason else ""
        return f"was revoked at {format_instant(key.revoked_at)}{why}"
    if key.not_before is not None and now < key.not_before:
        return f"counts only from {format_instant(key.not_before)}"
    if key.not_after is not None and key.not_after <= now:
        return f"counted only until {format_instant(key.not_after)}"
    return ""


@dataclass(frozen=True, slots=True)
class RootFacts(Generic[K_co]):
    """What succession needs to know of a root; `role` is who may sign its successor."""

    repository: str
    version: int
    expires: datetime
    role: Role[K_co]


def next_root(
    trusted: RootFacts[K],
    candidate: RootFacts[K],
    *,
    accepted_by_trusted: Collection[str],
    accepted_by_candidate: Collection[str],
) -> RootFacts[K]:
    """Return `candidate` when it follows `trusted` and both roles' thresholds signed it.

    Dates are not judged here, so that a chain verifies alike on every host and on every day; a
    root's expiry is judged once, on the last of a chain, with `check_expiry`.
    """
    if candidate.version != trusted.version + 1:
        raise VersionNotNext(trusted.version, candidate.version)
    if candidate.repository != trusted.repository:
        raise RepositoryDiffers(trusted.repository, candidate.repository)
    require(trusted.role, accepted_by_trusted, now=None)
    require(candidate.role, accepted_by_candidate, now=None)
    return candidate


def check_expiry(what: str, expires: datetime | None, now: datetime) -> None:
    """Raise `Expired` from the instant `expires` on; `None` never expires."""
    if expires is not None and expires <= now:
        raise Expired(what, expires, now)
