"""A step that runs out of memory: halved batches, and errors that are not out of memory."""

import weakref
from typing import Any

import numpy as np
import pytest
import torch
from reporters import Recorder
from tiny_learner import (
    NUM,
    assert_same,
    build_learner,
    gradients_of,
    read_step,
    training_data,
)
from torch import Tensor

from drkit import progress
from drkit.batching import halve, is_out_of_memory
from drkit.data.units import UnitIndex
from drkit.errors import UsageError
from drkit.training.learner import (
    Learner,
)


def _full_above(learner: Learner, num_units: int) -> None:
    """Make the grader run out of memory for more units."""
    answer = learner.grader.compute_outputs

    def answer_few(images: Tensor, places: UnitIndex) -> Any:
        if places.num_units > num_units:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return answer(images, places)

    learner.grader.compute_outputs = answer_few  # type: ignore[method-assign]


def test_out_of_memory_halves_the_batch_for_good_and_keeps_the_gradient() -> None:
    data, numbers, reported = training_data(), np.arange(NUM), Recorder()
    single, halved = build_learner(data), build_learner(data)
    _full_above(halved, 2)
    loss, _ = read_step(single.step(numbers, 1))
    with progress.reporting_to(reported):
        again, logits = read_step(halved.step(numbers, 1))
        assert len(reported.warnings) == 3  # 16, 8, 4, 2
        assert "continuing with batches of 2 units; the units per step are unchanged" in reported.warnings[-1]
        assert_same(gradients_of(single), gradients_of(halved))
        halved.step(numbers, 1)
        assert len(reported.warnings) == 3
    assert again == pytest.approx(loss, rel=1e-4)
    assert logits.shape == (NUM, 5)


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "MPS backend out of memory (MPS allocated: 8 GB)",
        "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_the_out_of_memory_messages_of_all_libraries_are_recognised(words: str) -> None:
    assert is_out_of_memory(RuntimeError(words))
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))


def test_halving_releases_the_memory_of_the_failed_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """In particular, the traceback of the error, whose frames refer to the activations, must not be kept."""
    learner, held = build_learner(training_data(), batch_size=2), []
    answer = learner.grader.compute_outputs

    def run_out(images: Tensor, places: UnitIndex) -> Any:
        if places.num_units == 1:
            return answer(images, places)
        activations = torch.ones(3)
        held.append(weakref.ref(activations))
        raise torch.OutOfMemoryError("CUDA out of memory")

    learner.grader.compute_outputs = run_out  # type: ignore[method-assign]
    gone = []

    def watch_halve(batch_size: int) -> int:
        gone.append(held[-1]() is None)
        return halve(batch_size)

    monkeypatch.setattr("drkit.training.learner.halve", watch_halve)
    learner.step(np.arange(4), 1)
    assert gone == [True]


def test_out_of_memory_with_a_single_unit_is_refused() -> None:
    learner = build_learner(training_data(), batch_size=2)
    _full_above(learner, 0)
    with pytest.raises(UsageError, match="not even one unit fits in memory: choose a smaller --size or --backbone"):
        learner.step(np.arange(4), 1)


def test_another_error_is_not_taken_for_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = build_learner(training_data())

    def broken(*_: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(learner.grader, "compute_outputs", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        learner.step(np.arange(4), 1)
