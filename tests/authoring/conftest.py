"""A fresh shop for each test; the first one is built once and copied."""

from pathlib import Path

import pytest

from tests.support.authoring import Shop, build_shop, copy_shop


@pytest.fixture(scope="session")
def first_shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build_shop(tmp_path_factory.mktemp("first-shop"))


@pytest.fixture
def shop(first_shop: Shop, tmp_path: Path) -> Shop:
    return copy_shop(first_shop, tmp_path)
