"""A repository as its author sees it: the work tree and the newest commit."""

from pathlib import Path

import pytest

from controller.adapters.git import GitRepository, NoRepository
from controller.artifacts.levels import BadTree
from controller.authoring.view import NeedsWorktree, NoCommits, ThroughLink, Workspace
from tests.support.authoring import CARDS, Shop

DRAFT = f"bundles/{CARDS}/draft.json"


def test_an_edit_is_in_the_work_tree_and_not_in_the_commit(shop: Shop) -> None:
    before = shop.read(DRAFT)
    shop.write(DRAFT, b"{}\n")

    assert shop.workspace.edited().read(DRAFT) == b"{}\n"
    assert shop.workspace.committed().read(DRAFT) == before


def test_a_folder_below_the_top_leads_to_the_same_repository(shop: Shop) -> None:
    assert Workspace.open(shop.folder / "bundles").folder == shop.workspace.folder


def test_a_file_can_be_replaced_without_writing_it(shop: Shop) -> None:
    view = shop.workspace.edited()

    changed = view.replaced("bundles/new/one/draft.json", b"{}\n")

    assert changed.read("bundles/new/one/draft.json") == b"{}\n"
    assert changed.read(DRAFT) == shop.read(DRAFT)
    assert view.read("bundles/new/one/draft.json") is None


def test_a_bare_repository_is_no_place_to_write(tmp_path: Path) -> None:
    GitRepository.init(tmp_path / "bare.git", bare=True)

    with pytest.raises(NeedsWorktree):
        Workspace.open(tmp_path / "bare.git")


def test_a_folder_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoRepository):
        Workspace.open(tmp_path)


def test_before_the_first_commit_there_is_nothing_committed(tmp_path: Path) -> None:
    GitRepository.init(tmp_path / "new", bare=False)

    with pytest.raises(NoCommits):
        Workspace.open(tmp_path / "new").committed()


def test_nothing_is_written_through_a_link(shop: Shop, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    (shop.folder / "bundles/card-bin/linked").symlink_to(target)

    with pytest.raises(ThroughLink):
        shop.write("bundles/card-bin/linked/draft.json", b"{}\n")

    assert list(target.iterdir()) == []


def test_a_link_is_not_read_either(shop: Shop) -> None:
    (shop.folder / DRAFT).unlink()
    (shop.folder / DRAFT).symlink_to("/etc/hostname")

    with pytest.raises(BadTree):
        shop.workspace.edited().read(DRAFT)
