"""Merkle proofs: everybody else's vectors, and the exact refusals of ours."""

import base64
import json
from collections.abc import Callable
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from controller.trust.transparency import (
    EMPTY_ROOT,
    SIZE_MAX,
    BadProof,
    is_subtree,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    tree_root,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)

LEAVES = [leaf_hash(b"record %d" % number) for number in range(7)]
VECTORS = {"inclusion": 98, "consistency": 98, "subtreeinclusion": 204, "subtreeconsistency": 118}


def check(kind: str, case: dict[str, Any]) -> None:
    """Verify one vector with the function for its kind."""
    proof = [base64.b64decode(one) for one in case["proof"] or []]
    first, second = ("leafHash", "root") if kind.endswith("inclusion") else ("root1", "root2")
    low, high = (base64.b64decode(case[one] or "") for one in (first, second))
    match kind:
        case "inclusion":
            verify_inclusion(proof, low, high, index=case["leafIdx"], size=case["treeSize"])
        case "consistency":
            sizes = {"older_size": case["size1"], "newer_size": case["size2"]}
            verify_consistency(proof, low, high, **sizes)
        case "subtreeinclusion":
            place = {"index": case["leafIdx"], "start": case["start"], "end": case["end"]}
            verify_subtree_inclusion(proof, low, high, **place)
        case _:
            place = {"start": case["start"], "end": case["end"], "size": case["size"]}
            verify_subtree_consistency(proof, low, high, **place)


def refused(kind: str, case: dict[str, Any]) -> bool:
    try:
        check(kind, case)
    except BadProof:
        return True
    return False


@pytest.mark.parametrize("kind", VECTORS)
def test_every_proof_gets_the_verdict_of_its_vector(shared_dir: Path, kind: str) -> None:
    files = sorted((shared_dir / "vectors/rfc6962-proofs" / kind).rglob("*.json"))
    cases = {str(file): json.loads(file.read_bytes()) for file in files}

    wrong = [name for name, case in cases.items() if refused(kind, case) is not case["wantErr"]]

    assert wrong == []
    assert len(cases) == VECTORS[kind]


def test_an_empty_tree_and_a_single_leaf_have_the_roots_of_the_standard() -> None:
    assert tree_root([]) == EMPTY_ROOT == sha256(b"").digest()
    assert tree_root([leaf_hash(b"")]) == sha256(b"\x00").digest()


def test_an_odd_leaf_is_not_doubled() -> None:
    one, two, three = LEAVES[:3]

    assert tree_root([one, two, three]) == node_hash(node_hash(one, two), three)
    assert tree_root([one, two, three]) != tree_root([one, two, three, three])


def test_a_leaf_at_another_index_is_refused() -> None:
    proof = prove_inclusion(LEAVES, 2)

    with pytest.raises(BadProof, match="another root"):
        verify_inclusion(proof, LEAVES[2], tree_root(LEAVES), index=3, size=7)


def test_a_leaf_at_its_index_is_proven() -> None:
    proof = prove_inclusion(LEAVES, 2)

    verify_inclusion(proof, LEAVES[2], tree_root(LEAVES), index=2, size=7)


def test_a_tree_with_a_changed_beginning_is_refused() -> None:
    changed = [leaf_hash(b"other"), *LEAVES[1:]]

    with pytest.raises(BadProof, match="older tree"):
        verify_consistency(
            prove_consistency(changed, 3),
            tree_root(LEAVES[:3]),
            tree_root(changed),
            older_size=3,
            newer_size=7,
        )


def test_a_tree_that_only_grew_is_proven() -> None:
    verify_consistency(
        prove_consistency(LEAVES, 3),
        tree_root(LEAVES[:3]),
        tree_root(LEAVES),
        older_size=3,
        newer_size=7,
    )


def test_an_empty_tree_proves_nothing_about_what_follows() -> None:
    with pytest.raises(BadProof):
        verify_consistency([], EMPTY_ROOT, tree_root(LEAVES), older_size=0, newer_size=7)


def test_an_absurd_size_is_refused_before_anything_is_computed() -> None:
    with pytest.raises(BadProof):
        verify_inclusion([], LEAVES[0], LEAVES[0], index=0, size=1 << 10_000)


def test_a_proof_that_cannot_exist_is_not_made() -> None:
    with pytest.raises(BadProof):
        prove_inclusion(LEAVES, 7)
    with pytest.raises(BadProof):
        prove_consistency(LEAVES, 8)


@pytest.mark.parametrize(("start", "end"), [(0, 7), (4, 6), (4, 7), (8, 16), (3, 4)])
def test_a_run_on_a_boundary_of_its_size_is_a_subtree(start: int, end: int) -> None:
    assert is_subtree(start, end)


@pytest.mark.parametrize(("start", "end"), [(2, 5), (3, 5), (4, 9), (2, 2), (2, 1), (-4, 0)])
def test_any_other_run_is_not(start: int, end: int) -> None:
    assert not is_subtree(start, end)


def test_the_largest_tree_is_a_tree() -> None:
    proof = [leaf_hash(b"%d" % number) for number in range(63)]
    root = reduce(node_hash, proof, LEAVES[0])

    assert is_subtree(0, SIZE_MAX)
    verify_inclusion(proof, LEAVES[0], root, index=0, size=SIZE_MAX)
    verify_subtree_consistency(proof, LEAVES[0], root, start=0, end=1, size=SIZE_MAX)


def test_a_larger_tree_is_none() -> None:
    assert not is_subtree(0, SIZE_MAX + 1)
    with pytest.raises(BadProof, match="no part of a tree"):
        verify_subtree_consistency([], LEAVES[0], LEAVES[0], start=0, end=1, size=SIZE_MAX + 1)


@pytest.mark.parametrize("at", [0, 3, 7])
def test_an_empty_run_is_a_part_of_every_tree_that_reaches_to_it(at: int) -> None:
    place, root = {"start": at, "end": at, "size": 7}, tree_root(LEAVES)

    verify_subtree_consistency([], EMPTY_ROOT, root, **place)
    with pytest.raises(BadProof, match="older tree"):
        verify_subtree_consistency([], LEAVES[0], root, **place)
    with pytest.raises(BadProof, match="goes on after 0"):
        verify_subtree_consistency([LEAVES[0]], EMPTY_ROOT, root, **place)
    with pytest.raises(BadProof, match="no part of a tree"):
        verify_subtree_consistency([], EMPTY_ROOT, root, start=8, end=8, size=7)


SHORT = b"x" * 31


def test_a_hash_of_another_length_is_refused_wherever_it_stands() -> None:
    pair = tree_root([SHORT, LEAVES[0]])
    tries: list[Callable[[], None]] = [
        lambda: verify_inclusion([], SHORT, SHORT, index=0, size=1),
        lambda: verify_inclusion([LEAVES[0]], SHORT, pair, index=0, size=2),
        lambda: verify_inclusion([SHORT], LEAVES[0], pair, index=1, size=2),
        lambda: verify_inclusion([LEAVES[1]], LEAVES[0], SHORT, index=0, size=2),
        lambda: verify_consistency([LEAVES[0]], SHORT, pair, older_size=1, newer_size=2),
        lambda: verify_consistency([SHORT], LEAVES[0], pair, older_size=1, newer_size=2),
        lambda: verify_consistency([LEAVES[1]], LEAVES[0], SHORT, older_size=1, newer_size=2),
    ]

    for one in tries:
        with pytest.raises(BadProof, match="a hash of 31 bytes"):
            one()


def test_a_tree_is_itself_whatever_its_root_is_made_of() -> None:
    verify_consistency([], SHORT, SHORT, older_size=7, newer_size=7)

    with pytest.raises(BadProof, match="newer tree"):
        verify_consistency([], SHORT, LEAVES[0], older_size=7, newer_size=7)
    with pytest.raises(BadProof, match="goes on after 0"):
        verify_consistency([LEAVES[0]], SHORT, SHORT, older_size=7, newer_size=7)
