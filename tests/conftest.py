"""Shared fixtures: the real sample data beside the repository, where it is present."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("the real sample data (../shared/data) is not here")
    return SHARED_DATA.resolve()
