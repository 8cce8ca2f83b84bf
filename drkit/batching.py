"""Batches, halved when a device runs out of memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from drkit.errors import UsageError
from drkit.progress import warn_once

BATCH_SIZE = 32  # photographs; the fastest size on two cores, see tests/benchmarks/inference.py
# Messages of errors other than torch's own: of CUDA, MPS and HIP; of cuBLAS and cuDNN; and of the CPU.
OUT_OF_MEMORY = ("out of memory", "_STATUS_ALLOC_FAILED", "can't allocate memory")
Result = TypeVar("Result")


@dataclass
class BatchSize:
    """The size of the largest batch, which is halved for good when memory runs out.

    Args:
        limit: Number of rows.
    """

    limit: int = BATCH_SIZE


def in_batches(rows: np.ndarray, batch_size: int = BATCH_SIZE) -> Iterator[np.ndarray]:
    """Cut row numbers into batches of nearly equal size, none above `batch_size`."""
    if len(rows):
        yield from np.array_split(rows, -(-len(rows) // batch_size))


def map_batches(
    function: Callable[[np.ndarray], Result], rows: np.ndarray, batch_size: BatchSize | None = None
) -> Iterator[tuple[np.ndarray, Result]]:
    """Call a function on batches of row numbers; one that does not fit in memory is halved, and so are all later ones.

    Args:
        function: Function from the row numbers of a batch to its result, which can be repeated after it ran out of
            memory.
        rows: Row numbers.
        batch_size: Size of the largest batch, halved in place for later calls that share it; None: `BATCH_SIZE`.

    Yields:
        The row numbers of each batch, in order, and the function's result.

    Raises:
        UsageError: not even a batch of one fits in memory.
    """
    size = batch_size or BatchSize()
    waiting = list(in_batches(rows, size.limit))
    while waiting:
        batch = waiting.pop(0)
        result = unless_out_of_memory(lambda batch=batch: function(batch))  # type: ignore[misc]
        if result is not None:
            yield batch, result
            continue
        size.limit = halve(len(batch))
        warn_once(f"out of memory: continuing with batches of {size.limit}")
        waiting = list(in_batches(np.concatenate([batch, *waiting]), size.limit))


def unless_out_of_memory(function: Callable[[], Result]) -> Result | None:
    """Return the function's result, or None if memory ran out; the traceback, which holds activations, is dropped."""
    try:
        return function()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return None


def halve(batch_size: int) -> int:
    """Halve a batch size, rounding up, and release the memory that a failed batch has left in the device's cache.

    Raises:
        UsageError: it is 1 already.
    """
    if batch_size == 1:
        raise UsageError("not even one unit fits in memory: choose a smaller --size or --backbone, or --device cpu")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return -(-batch_size // 2)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that a device, or the machine, is out of memory."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)
