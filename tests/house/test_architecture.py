"""ARCHITECTURE.md is a map of what stands here: nothing invented, no folder forgotten."""

import re

from tests.support.house import ROOT

PAGE = (ROOT / "ARCHITECTURE.md").read_text()
PATH = re.compile(r"`(\.?[a-zA-Z_][\w./-]*(?:/|\.(?:py|md|toml|sql|yml|lock))|Makefile)`")


def test_every_path_on_the_map_exists() -> None:
    named = set(PATH.findall(PAGE))

    assert len(named) > 20
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_every_package_and_room_is_on_the_map() -> None:
    packages = {
        f"{init.parent.relative_to(ROOT)}/"
        for pattern in ("controller/*/__init__.py", "controller/stores/*/__init__.py")
        for init in ROOT.glob(pattern)
    }

    assert sorted(package for package in packages if f"`{package}`" not in PAGE) == []


def test_the_map_fits_on_a_page() -> None:
    assert len(PAGE.splitlines()) < 150
