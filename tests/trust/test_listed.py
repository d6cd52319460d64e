"""What one document says of another: nothing older, nothing else, nothing left out."""

import pytest

from controller.trust.listed import (
    Listed,
    NoLongerListed,
    NotAsListed,
    NotListed,
    VersionWentBack,
    check_forward,
    check_listed,
    check_lists_forward,
)

FOUND = Listed(3, 120, {"sha256": "aa", "sha512": "bb"})


def test_versions_do_not_go_back() -> None:
    check_forward("snapshot", known=4, offered=4)

    with pytest.raises(VersionWentBack):
        check_forward("snapshot", known=4, offered=3)


@pytest.mark.parametrize(
    "listed",
    [
        Listed(),
        Listed(3),
        Listed(3, 120),
        Listed(digests={"sha512": "bb"}),
        FOUND,
    ],
)
def test_a_document_that_is_all_that_is_said_of_it_passes(listed: Listed) -> None:
    check_listed("targets", listed, FOUND)


@pytest.mark.parametrize(
    ("listed", "fact"),
    [
        (Listed(4), "version"),
        (Listed(2), "version"),
        (Listed(3, 121), "size"),
        (Listed(3, 120, {"sha256": "ab"}), "sha256"),
        (Listed(3, 120, {"sha256": "aa", "sha512": "ba"}), "sha512"),
        (Listed(3, 120, {"blake3": "cc"}), "blake3"),
    ],
)
def test_a_document_that_is_not_all_that_is_said_of_it_is_refused(
    listed: Listed, fact: str
) -> None:
    with pytest.raises(NotAsListed) as refusal:
        check_listed("targets", listed, FOUND)

    assert (refusal.value.what, refusal.value.fact) == ("targets", fact)


def test_a_refusal_says_what_is_listed_and_what_was_found() -> None:
    with pytest.raises(NotAsListed, match="targets: its size is 120, listed is 121"):
        check_listed("targets", Listed(3, 121), FOUND)


def test_a_document_that_nobody_lists_is_refused() -> None:
    with pytest.raises(NotListed) as refusal:
        check_listed("targets", None, FOUND)

    assert refusal.value.what == "targets"


def test_a_newer_list_may_add_and_go_on() -> None:
    known = {"a": Listed(1), "b": Listed(2)}

    check_lists_forward(known, {"a": Listed(1), "b": Listed(3), "c": Listed(1)})
    check_lists_forward({}, known)


def test_a_newer_list_may_not_go_back() -> None:
    with pytest.raises(VersionWentBack) as refusal:
        check_lists_forward({"a": Listed(1), "b": Listed(2)}, {"a": Listed(1), "b": Listed(1)})

    assert (refusal.value.what, refusal.value.known, refusal.value.offered) == ("b", 2, 1)


def test_a_newer_list_may_not_leave_out() -> None:
    with pytest.raises(NoLongerListed) as refusal:
        check_lists_forward({"a": Listed(1), "b": Listed(2)}, {"a": Listed(2)})

    assert refusal.value.what == "b"


def test_a_list_that_says_no_version_is_before_every_version() -> None:
    check_lists_forward({"a": Listed()}, {"a": Listed()})
    check_lists_forward({"a": Listed()}, {"a": Listed(0)})

    with pytest.raises(VersionWentBack):
        check_lists_forward({"a": Listed(1)}, {"a": Listed()})
