"""Shared fixtures: the real sample data beside the repository, where it is present."""

import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as cli.py: before torch is imported

import pytest
from hypothesis import settings

settings.register_profile("slow machine", deadline=None)  # laws hold or not; how fast is no test's business
settings.load_profile("slow machine")

SHARED_DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("the real sample data (../shared/data) is not here")
    return SHARED_DATA.resolve()
