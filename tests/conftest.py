"""What every test may ask for."""

from pathlib import Path

import pytest

_SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Return the folder of real data and other people's vectors, or skip where it is absent."""
    if not _SHARED.is_dir():
        pytest.skip("needs ../shared (real data and other people's test vectors)")
    return _SHARED
