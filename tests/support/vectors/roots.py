"""Vectors of roots, and of who counts among their signers."""

from collections.abc import Mapping
from typing import Any

from controller.kernel.canonical import readable, sha256
from controller.trust.envelope import ROOT
from controller.trust.keys import Kind, PublicLine
from tests.support.audit import digest_of
from tests.support.trust import REPOSITORY, Person, document, granted, sealed
from tests.support.vectors.people import ALICE, AT, BOB, CAROL
from tests.support.vectors.statements import RELEASE


def _root(made: Mapping[str, Any], *by: Person) -> str:
    return sealed(readable(made), by=by, payload_type=ROOT).to_bytes().decode()


def roots() -> dict[str, Any]:
    first = document(ALICE, BOB, roles={"root": granted(ALICE, BOB, threshold=2)})
    second = {**document(ALICE, CAROL, version=2), "expires": "2028-11-01T00:00:00Z"}
    pinned = _root(first, ALICE, BOB)
    next_one = _root(second, ALICE, BOB, CAROL)
    neutral = PublicLine(Kind.ED25519, bytes([1] + [0] * 31))
    odd_key = {"owner": "x", "public": neutral.line, "scheme": "ed25519"}

    def case(
        name: str, result: str, *later: str, at: str = AT, pin: str = pinned
    ) -> dict[str, Any]:
        return {"name": name, "at": at, "pin": pin, "later": list(later), "result": result}

    def changed(**members: Any) -> str:
        return _root({**second, **members}, ALICE, BOB, CAROL)

    digest = sha256(readable(second))
    revoked = {BOB.id: {"at": AT, "reason": "lost"}}
    return {
        "pin_sha256": sha256(readable(first)),
        "cases": [
            case("the pinned root alone", sha256(readable(first))),
            case("a root and its successor", digest, next_one),
            case(
                "an old pin leads to a root in force", digest, next_one, at="2027-11-01T00:00:00Z"
            ),
            case("the last root has expired", "trust.expired", at="2027-11-01T00:00:00Z"),
            case(
                "a successor that the old owners did not sign",
                "threshold",
                _root(second, ALICE, CAROL),
            ),
            case(
                "a successor that its own owners did not sign",
                "threshold",
                _root(second, ALICE, BOB),
            ),
            case("a pinned root that one owner signed", "threshold", pin=_root(first, ALICE)),
            case("a version is skipped", "trust.root_version_not_next", changed(version=3)),
            case(
                "another repository",
                "trust.repository_differs",
                changed(repository=REPOSITORY.replace("0", "1")),
            ),
            case("an unknown member", "trust.malformed_root", changed(more=1)),
            case(
                "a key of small order",
                "trust.malformed_root",
                changed(keys={**second["keys"], neutral.id: odd_key}),
            ),
            case(
                "a wrong key id",
                "trust.malformed_root",
                changed(keys={"SHA256:x": ALICE.entry, **second["keys"]}),
            ),
            case(
                "a threshold of none",
                "trust.malformed_root",
                changed(roles={"root": granted(ALICE, threshold=0)}),
            ),
            case(
                "a threshold above the owners",
                "trust.malformed_root",
                changed(roles={"root": granted(ALICE, threshold=2)}),
            ),
            case(
                "a role for the environment `bundles`",
                "trust.malformed_root",
                changed(roles={**second["roles"], "release": {"bundles": granted(ALICE)}}),
            ),
            case("revoked, and not a key", "trust.malformed_root", changed(revoked=revoked)),
            case(
                "not a root",
                "trust.wrong_payload_type",
                sealed(b"{}", by=[ALICE, BOB]).to_bytes().decode(),
            ),
            case(
                "a last root whose signer is revoked",
                "threshold",
                changed(revoked={CAROL.id: {"at": AT, "reason": "lost"}}),
            ),
            case(
                "a last root whose signer will be revoked",
                sha256(
                    readable(
                        {
                            **second,
                            "revoked": {CAROL.id: {"at": "2026-11-20T12:00:01Z", "reason": ""}},
                        }
                    )
                ),
                changed(revoked={CAROL.id: {"at": "2026-11-20T12:00:01Z", "reason": ""}}),
            ),
        ],
    }


def who_counts() -> dict[str, Any]:
    """Return one payload under several roots; bob was revoked, and has left the role or not."""
    payload = RELEASE.payload()
    revoked = {BOB.id: {"at": AT, "reason": "lost"}}
    three = {one.id: one.entry for one in (ALICE, BOB, CAROL)}

    def case(
        name: str,
        *counting: Person,
        role: tuple[Person, ...] = (ALICE, CAROL),
        by: tuple[Person, ...] = (ALICE, BOB),
        at: str = AT,
        **members: Any,
    ) -> dict[str, Any]:
        release = {"production": granted(*role, threshold=2)}
        made = document(ALICE, CAROL, roles={"release": release}, **{"keys": three, **members})
        return {
            "name": name,
            "at": at,
            "root": readable(made).decode(),
            "envelope": sealed(payload, by=by).to_bytes().decode(),
            "counting": sorted(one.id for one in counting) or None,
        }

    listed, everybody = [sha256(payload)], (ALICE, BOB, CAROL)
    late = {**three, ALICE.id: {**ALICE.entry, "not_before": "2026-11-20T12:00:01Z"}}
    return {
        "role": "release/production",
        "payload_sha256": listed[0],
        "cases": [
            case("enough signed", ALICE, CAROL, by=(ALICE, CAROL)),
            case("a revoked key that is still in the role", role=everybody, revoked=revoked),
            case(
                "one second before it was revoked",
                *(ALICE, BOB),
                role=everybody,
                at="2026-11-20T11:59:59Z",
                revoked=revoked,
            ),
            case("a revoked key that has left the role", revoked=revoked),
            case(
                "grandfathered, and the key has left the role",
                *(ALICE, BOB),
                revoked=revoked,
                grandfathered=listed,
            ),
            case(
                "grandfathered, and the key is still in the role",
                *(ALICE, BOB),
                role=everybody,
                revoked=revoked,
                grandfathered=listed,
            ),
            case("grandfathered, and the key was never revoked", grandfathered=listed),
            case(
                "grandfathered, and another key is revoked",
                revoked={CAROL.id: {"at": AT, "reason": "lost"}},
                grandfathered=listed,
            ),
            case(
                "grandfathered, and one owner signed",
                by=(BOB,),
                revoked=revoked,
                grandfathered=listed,
            ),
            case(
                "another payload is grandfathered",
                revoked=revoked,
                grandfathered=[digest_of("another")],
            ),
            case("a key before its time", by=(ALICE, CAROL), keys=late),
            case(
                "grandfathered, and a key before its time",
                *(ALICE, CAROL),
                by=(ALICE, CAROL),
                keys=late,
                grandfathered=listed,
            ),
        ],
    }
