"""The files of a finished training, with nearly all options at once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from whole_bank import bank_all

from drkit.config.training import TrainingConfig
from drkit.inference import run_units
from drkit.models.restoring import open_run
from drkit.recipes.finetune import RunOptions, run_finetune
from drkit.records.layouts import read_datasets
from drkit.records.predictions import read_predictions
from drkit.training.planning import plan_training
from drkit.training.setup import set_up


def test_each_row_has_the_activations_of_its_own_photograph(small_config: TrainingConfig, tmp_path: Path) -> None:
    config = replace(
        small_config, unit="eye", fusion="attention", loss="cumulative-link", auxiliary=True, class_weights=True,
        oversample="patient", bootstrap_patients=1, mixup=0.2, unfreeze_every=1, layer_decay=0.7, optimizer="sgd",
        clip=1.0, accumulate=2, epochs=2, choose="last", embeddings=True,
    )  # fmt: skip
    run = run_finetune(config, RunOptions(tmp_path, "all")).run
    predictions = read_predictions(run)
    plan = plan_training(read_datasets(config.data), config)
    photographs, grader = bank_all(set_up(plan), tmp_path), open_run(run).graders[0]
    outputs = run_units(grader, lambda rows: [photographs.eval_batch(rows)], plan.units, np.arange(len(plan.units)))
    names = plan.labels.rows["image_id"].to_numpy()[outputs.rows]
    expected = dict(zip(names, outputs.activations, strict=True))
    kept = dict(zip(predictions.rows["image_id"], predictions.embeddings(), strict=True))
    assert set(kept) == set(plan.labels.rows["image_id"][plan.labels.rows["split"] != "train"])
    for name, activations in kept.items():
        np.testing.assert_allclose(activations, expected[name], rtol=0.02, atol=1e-3)
    assert len(np.unique(predictions.embeddings(), axis=0)) == len(predictions)
