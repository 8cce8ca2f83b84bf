"""Large arrays: in a temporary file that is gone with them."""

from pathlib import Path

import numpy as np
import pytest

from drkit.data.cache import make_temporary
from drkit.errors import InputError


def test_a_temporary_array_is_zero_and_leaves_no_file(tmp_path: Path) -> None:
    array = make_temporary(tmp_path / "cache", (3, 1000, 7), np.float16)
    assert not array.any()
    array[1] = 2
    assert array.sum() == 14000
    assert list((tmp_path / "cache").iterdir()) == []
    with pytest.raises(InputError, match=r"GiB free, but .* GiB are needed"):
        make_temporary(tmp_path, (2**50,), np.float16)
