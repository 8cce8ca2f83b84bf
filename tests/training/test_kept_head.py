"""`--keep-head`: the next training starts from the predictions of a run's head."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from drkit.config.training import AttendConfig, TrainingConfig
from drkit.data.units import UnitIndex
from drkit.errors import UsageError
from drkit.models.grader import Grader
from drkit.models.restoring import open_run
from drkit.recipes.finetune import RunOptions, plan_finetune, run_finetune
from drkit.records.layouts import read_datasets
from drkit.training import fitting
from drkit.training.learner import Learner
from drkit.training.planning import plan_training
from drkit.training.setup import set_up


@pytest.fixture(scope="module")
def finished(small_config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Trains a run for one epoch with the given options."""
    folder = tmp_path_factory.mktemp("runs")

    def train(name: str, **options: Any) -> Path:
        if not (folder / f"{name}.json").exists():
            config = replace(small_config, epochs=1, choose="last", **options)
            run_finetune(config, RunOptions(folder, name))
        return folder / name

    return train


def _next(config: TrainingConfig, run: Path, **options: Any) -> TrainingConfig:
    return replace(config, weights=str(run), choose="last", keep_head=True, **options)


def _drawn(config: TrainingConfig) -> Grader:
    """The network before the first step."""
    return set_up(plan_training(read_datasets(config.data), config)).grader.eval()


def _answer(grader: Grader, images: Tensor, unit: list[int]) -> Tensor:
    """Logits of photographs that are views of one eye."""
    slots = torch.tensor([unit[:number].count(one) for number, one in enumerate(unit)])
    places = UnitIndex(torch.tensor(unit), slots, torch.tensor(unit), max(unit) + 1, max(unit) + 1)
    with torch.inference_mode():
        return grader.compute_outputs(images, places)[0]


@pytest.mark.parametrize("loss", ["regression", "cumulative-link", "cross-entropy"])
@pytest.mark.parametrize("fusion", ["mean-max", "attention"])
def test_a_unit_of_identical_photographs_is_predicted_as_one_of_them(
    finished: Callable[..., Path], small_config: TrainingConfig, loss: str, fusion: str
) -> None:
    run = finished(f"image-{loss}", loss=loss)
    child = _drawn(_next(small_config, run, loss=loss, unit="patient", fusion=fusion))
    images = torch.randn(2, 3, 64, 64)
    parent = open_run(run).graders[0].eval()
    with torch.inference_mode():
        alone = parent(images)
    together = _answer(child, images[[0, 0, 0, 1]], [0, 0, 0, 1])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(_answer(child, images[[0, 1]], [0, 0]), alone[:1])


def test_a_network_of_the_same_units_starts_unchanged(
    finished: Callable[..., Path], small_config: TrainingConfig
) -> None:
    options = {"unit": "eye", "auxiliary": True}
    run = finished("eye", **options)
    parent, child = open_run(run).graders[0], _drawn(_next(small_config, run, **options))
    before, after = parent.state_dict(), child.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("keep_head", [True, False])
def test_the_first_step_starts_from_the_kept_bias(
    finished: Callable[..., Path], small_config: TrainingConfig, keep_head: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished("image-regression", loss="regression")
    begun: list[Tensor] = []

    class Watched(Learner):
        def __init__(self, grader: Grader, *others: Any) -> None:
            begun.append(grader.head.output.bias.detach().clone())
            super().__init__(grader, *others)

    monkeypatch.setattr(fitting, "Learner", Watched)
    config = replace(_next(small_config, run, epochs=1), keep_head=keep_head)
    run_finetune(config, RunOptions(run.parent, f"child-{keep_head}", force=True))
    kept = open_run(run).graders[0].head.output.bias
    assert torch.equal(begun[0], kept) == keep_head


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "eye"}, "--target patient, not eye"),
        ({"loss": "mse"}, "--loss regression, not mse"),
        ({"unit": "eye", "fusion": "concat"}, "--fusion none, not concat of 2"),
        ({"target": "eye", "loss": "mse"}, "--target patient, not eye; --loss regression, not mse"),
    ],
)
def test_a_head_with_another_meaning_is_refused(
    finished: Callable[..., Path], small_config: TrainingConfig, options: dict[str, str], message: str
) -> None:
    run = finished("image-regression", loss="regression")
    with pytest.raises(UsageError, match=rf"was trained with {message}: choose the same, or leave out --keep-head"):
        plan_finetune(_next(small_config, run, **options), RunOptions(run.parent))


def test_weights_without_a_head_are_refused(small_config: TrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--weights none is not a drkit run: leave out"):
        plan_finetune(replace(small_config, keep_head=True), RunOptions(tmp_path))


def test_attention_is_kept_with_its_head(finished: Callable[..., Path], small_config: TrainingConfig) -> None:
    options = {name: getattr(small_config, name) for name in small_config.__dataclass_fields__}
    attending = AttendConfig(**{**options, "epochs": 1, "choose": "last"}, attention_blocks="se:reduction=4")
    run = finished("image-regression", loss="regression").parent / "attending"
    run_finetune(attending, RunOptions(run.parent, "attending", force=True))
    child = _drawn(_next(attending, run))
    tensors = open_run(run).graders[0].attention.state_dict()
    assert any(np.any(tensor.numpy()) for tensor in tensors.values())
    assert all(torch.equal(tensor, child.attention.state_dict()[name]) for name, tensor in tensors.items())
    with pytest.raises(UsageError, match="--attention se:reduction=4, not none"):
        plan_finetune(_next(small_config, run), RunOptions(run.parent))


def test_attention_that_depends_on_the_size_of_the_maps_is_refused_at_another_size(
    small_config: TrainingConfig, tmp_path: Path
) -> None:
    options = {name: getattr(small_config, name) for name in small_config.__dataclass_fields__}
    attending = AttendConfig(**{**options, "epochs": 1, "choose": "last"}, attention_blocks="self:heads=1")
    run = run_finetune(attending, RunOptions(tmp_path, "attending")).run
    with pytest.raises(UsageError, match=r"--keep-head: self:\S+ of \S+ was trained .* another size: use --size 64"):
        plan_finetune(_next(attending, run, size=96), RunOptions(tmp_path))
    assert plan_finetune(_next(attending, run), RunOptions(tmp_path)).options["keep_head"]


def test_the_plan_names_the_weights_of_the_head(finished: Callable[..., Path], small_config: TrainingConfig) -> None:
    run = finished("image-regression", loss="regression")
    report = plan_finetune(_next(small_config, run), RunOptions(run.parent))
    assert next(iter(report.render())).startswith(f"test_efficientnet and its head from {run}.safetensors weights")
