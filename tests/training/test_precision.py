"""Validation, frozen stages and predictions run in the training's precision, and in smaller batches without memory."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from drkit.config.training import TrainingConfig
from drkit.grading import grade_photographs
from drkit.models.grader import Grader
from drkit.models.restoring import open_run
from drkit.recipes.explain import ExplainConfig, run_explain
from drkit.recipes.finetune import RunOptions, run_finetune
from drkit.records.layouts import read_datasets
from drkit.records.predictions import read_predictions
from drkit.training import inputs
from drkit.training.planning import plan_training


@pytest.fixture
def dtypes(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[torch.dtype]]:
    """Types of the outputs in training, in evaluation and from frozen stages."""
    seen: dict[str, set[torch.dtype]] = {"train": set(), "eval": set(), "frozen": set()}
    answer, run = Grader.compute_outputs, inputs.run_frozen_part

    def watch_answer(self: Grader, *given: Any) -> Any:
        outputs = answer(self, *given)
        seen["train" if self.training else "eval"].add(outputs[0].dtype)
        return outputs

    def watch_frozen(*given: Any) -> Tensor:
        features = run(*given)
        seen["frozen"].add(features.dtype)
        return features

    monkeypatch.setattr(Grader, "compute_outputs", watch_answer)
    monkeypatch.setattr(inputs, "run_frozen_part", watch_frozen)
    return seen


@pytest.mark.parametrize(("precision", "dtype"), [("32", torch.float32), ("bf16", torch.bfloat16)])
def test_evaluation_and_frozen_stages_use_the_precision_of_the_training(
    small_config: TrainingConfig,
    tmp_path: Path,
    dtypes: dict[str, set[torch.dtype]],
    precision: str,
    dtype: torch.dtype,
) -> None:
    config = replace(small_config, epochs=1, freeze="2", copies=1, precision=precision)  # type: ignore[arg-type]
    run_finetune(config, RunOptions(tmp_path, "a"))
    assert dtypes == {"train": {dtype}, "eval": {dtype}, "frozen": {dtype}}


def test_features_of_another_precision_need_another_cache(small_config: TrainingConfig, tmp_path: Path) -> None:
    config = replace(small_config, epochs=1, freeze="2", copies=0, cache_dir=tmp_path / "cache")
    for precision in ("32", "bf16"):
        run_finetune(replace(config, precision=precision), RunOptions(tmp_path, f"run-{precision}"))
    first = read_predictions(tmp_path / "run-32").probabilities()
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 2
    assert not np.array_equal(first, read_predictions(tmp_path / "run-bf16").probabilities())


def test_predictions_in_bf16_are_nearly_those_in_32_bits(run_stem: Path, small_config: TrainingConfig) -> None:
    opened = open_run(run_stem)
    by_precision = {
        precision: grade_photographs(opened, read_datasets(small_config.data), "cpu", precision=precision).rows
        for precision in ("auto", "32", "bf16")
    }
    assert by_precision["auto"].equals(by_precision["32"])
    assert not by_precision["bf16"].equals(by_precision["32"])
    assert np.allclose(by_precision["bf16"]["score"], by_precision["32"]["score"], atol=0.1)


@pytest.fixture
def cramped(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Networks that run out of memory for more than five photographs outside training; sizes that failed."""
    maps, failed = Grader.maps, []

    def maps_of_few(self: Grader, images: Tensor, *given: Any) -> Tensor:
        if len(images) > 5 and not self.training:
            failed.append(len(images))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return maps(self, images, *given)

    monkeypatch.setattr(Grader, "maps", maps_of_few)
    return failed


def test_out_of_memory_evaluates_predicts_and_explains_in_smaller_batches(
    small_config: TrainingConfig, run_stem: Path, tmp_path: Path, cramped: list[int]
) -> None:
    run = run_finetune(small_config, RunOptions(tmp_path, "small")).run
    assert cramped
    expected, actual = read_predictions(run_stem), read_predictions(run)
    assert np.allclose(actual.rows["score"], expected.rows["score"], atol=1e-4)
    cramped.clear()
    opened = open_run(run_stem)
    graded = grade_photographs(opened, read_datasets(small_config.data), "cpu").rows.set_index("image_id")
    assert cramped
    own = expected.rows.set_index("image_id")
    assert np.allclose(graded.loc[own.index, "score"], own["score"], atol=1e-4)
    cramped.clear()
    ids = tuple(expected.rows["image_id"][:8])
    config = ExplainConfig(data=small_config.data, out=tmp_path / "out", device="cpu", ids=",".join(ids))
    assert run_explain(run_stem, config).photographs == 8
    assert cramped == [8]


def test_out_of_memory_runs_frozen_stages_in_smaller_batches(
    small_config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(small_config, epochs=1, freeze="2", copies=1)
    expected = run_finetune(config, RunOptions(tmp_path, "expected")).run
    run, sizes = inputs.run_frozen_part, []

    def run_few(grader: Grader, images: Tensor, stages: int | None) -> Tensor:
        sizes.append(len(images))
        if len(images) > 4:
            raise RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)")
        return run(grader, images, stages)

    monkeypatch.setattr(inputs, "run_frozen_part", run_few)
    again = run_finetune(config, RunOptions(tmp_path, "again")).run
    plan = plan_training(read_datasets(config.data), config)
    assert sum(size for size in sizes if size <= 4) == 1 + len(plan.banked_rows) + len(plan.fitted_rows)
    assert np.allclose(*(read_predictions(each).rows["score"] for each in (expected, again)), atol=1e-2)
