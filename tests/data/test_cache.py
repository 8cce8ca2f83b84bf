"""Large arrays in temporary files and in the cache."""

import os
from pathlib import Path

import numpy as np
import pytest

from drkit.data.cache import clear_cached, open_cached, opening_cached, opening_temporary
from drkit.errors import BusyError, InputError
from drkit.records import locks

KEY = "0" * 32


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


def test_the_draft_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    def leave_a_draft() -> None:
        if (child := os.fork()) == 0:
            with opening_cached(tmp_path, KEY, (1000,)):
                os._exit(0)
        os.waitpid(child, 0)

    leave_a_draft()
    leave_a_draft()
    assert len(list(tmp_path.iterdir())) == 1
    array, _ = open_cached(tmp_path, KEY, (1000,), lambda zeros: (str(zeros.sum()),))
    assert len(array) == 1000
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{KEY}.json", f"{KEY}.npy"]
    (tmp_path / f"{KEY}.json").unlink()
    leave_a_draft()
    assert clear_cached(tmp_path) > 2000
    assert list(tmp_path.iterdir()) == []


def test_a_draft_that_is_written_is_not_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0)
    with opening_cached(tmp_path, KEY, (1000,)):
        with pytest.raises(BusyError, match="being written by another drkit process"):
            clear_cached(tmp_path)
        assert len(list(tmp_path.iterdir())) == 1
