"""Append-only lists that can prove it: the Merkle trees of RFC 6962, and their proofs.

A tree's root is 32 bytes that fix every leaf and their order. An inclusion proof shows that a leaf
stands at an index, a consistency proof that a tree is another tree with leaves added at the end.
Both also exist for a subtree `[start, end)`: a run of leaves that stands on a boundary of its own
size, so that its root is made of nodes of the tree.

A proof is read with the same steps as it is made, so it has exactly one form: a hash too few, too
many, or of another length is refused. An empty tree proves nothing about its successors. Leaves
are given as their hashes; which bytes they stand for, and who says so, is not decided here.
"""

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

from controller.kernel.errors import Untrusted

HASH_BYTES = 32
SIZE_MAX = (1 << 63) - 1
"""Leaves of a tree at most; so no proof is deeper than 64 steps, whatever somebody claims."""

EMPTY_ROOT = hashlib.sha256().digest()

Proof: TypeAlias = tuple[bytes, ...]
"""The hashes that are missing on the way to a root, the lowest first."""


class BadProof(Untrusted):
    """A proof does not show what it is said to show."""

    code = "trust.bad_proof"


def leaf_hash(data: bytes) -> bytes:
    """Return a leaf's hash; its prefix keeps it apart from every node's."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    return _root(leaves, 0, len(leaves)) if leaves else EMPTY_ROOT


def is_subtree(start: int, end: int) -> bool:
    """Whether `[start, end)` is not empty and stands on a boundary of its own size."""
    if not 0 <= start < end <= SIZE_MAX:
        return False
    boundary = 1 << (end - start - 1).bit_length()
    return start % boundary == 0


def prove_inclusion(leaves: Sequence[bytes], index: int) -> Proof:
    """Return the proof that a leaf stands at `index`; a subtree's is that of its own leaves."""
    _check_leaf(index, 0, len(leaves))
    proof: list[bytes] = []
    _collect_inclusion(leaves, (0, len(leaves)), index, proof)
    return tuple(proof)


def verify_inclusion(
    proof: Sequence[bytes], leaf: bytes, root: bytes, *, index: int, size: int
) -> None:
    """Accept that the tree of `size` leaves with this root has `leaf` at `index`, or raise."""
    verify_subtree_inclusion(proof, leaf, root, index=index, start=0, end=size)


def verify_subtree_inclusion(
    proof: Sequence[bytes], leaf: bytes, root: bytes, *, index: int, start: int, end: int
) -> None:
    """Accept that the subtree with this root has `leaf` at the tree's `index`, or raise."""
    _check_leaf(index, start, end)
    hashes = _Hashes(proof, leaf, root)
    found = _climb(hashes, leaf, index - start, end - start)
    hashes.finish()
    if found != root:
        raise BadProof("the leaf and its proof lead to another root")


def prove_consistency(leaves: Sequence[bytes], size: int) -> Proof:
    """Return the proof that the first `size` leaves begin the tree."""
    return prove_subtree_consistency(leaves, 0, size)


def prove_subtree_consistency(leaves: Sequence[bytes], start: int, end: int) -> Proof:
    """Return the proof that `[start, end)` is a part of the tree."""
    _check_subtree(start, end, len(leaves))
    proof: list[bytes] = []
    _collect_consistency(leaves, (0, len(leaves)), (start, end), proof, known=True)
    return tuple(proof)


def verify_consistency(
    proof: Sequence[bytes], older: bytes, newer: bytes, *, older_size: int, newer_size: int
) -> None:
    """Accept that the tree `newer` begins with all of the tree `older`, or raise."""
    if older_size == 0:
        raise BadProof("every tree begins with the empty one: that shows nothing")
    verify_subtree_consistency(proof, older, newer, start=0, end=older_size, size=newer_size)


def verify_subtree_consistency(
    proof: Sequence[bytes], subtree: bytes, root: bytes, *, start: int, end: int, size: int
) -> None:
    """Accept that `subtree`, the root of `[start, end)`, is a part of the tree, or raise.

    An empty run is a part of every tree that reaches to it; only its own root is compared.
    """
    if 0 <= start == end <= size:
        part, whole = EMPTY_ROOT, root
        hashes = _Hashes(proof)
    else:
        _check_subtree(start, end, size)
        # A tree is itself, whatever its root is made of: nothing is hashed then.
        hashes = _Hashes(proof) if (start, end) == (0, size) else _Hashes(proof, subtree, root)
        part, whole = _rebuild(hashes, size, (start, end), subtree)
    hashes.finish()
    if part != subtree:
        raise BadProof("the proof leads to another root of the older tree")
    if whole != root:
        raise BadProof("the proof leads to another root of the newer tree")


class _Hashes:
    """The hashes of a proof, taken one by one until none is left."""

    def __init__(self, proof: Sequence[bytes], *roots: bytes) -> None:
        for one in (*proof, *roots):
            if len(one) != HASH_BYTES:
                raise BadProof(f"a hash of {len(one)} bytes, not {HASH_BYTES}")
        self._proof, self._taken = proof, 0

    def take(self) -> bytes:
        if self._taken == len(self._proof):
            raise BadProof(f"the proof ends after {self._taken} hashes")
        self._taken += 1
        return self._proof[self._taken - 1]

    def finish(self) -> None:
        if self._taken < len(self._proof):
            raise BadProof(f"the proof goes on after {self._taken} hashes")


def _check_leaf(index: int, start: int, end: int) -> None:
    if not is_subtree(start, end) or not start <= index < end:
        raise BadProof(f"there is no leaf {index} in [{start}, {end})")


def _check_subtree(start: int, end: int, size: int) -> None:
    if not is_subtree(start, end) or not end <= size <= SIZE_MAX:
        raise BadProof(f"[{start}, {end}) is no part of a tree of {size} leaves")


def _split(size: int) -> int:
    """Return the leaves on the left: the largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _root(leaves: Sequence[bytes], low: int, high: int) -> bytes:
    if high - low == 1:
        return leaves[low]
    middle = low + _split(high - low)
    return node_hash(_root(leaves, low, middle), _root(leaves, middle, high))


def _collect_inclusion(
    leaves: Sequence[bytes], span: tuple[int, int], index: int, proof: list[bytes]
) -> None:
    low, high = span
    if high - low == 1:
        return
    middle = low + _split(high - low)
    near, far = (
        ((low, middle), (middle, high)) if index < middle else ((middle, high), (low, middle))
    )
    _collect_inclusion(leaves, near, index, proof)
    proof.append(_root(leaves, *far))


def _climb(hashes: _Hashes, leaf: bytes, index: int, size: int) -> bytes:
    if size == 1:
        return leaf
    left = _split(size)
    if index < left:
        below = _climb(hashes, leaf, index, left)
        return node_hash(below, hashes.take())
    below = _climb(hashes, leaf, index - left, size - left)
    return node_hash(hashes.take(), below)


def _collect_consistency(
    leaves: Sequence[bytes],
    span: tuple[int, int],
    part: tuple[int, int],
    proof: list[bytes],
    *,
    known: bool,
) -> None:
    """Collect what is missing between the part and the whole span, both counted in the tree.

    `known` says that the part is the whole older tree, whose root the reader has.
    """
    low, high = span
    if part == span:
        if not known:
            proof.append(_root(leaves, low, high))
        return
    middle = low + _split(high - low)
    left, right = (low, middle), (middle, high)
    if part[1] <= middle:
        _collect_consistency(leaves, left, part, proof, known=known)
        proof.append(_root(leaves, *right))
    elif part[0] >= middle:
        _collect_consistency(leaves, right, part, proof, known=known)
        proof.append(_root(leaves, *left))
    else:
        # A part that crosses the middle begins where the span begins: it holds all of the left.
        _collect_consistency(leaves, right, (middle, part[1]), proof, known=False)
        proof.append(_root(leaves, *left))


def _rebuild(
    hashes: _Hashes, size: int, part: tuple[int, int], known: bytes | None
) -> tuple[bytes, bytes]:
    """Return the roots of the part and of the whole, in the order `_collect_consistency` goes."""
    start, end = part
    if (start, end) == (0, size):
        same = hashes.take() if known is None else known
        return same, same
    left = _split(size)
    if end <= left:
        older, newer = _rebuild(hashes, left, part, known)
        return older, node_hash(newer, hashes.take())
    if start >= left:
        older, newer = _rebuild(hashes, size - left, (start - left, end - left), known)
        return older, node_hash(hashes.take(), newer)
    older, newer = _rebuild(hashes, size - left, (0, end - left), None)
    shared = hashes.take()
    return node_hash(shared, older), node_hash(shared, newer)
