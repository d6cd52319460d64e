"""Start: a repository with everything in it, or one that waits for its root."""

import tomllib
from pathlib import Path

import pytest

from controller.app import settings
from controller.app.signers import load_public, new_key
from controller.authoring.draft import bundles_of, check_draft
from controller.authoring.places import FolderNotEmpty
from controller.authoring.rails import rails_of
from controller.authoring.releases import current
from controller.authoring.starting import start, start_demo
from controller.authoring.trusted import trusted_root
from controller.authoring.view import Workspace
from controller.kernel.canonical import Digest
from controller.trust.envelope import parse as parse_envelope
from controller.trust.root import pin
from tests.support.authoring import GIT, NOW, PRODUCTION, Shop


def test_the_settings_pin_the_root_and_the_first_release(shop: Shop) -> None:
    found = settings.load(shop.keys / "countersign.toml")

    assert found.path(found.repository.path) == shop.folder.resolve()
    assert found.repository.baseline == shop.head.hex()
    envelope = found.path(found.trust.root).read_bytes()
    assert pin(envelope, Digest(found.trust.root_sha256)).root.version == 1
    assert found.audit.key is not None
    assert found.path(found.audit.key).exists()


def test_the_settings_hold_no_absolute_path(shop: Shop) -> None:
    data = tomllib.loads((shop.keys / "countersign.toml").read_text())

    assert data["repository"]["path"] == "../shop"
    assert str(shop.home) not in (shop.keys / "countersign.toml").read_text()


def test_every_reference_bundle_is_clean_signed_and_live(shop: Shop) -> None:
    view = shop.workspace.committed()
    bundles = bundles_of(view)

    assert {bundle.rail for bundle in bundles} == {
        "caip",
        "card-bin",
        "in-imps-neft",
        "swift-iso20022",
    }
    assert [check_draft(view, bundle, rails_of(view)).findings for bundle in bundles] == [()] * 4
    release = current(shop.workspace, PRODUCTION)
    assert release is not None
    assert [one.bundle for one in release.statement.bundles] == bundles
    assert release.statement.serial == 1


def test_git_signs_with_the_rollback_key_and_knows_it(shop: Shop) -> None:
    shop.write("notes.txt", b"\n")
    shop.commit("signed by git")

    told = shop.git("log", "-1", "--format=%G? %GF")

    assert told.split() == ["G", load_public(shop.keys / "rollback.pub").id]


def test_the_roles_are_those_of_a_small_bank(shop: Shop) -> None:
    root = shop.root

    assert (root.root.threshold, root.release_role(PRODUCTION).threshold) == (2, 2)
    assert root.rollback_role(PRODUCTION).max_age.days == 30
    assert [key.owner for key in root.audit_keys("countersign")] == ["countersign-audit"]


def test_nothing_is_left_uncommitted(shop: Shop) -> None:
    assert shop.status() == ""


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/mine.txt").touch()

    with pytest.raises(FolderNotEmpty):
        start(tmp_path / "shop", None, NOW)


def test_a_folder_of_keys_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/alice").touch()

    with pytest.raises(FolderNotEmpty):
        start_demo(tmp_path / "shop", tmp_path / "keys", new_key, NOW, git=GIT)
    assert not (tmp_path / "shop").exists()


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()

    started = start(tmp_path / "shop", None, NOW)

    assert (started.commit, started.root_sha256) == (None, None)
    assert (tmp_path / "shop/bundles/caip/chains/draft.json").exists()


def test_a_root_from_elsewhere_is_the_first(shop: Shop, tmp_path: Path) -> None:
    envelope = (shop.keys / "1.root.json").read_bytes()

    started = start(tmp_path / "other", envelope, NOW, git=GIT)

    assert started.root_sha256 == parse_envelope(envelope).digest
    view = Workspace.open(tmp_path / "other").committed()
    assert trusted_root(view, None, NOW).root.digest == started.root_sha256
