"""Large arrays: in a temporary file that is gone with them."""

from pathlib import Path

import numpy as np
import pytest

from drkit.data.cache import opening_temporary
from drkit.errors import InputError


def test_a_temporary_array_is_zero_and_leaves_no_file(tmp_path: Path) -> None:
    with opening_temporary(tmp_path / "cache", (3, 1000, 7), np.float16) as temporary:
        pass
    assert list((tmp_path / "cache").iterdir()) == []
    assert not temporary.array.any()
    temporary.array[1] = 2
    assert temporary.array.sum() == 14000
    with (
        pytest.raises(InputError, match=r"GiB free, but .* GiB are needed"),
        opening_temporary(tmp_path, (2**50,), np.float16),
    ):
        pytest.fail("there is no room")
