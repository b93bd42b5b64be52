"""What every test may ask for."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("fast", deadline=None, max_examples=40)
settings.load_profile("fast")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the project; without it a test is skipped, but fails where CI runs."""
    folder = Path(os.environ.get("VAESCOPE_SHARED") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        message = f"{folder} is not there: put shared/ beside the clone, or set VAESCOPE_SHARED to its data folder."
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return folder
