"""Inputs of a grader: augmented for training only, and frozen features reused only if nothing has changed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from architectures import make_architecture
from lightning_fabric import Fabric
from torch import Tensor

from drkit import batching, inference
from drkit.config.training import TrainingConfig
from drkit.data.augmentation import load_policy
from drkit.data.bank import PhotographBank
from drkit.data.rendering import InputFormat
from drkit.grading import grade_photographs
from drkit.models.grader import Grader, build_grader
from drkit.models.restoring import open_run
from drkit.recipes.finetune import RunOptions, plan_finetune, run_finetune
from drkit.records.layouts import read_datasets
from drkit.records.predictions import read_predictions
from drkit.training import description, inputs
from drkit.training.inputs import FrozenInputs, PhotographInputs, freeze_inputs
from drkit.training.planning import plan_training
from drkit.training.setup import set_up


@pytest.mark.parametrize(
    "options", [{}, {"choose": "inner"}, {"freeze": "2", "copies": 2}, {"folds": 2}], ids=lambda options: str(options)
)
def test_only_photographs_that_are_trained_on_are_ever_changed(
    small_config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    changed: set[str] = set()
    draw = inputs.draw

    def spy(policy: object, image_ids: list[str], *others: object) -> object:
        changed.update(image_ids)
        return draw(policy, image_ids, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(inputs, "draw", spy)
    config = replace(small_config, epochs=1, **options)  # type: ignore[arg-type]
    run_finetune(config, RunOptions(tmp_path))
    plan = plan_training(read_datasets(config.data), config)
    names = plan.labels.rows["image_id"]
    trained = set(names.iloc[np.concatenate([fold_split.train for fold_split in plan.fold_splits])])
    assert changed == (trained if not options.get("freeze") else set(names.iloc[plan.fitted_rows]))
    assert not changed & set(names[plan.labels.rows["split"] != "train"])


def test_predictions_are_the_same_for_any_batch_size_and_augmentation(
    run_stem: Path, small_config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, labels = open_run(run_stem), read_datasets(small_config.data)
    expected = grade_photographs(opened, labels, "cpu").probabilities()
    monkeypatch.setattr(inference, "BATCH_SIZE", 5)
    monkeypatch.setattr(batching.in_batches, "__defaults__", (5,))
    assert np.allclose(grade_photographs(opened, labels, "cpu").probabilities(), expected, atol=1e-5)


@pytest.mark.parametrize("unit", ["image", "eye"])
def test_the_mean_of_eight_views_does_not_depend_on_flips_and_quarter_turns(
    small_config: TrainingConfig, unit: str
) -> None:
    """With --tta, the prediction is the same for the mirror image and for each quarter turn."""
    config = replace(small_config, unit=unit, loss="cross-entropy")  # type: ignore[arg-type]
    plan = plan_training(read_datasets(config.data), config)
    setup = set_up(plan)

    def grade(lay: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        bank = replace(setup.bank, pixels=lay(setup.bank.pixels))
        photographs = replace(setup.photographs, bank=bank)
        outputs = inference.run_units(setup.grader, photographs.views, plan.units, np.arange(4))
        assert outputs.logits.shape[0] == 8
        return outputs.logits.mean(0)  # before scores are clipped to the scale

    plain = grade(lambda pixels: pixels)
    assert np.ptp(plain) > 0
    assert np.allclose(grade(lambda pixels: pixels[:, :, ::-1]), plain, atol=1e-4)
    assert np.allclose(grade(lambda pixels: np.rot90(pixels, 1, (1, 2))), plain, atol=1e-4)


# Frozen features.

SIDE = 32
CPU = Fabric(accelerator="cpu", devices=1)


@pytest.fixture
def photographs() -> PhotographInputs:
    pixels = np.random.default_rng(0).integers(0, 255, (6, 40, 40, 3), np.uint8)
    bank = PhotographBank(pixels, tuple(f"hash {number}" for number in range(6)))
    names, input_format = [f"p{number}" for number in range(6)], InputFormat(SIDE, (0.5,) * 3, (0.5,) * 3)  # type: ignore[arg-type]
    return PhotographInputs(
        bank=bank,
        image_ids=names,
        input_format=input_format,
        policy=load_policy("medium"),
        seed=0,
        device=torch.device("cpu"),
    )


def _grader(seed: int = 0) -> Grader:
    torch.manual_seed(seed)
    return build_grader(make_architecture(side=SIDE))


def _config(cache_dir: Path | None, **options: object) -> TrainingConfig:
    return TrainingConfig(freeze="2", copies=2, cache_dir=cache_dir, **options)  # type: ignore[arg-type]


TRAINED = np.array([0, 2, 3])


class Spy:
    """Counts how often a frozen part runs; the very first run only measures the shape."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.photographs = 0
        run = inputs.run_frozen_part

        def counted(grader: Grader, images: Tensor, stages: int | None) -> Tensor:
            self.photographs += len(images)
            return run(grader, images, stages)

        monkeypatch.setattr(inputs, "run_frozen_part", counted)

    def take_count(self) -> int:
        """Number of photographs since the last call, without the one that measures the shape."""
        seen, self.photographs = self.photographs - 1, 0
        return seen


def _same(first: FrozenInputs, second: FrozenInputs) -> bool:
    return np.array_equal(first.eval_features, second.eval_features) and np.array_equal(first.copies, second.copies)


def test_frozen_features_are_what_the_lower_stages_give(photographs: PhotographInputs) -> None:
    grader = _grader().eval()
    frozen = freeze_inputs(grader, photographs, TRAINED, _config(None), CPU)
    with torch.inference_mode():
        plain = grader.backbone.lower(photographs.eval_batch(np.arange(6)), 2)
        second = grader.backbone.lower(photographs.prepare(TRAINED, 1)(), 2)
    assert torch.allclose(frozen.eval_batch(np.arange(6)), plain, rtol=1e-2, atol=1e-2)
    assert torch.allclose(frozen.prepare(TRAINED, 1)(), second, rtol=1e-2, atol=1e-2)
    assert torch.equal(frozen.prepare(TRAINED, 3)(), frozen.prepare(TRAINED, 1)())  # two copies alternate
    assert not torch.equal(frozen.prepare(TRAINED, 2)(), frozen.prepare(TRAINED, 1)())
    assert not frozen.copies[:, [1, 4, 5]].any()


def test_without_copies_the_plain_photographs_are_trained_on(photographs: PhotographInputs) -> None:
    frozen = freeze_inputs(_grader(), photographs, TRAINED, replace(_config(None), copies=0), CPU)
    assert torch.equal(frozen.prepare(TRAINED, 1)(), frozen.eval_batch(TRAINED))
    plain = replace(photographs, policy=load_policy("none"))
    assert len(freeze_inputs(_grader(), plain, TRAINED, _config(None), CPU).copies) == 0


def test_a_named_cache_gives_the_same_features_without_running_the_network(
    photographs: PhotographInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)
    first = freeze_inputs(_grader(), photographs, TRAINED, _config(tmp_path), CPU)
    assert spy.take_count() == 6 + 2 * 3
    again = freeze_inputs(_grader(), photographs, TRAINED, _config(tmp_path), CPU)
    assert spy.take_count() == 0
    assert _same(first, again)
    assert _same(first, freeze_inputs(_grader(), photographs, TRAINED, _config(None), CPU))
    assert spy.take_count() == 12  # without a folder nothing is cached


@pytest.mark.parametrize(
    ("changed", "runs"),
    [
        ({"seed": 1}, 6),  # the copies alone
        ({"policy": load_policy("strong")}, 6),
        ({"input_format": InputFormat(SIDE, (0.4, 0.5, 0.5), (0.5, 0.5, 0.5))}, 12),
        ({"image_ids": ["q0", "q1", "q2", "q3", "q4", "q5"]}, 12),
    ],
    ids=["seed", "policy", "normalisation", "names"],
)
def test_other_settings_need_another_cache(
    photographs: PhotographInputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, object],
    runs: int,
) -> None:
    freeze_inputs(_grader(), photographs, TRAINED, _config(tmp_path), CPU)
    spy, other = Spy(monkeypatch), replace(photographs, **changed)  # type: ignore[arg-type]
    features = freeze_inputs(_grader(), other, TRAINED, _config(tmp_path), CPU)
    assert spy.take_count() == runs
    assert _same(features, freeze_inputs(_grader(), other, TRAINED, _config(None), CPU))


def test_other_weights_stages_rows_and_pixels_need_another_cache(
    photographs: PhotographInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pixels must be compared because a preprocessed data set has the hashes of the source photographs."""
    freeze_inputs(_grader(), photographs, TRAINED, _config(tmp_path), CPU)
    spy = Spy(monkeypatch)
    freeze_inputs(_grader(1), photographs, TRAINED, _config(tmp_path), CPU)
    assert spy.take_count() == 12
    freeze_inputs(_grader(), photographs, TRAINED, replace(_config(tmp_path), freeze="3"), CPU)
    assert spy.take_count() == 12
    freeze_inputs(_grader(), photographs, np.array([0, 1]), _config(tmp_path), CPU)
    assert spy.take_count() == 4
    filtered = replace(photographs, bank=replace(photographs.bank, pixels=255 - photographs.bank.pixels))
    freeze_inputs(_grader(), filtered, TRAINED, _config(tmp_path), CPU)
    assert spy.take_count() == 12


def test_a_network_with_the_same_weights_needs_another_cache(photographs: PhotographInputs, tmp_path: Path) -> None:
    """EfficientNet and TensorFlow's port of it have the same tensors, but pad photographs differently."""

    def freeze(backbone: str, cache_dir: Path | None) -> FrozenInputs:
        torch.manual_seed(0)
        grader = build_grader(make_architecture(backbone, side=SIDE))
        return freeze_inputs(grader, photographs, TRAINED, _config(cache_dir), CPU)

    first, ported = freeze("efficientnet_b0", tmp_path), freeze("tf_efficientnet_b0", tmp_path)
    assert not np.array_equal(ported.eval_features, first.eval_features)
    assert _same(ported, freeze("tf_efficientnet_b0", None))


def test_a_run_with_a_filled_cache_equals_the_run_without(small_config: TrainingConfig, tmp_path: Path) -> None:
    config = replace(small_config, freeze="3", copies=1, epochs=1)
    caches = {"first": tmp_path / "cache", "again": tmp_path / "cache", "without": None}
    tables = {
        name: read_predictions(
            run_finetune(replace(config, cache_dir=cache), RunOptions(tmp_path / name, "a")).run
        ).rows
        for name, cache in caches.items()
    }
    assert tables["again"].equals(tables["first"])
    assert tables["again"].equals(tables["without"])


def test_features_that_do_not_fit_in_memory_are_in_a_temporary_file(
    photographs: PhotographInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    within = freeze_inputs(_grader(), photographs, TRAINED, _config(None), CPU)
    monkeypatch.setattr(inputs, "fits_in_memory", lambda num_bytes: num_bytes < 3 * within.eval_features.nbytes)
    monkeypatch.setattr(inputs, "default_cache_dir", lambda: tmp_path / "cache")
    on_disk = freeze_inputs(_grader(), photographs, TRAINED, _config(None), CPU)
    assert isinstance(on_disk.eval_features.base, np.memmap)
    assert isinstance(on_disk.copies, np.memmap)
    assert _same(within, on_disk)
    assert list((tmp_path / "cache").iterdir()) == []  # nothing is left behind
    monkeypatch.setattr(inputs, "fits_in_memory", lambda num_bytes: num_bytes <= 3 * within.eval_features.nbytes)
    assert not isinstance(freeze_inputs(_grader(), photographs, TRAINED, _config(None), CPU).copies, np.memmap)


def test_the_plan_names_the_folder_of_the_features(
    small_config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(small_config, freeze="backbone", copies=2)

    def last_lines(config: TrainingConfig) -> str:
        return " ".join(map(str, plan_finetune(config, RunOptions(tmp_path)).render()))

    assert "in a file in" not in last_lines(config)
    assert f"MiB, in a file in {tmp_path / 'named'}" in last_lines(replace(config, cache_dir=tmp_path / "named"))
    monkeypatch.setattr(description, "default_cache_dir", lambda: tmp_path / "cache")
    assert f"MiB, in a file in {tmp_path / 'cache'}" in last_lines(replace(config, devices=2, strategy="ddp"))
    monkeypatch.setattr(description, "fits_in_memory", lambda _: False)
    assert f"MiB, in a file in {tmp_path / 'cache'}" in last_lines(config)
    assert "in a file in" not in last_lines(small_config)
