"""Photographs that are neither trained nor validated on are not kept in memory, and their predictions are the same."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from whole_bank import bank_all

from drkit.config.training import TrainingConfig
from drkit.errors import UnreadablePhotographsError
from drkit.inference import run_units
from drkit.models.freezing import without_frozen_part
from drkit.models.grader import Grader
from drkit.records.layouts import read_datasets
from drkit.records.provenance import sha256_file
from drkit.records.runs import Run
from drkit.training import inputs, unfitted
from drkit.training.fitting import fit_networks
from drkit.training.inputs import NOT_BANKED
from drkit.training.plan import TrainingPlan
from drkit.training.planning import plan_training
from drkit.training.setup import set_up
from drkit.training.unfitted import predict_unfitted


def _plan(config: TrainingConfig, **options: object) -> TrainingPlan:
    altered = replace(config, epochs=1, **options)  # type: ignore[arg-type]
    return plan_training(read_datasets(altered.data), altered)


def test_only_training_and_validation_photographs_are_kept(small_config: TrainingConfig) -> None:
    setup = set_up(_plan(small_config))
    splits = setup.plan.labels.rows["split"].to_numpy(dtype=str)
    assert setup.photographs.positions is not None
    assert set(splits[setup.photographs.positions == NOT_BANKED]) == {"test"}
    assert len(setup.bank) == np.isin(splits, ["train", "val"]).sum() < len(splits)
    with pytest.raises(IndexError):
        setup.photographs.eval_batch(np.flatnonzero(splits == "test"))
    assert list(setup.hashes) == [sha256_file(path) for path in setup.plan.labels.paths()]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"folds": 2, "freeze": "2", "copies": 0, "choose": "last"},
        {"freeze": "backbone", "copies": 0},
        {"unit": "patient", "batch_size": 4, "tta": True, "freeze": "2", "copies": 0, "embeddings": True},
    ],
    ids=["plain", "folds and frozen stages", "frozen backbone", "patients and views"],
)
def test_the_others_are_graded_as_if_they_were_kept(
    small_config: TrainingConfig, tmp_path: Path, options: dict[str, object]
) -> None:
    """The predictions are bit-identical; with frozen stages they are computed from features in float16."""
    plan = _plan(small_config, **options)
    setup = set_up(plan)
    fitted = predict_unfitted(setup, fit_networks(setup, Run(tmp_path / "a"), resume=False))
    photographs, stages = bank_all(setup, tmp_path), plan.config.frozen_stages
    numbers = plan.units.of_rows(plan.unfitted_rows)
    for network in fitted:
        setup.grader.load_state_dict(network.tensors())
        assert network.others is not None
        if plan.config.tta or stages == 0:
            views = photographs.views if plan.config.tta else lambda rows: [photographs.eval_batch(rows)]
            expected = run_units(setup.grader, views, plan.units, numbers)
        else:
            frozen = inputs.freeze_inputs(setup.grader, photographs, plan.fitted_rows, plan.config, setup.fabric)
            with without_frozen_part(setup.grader, stages):
                expected = run_units(
                    setup.grader, lambda rows, frozen=frozen: [frozen.eval_batch(rows)], plan.units, numbers
                )
        assert np.array_equal(network.others.rows, expected.rows)
        assert np.array_equal(network.others.logits, expected.logits)
        activations = expected.activations if plan.config.embeddings else expected.activations[:, :0]
        assert np.array_equal(network.others.activations, activations)


def test_frozen_stages_run_once_for_all_folds(
    small_config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = set_up(_plan(small_config, folds=3, freeze="2", copies=0, choose="last"))
    fitted = fit_networks(setup, Run(tmp_path / "a"), resume=False)
    run, seen = unfitted.run_frozen_part, []

    def counted(grader: Grader, images: Tensor, stages: int | None) -> Tensor:
        seen.append(len(images))
        return run(grader, images, stages)

    monkeypatch.setattr(unfitted, "run_frozen_part", counted)
    predict_unfitted(setup, fitted)
    assert sum(seen) == len(setup.plan.unfitted_rows)


def test_running_out_of_memory_halves_the_batch(
    small_config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = set_up(_plan(small_config, freeze="2", copies=0))
    fitted = fit_networks(setup, Run(tmp_path / "a"), resume=False)
    (plain,) = predict_unfitted(setup, fitted)
    run = unfitted.run_frozen_part

    def cramped(grader: Grader, images: Tensor, stages: int | None) -> Tensor:
        if len(images) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(grader, images, stages)

    monkeypatch.setattr(unfitted, "run_frozen_part", cramped)
    (halved,) = predict_unfitted(setup, fitted)
    assert plain.others is not None
    assert halved.others is not None
    assert np.allclose(halved.others.logits, plain.others.logits, atol=1e-5)


def test_they_are_refused_before_the_training(small_config: TrainingConfig, eyes: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(eyes, tmp_path / "eyes"))
    for path in sorted((data / "test").rglob("*.jpg"))[:2]:
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UnreadablePhotographsError, match="2 photographs cannot be used"):
        set_up(_plan(small_config, data=[data]))


def test_a_photograph_that_is_lost_during_the_training_is_refused(
    small_config: TrainingConfig, eyes: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(eyes, tmp_path / "eyes"))
    setup = set_up(_plan(small_config, data=[data]))
    fitted = fit_networks(setup, Run(tmp_path / "a"), resume=False)
    lost = next((data / "test").rglob("*.jpg"))
    lost.unlink()
    with pytest.raises(UnreadablePhotographsError, match=f"{lost.name} cannot be read"):
        predict_unfitted(setup, fitted)
