"""Names and paths of an artifact repository."""

import pytest

from controller.artifacts import layout
from controller.artifacts.layout import BadName, BundleId

BINLIST = BundleId("card-bin", "binlist")


def test_a_bundle_is_written_as_rail_and_name() -> None:
    assert BundleId.parse("card-bin/binlist") == BINLIST
    assert str(BINLIST) == "card-bin/binlist"


@pytest.mark.parametrize(
    "text", ["", "card-bin", "card-bin/", "/x", "a/b/c", "A/b", "a/..", "a/.git", "a/" + "b" * 65]
)
def test_other_texts_are_no_bundle(text: str) -> None:
    with pytest.raises(BadName):
        BundleId.parse(text)


def test_a_statements_path_reads_back() -> None:
    path = layout.statement_path(BINLIST, 42)

    assert path == "bundles/card-bin/binlist/versions/42/bundle.json"
    assert layout.parse_statement_path(path) == (BINLIST, 42)


@pytest.mark.parametrize(
    "path",
    [
        "bundles/card-bin/binlist/versions/042/bundle.json",
        "bundles/card-bin/binlist/versions/0/bundle.json",
        "bundles/card-bin/binlist/versions/2147483648/bundle.json",
        "bundles/card-bin/../versions/1/bundle.json",
        "bundles/card-bin/binlist/versions/1/bundle.dsse.json",
        "/bundles/card-bin/binlist/versions/1/bundle.json",
    ],
)
def test_other_paths_name_no_version(path: str) -> None:
    with pytest.raises(BadName):
        layout.parse_statement_path(path)


def test_a_roots_path_reads_back() -> None:
    assert layout.parse_root_path(layout.root_path(3)) == 3


def test_a_files_path_reads_back() -> None:
    assert layout.parse_files_path(layout.files_path(BINLIST)) == BINLIST


@pytest.mark.parametrize("path", ["bundles/a/b", "bundles/a/b/file", "trust/a/b/files"])
def test_other_folders_are_no_bundles_files(path: str) -> None:
    with pytest.raises(BadName):
        layout.parse_files_path(path)


@pytest.mark.parametrize(
    "name", ["bundle.dsse.json", "bundle.alice.dsse.json", f"bundle.{'a' * 64}.dsse.json"]
)
def test_envelopes_are_known_by_their_names(name: str) -> None:
    assert layout.is_envelope_name(name, "bundle")


@pytest.mark.parametrize(
    "name",
    [
        "bundle.json",
        "release.dsse.json",
        "bundle..dsse.json",
        "bundle.A.dsse.json",
        f"bundle.{'a' * 65}.dsse.json",
    ],
)
def test_other_names_are_no_envelopes(name: str) -> None:
    assert not layout.is_envelope_name(name, "bundle")


def test_each_signer_has_an_envelope_of_their_own() -> None:
    assert layout.envelope_name("bundle") == "bundle.dsse.json"
    assert layout.envelope_name("bundle", "bob") == "bundle.bob.dsse.json"


def test_the_highest_version_is_a_version_and_the_next_is_none() -> None:
    assert layout.number(str(layout.VERSION_MAX)) == layout.VERSION_MAX

    with pytest.raises(BadName):
        layout.number(str(layout.VERSION_MAX + 1))


@pytest.mark.parametrize("path", ["trust/root/1.json", "trust/1.root.json", "1.root.json"])
def test_a_path_that_is_no_roots_is_named(path: str) -> None:
    with pytest.raises(BadName) as refusal:
        layout.parse_root_path(path)

    assert (refusal.value.text, refusal.value.what) == (path, "a root document")
