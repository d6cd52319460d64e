"""Laws of append-only lists: what was appended is proven, what was changed is not."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.kernel.errors import Untrusted
from controller.trust import note
from controller.trust.sign import SeedSigner
from controller.trust.transparency import (
    BadProof,
    is_subtree,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    prove_subtree_consistency,
    tree_root,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)

SIZES = st.integers(1, 70)
SIGNER = SeedSigner.of(b"log".ljust(32, b"."))
KEY = note.VerifierKey("example.org/log", SIGNER.public)


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(b"record %d" % number) for number in range(size)]


def flipped(data: bytes, position: int, flip: int) -> bytes:
    at = position % len(data)
    return data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]


@given(size=SIZES, data=st.data())
def test_every_leaf_is_proven_at_its_index_and_at_no_other(size: int, data: st.DataObject) -> None:
    tree = leaves(size)
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))

    proof = prove_inclusion(tree, index)

    verify_inclusion(proof, tree[index], tree_root(tree), index=index, size=size)
    if other != index:
        with pytest.raises(BadProof):
            verify_inclusion(proof, tree[index], tree_root(tree), index=other, size=size)


@given(size=SIZES, data=st.data())
def test_every_beginning_is_proven_to_be_one(size: int, data: st.DataObject) -> None:
    tree, begun = leaves(size), data.draw(st.integers(1, size))

    verify_consistency(
        prove_consistency(tree, begun),
        tree_root(tree[:begun]),
        tree_root(tree),
        older_size=begun,
        newer_size=size,
    )


@given(size=SIZES, data=st.data())
def test_every_subtree_is_proven_and_proves_its_leaves(size: int, data: st.DataObject) -> None:
    tree = leaves(size)
    spans = [(low, high) for low in range(size) for high in range(low + 1, size + 1)]
    start, end = data.draw(st.sampled_from([span for span in spans if is_subtree(*span)]))
    index, part = data.draw(st.integers(start, end - 1)), tree[start:end]

    proof = prove_subtree_consistency(tree, start, end)
    inside = prove_inclusion(part, index - start)

    root = tree_root(part)
    verify_subtree_consistency(proof, root, tree_root(tree), start=start, end=end, size=size)
    verify_subtree_inclusion(inside, tree[index], root, index=index, start=start, end=end)


@given(
    size=st.integers(2, 70), position=st.integers(0, 5000), flip=st.integers(1, 255), data=st.data()
)
def test_no_changed_byte_of_a_proof_or_a_root_is_accepted(
    size: int, position: int, flip: int, data: st.DataObject
) -> None:
    tree, begun = leaves(size), data.draw(st.integers(1, size - 1))
    proof = prove_consistency(tree, begun)
    whole = b"".join((*proof, tree_root(tree[:begun]), tree_root(tree)))

    changed = flipped(whole, position, flip)

    *hashes, older, newer = [changed[at : at + 32] for at in range(0, len(changed), 32)]
    with pytest.raises(BadProof):
        verify_consistency(hashes, older, newer, older_size=begun, newer_size=size)


@given(size=st.integers(2, 70), changed=st.integers(0, 69), data=st.data())
def test_a_tree_whose_beginning_changed_has_no_proof(
    size: int, changed: int, data: st.DataObject
) -> None:
    tree, begun = leaves(size), data.draw(st.integers(1, size))
    other = list(tree)
    other[changed % begun] = leaf_hash(b"another record")

    with pytest.raises(BadProof):
        verify_consistency(
            prove_consistency(other, begun),
            tree_root(tree[:begun]),
            tree_root(other),
            older_size=begun,
            newer_size=size,
        )


def test_no_two_sizes_have_the_same_root() -> None:
    roots = [tree_root(leaves(size)) for size in range(70)]

    assert all(one != other for one, other in pairwise(roots))
    assert len(set(roots)) == 70


@given(position=st.integers(0, 500), flip=st.integers(1, 255))
def test_no_changed_byte_of_a_signed_note_is_accepted(position: int, flip: int) -> None:
    signed = note.sign("one\n\ntwo\n", KEY.name, SIGNER)

    with pytest.raises(Untrusted):
        note.verify(flipped(signed, position, flip), [KEY])


@given(text=st.text(max_size=100))
def test_a_text_that_may_be_signed_survives_its_note(text: str) -> None:
    try:
        signed = note.sign(text, KEY.name, SIGNER)
    except note.MalformedNote:
        return

    assert note.verify(signed, [KEY]).text == text


@given(data=st.binary(max_size=300))
def test_a_strangers_bytes_are_no_note(data: bytes) -> None:
    with pytest.raises(Untrusted):
        note.verify(data, [KEY])
