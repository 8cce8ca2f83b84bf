"""Batches are halved when memory runs out, and the results are the same."""

import numpy as np
import pytest
import torch

from drkit.batching import BatchSize, map_batches
from drkit.errors import UsageError


class Cramped:
    """Sums batches of at most `fits` rows; larger ones run out of memory."""

    def __init__(self, fits: int) -> None:
        self.fits, self.tried = fits, []

    def __call__(self, rows: np.ndarray) -> int:
        self.tried.append(len(rows))
        if len(rows) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return int(rows.sum())


@pytest.mark.parametrize("fits", [1, 3, 8])
def test_every_row_is_computed_once_and_in_order(fits: int) -> None:
    rows, function = np.arange(20), Cramped(fits)
    done = list(map_batches(function, rows, BatchSize(8)))
    assert np.concatenate([batch for batch, _ in done]).tolist() == rows.tolist()
    assert [total for _, total in done] == [batch.sum() for batch, _ in done]
    assert max(len(batch) for batch, _ in done) <= fits
    assert sum(size > fits for size in function.tried) <= 3  # from 7 to 4 to 2 to 1: later batches are as small


def test_calls_that_share_a_size_find_out_once() -> None:
    function, size = Cramped(3), BatchSize(8)
    for start in range(0, 40, 8):
        assert sum(total for _, total in map_batches(function, np.arange(start, start + 8), size)) == sum(
            range(start, start + 8)
        )
    assert sum(tried > 3 for tried in function.tried) == 2  # 8, then 4


def test_a_single_row_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="not even one unit fits in memory"):
        list(map_batches(Cramped(0), np.arange(4), BatchSize(2)))


def test_other_errors_stay_errors() -> None:
    def fail(rows: np.ndarray) -> int:
        raise RuntimeError("CUDA error: device-side assert triggered")

    with pytest.raises(RuntimeError, match="device-side assert"):
        list(map_batches(fail, np.arange(4)))
