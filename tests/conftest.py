"""What many tests share."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photographs, where this machine has it."""
    data = SHARED / "data"
    if not (data / "DeepDRiD").is_dir():
        pytest.skip("real photographs (../shared/data) are not on this machine")
    return data
