"""Export: a version as a tar, the same bytes everywhere."""

import io
import tarfile
from pathlib import Path

import pytest

from controller.adapters.keyfiles import KeyFileExists
from controller.authoring.exporting import export
from controller.reconcile.admit import BundleMissing
from controller.trust.core import ThresholdNotMet
from tests.support.authoring import CARDS, NOW, Shop


def exported(shop: Shop, target: Path, version: int = 1) -> bytes:
    export(shop.workspace, shop.root, CARDS, version, target, NOW)
    return target.read_bytes()


def test_the_tar_holds_files_statement_and_envelopes(shop: Shop, tmp_path: Path) -> None:
    data = exported(shop, tmp_path / "cards.tar")

    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = archive.getnames()
        member = archive.extractfile(names[1])
        assert member is not None
        contents = member.read()
    assert names == [
        f"bundles/{CARDS}/files/participants.csv",
        f"bundles/{CARDS}/files/ranges.csv",
        f"bundles/{CARDS}/versions/1/bundle.bob.dsse.json",
        f"bundles/{CARDS}/versions/1/bundle.dsse.json",
        f"bundles/{CARDS}/versions/1/bundle.json",
    ]
    assert contents == shop.read(f"bundles/{CARDS}/files/ranges.csv")


def test_one_version_gives_one_tar(shop: Shop, tmp_path: Path) -> None:
    first = exported(shop, tmp_path / "first.tar")
    shop.second_version()

    assert exported(shop, tmp_path / "second.tar") == first


def test_a_version_that_too_few_signed_is_not_exported(shop: Shop, tmp_path: Path) -> None:
    shop.add_range()
    shop.sign("alice")
    shop.commit()

    with pytest.raises(ThresholdNotMet):
        exported(shop, tmp_path / "cards.tar", version=2)


def test_a_version_that_is_not_there_is_not_exported(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(BundleMissing):
        exported(shop, tmp_path / "cards.tar", version=9)


def test_a_file_that_is_there_is_not_overwritten(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "cards.tar").write_bytes(b"mine")

    with pytest.raises(KeyFileExists):
        exported(shop, tmp_path / "cards.tar")
