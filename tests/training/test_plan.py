"""The plan: defaults of options, and options that cannot work."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reporters import Recorder

from drkit import progress
from drkit.config.training import RunOptions, TrainingConfig
from drkit.errors import InputError, UsageError
from drkit.records.labels import Labels, build_rows
from drkit.records.layouts import read_datasets
from drkit.records.runs import Run
from drkit.training.execution import execute
from drkit.training.planning import plan_training


def test_splits_never_share_a_patient(small_config: TrainingConfig) -> None:
    plan = plan_training(read_datasets(small_config.data), replace(small_config, choose="inner"))
    patients = plan.labels.rows["patient_id"]
    (fold_split,) = plan.fold_splits
    train, inner, val = (set(patients.iloc[rows]) for rows in (fold_split.train, fold_split.inner, fold_split.val))
    assert len(train | inner | val) == len(train) + len(inner) + len(val)
    assert min(len(train), len(inner), len(val)) > 0


def test_the_target_is_the_patients_grade_if_there_is_one_and_otherwise_the_eyes(
    small_config: TrainingConfig, tmp_path: Path
) -> None:
    labels = read_datasets(small_config.data)
    assert plan_training(labels, small_config).target == "patient"
    only_eyes = replace(labels, targets=("eye",))
    assert plan_training(only_eyes, small_config).target == "eye"
    with pytest.raises(InputError, match="choose --target eye"):
        plan_training(only_eyes, replace(small_config, target="patient"))
    with pytest.raises(InputError, match="has no grades"):
        plan_training(replace(labels, targets=()), small_config)


def test_batch_norms_keep_the_statistics_of_pretrained_weights(small_config: TrainingConfig) -> None:
    assert small_config.weights == "none"
    assert not small_config.keeps_statistics
    assert replace(small_config, weights="imagenet").keeps_statistics
    assert not replace(small_config, weights="imagenet", norms="batch").keeps_statistics
    assert plan_training(read_datasets(small_config.data), small_config).identity()["norms"] == "batch"


def test_ungradable_photographs_are_not_trained_on(small_config: TrainingConfig) -> None:
    labels = read_datasets(small_config.data)
    first = labels.rows.index[labels.rows["split"] == "train"][0]
    labels.rows.loc[first, "gradable"] = False

    reported = Recorder()
    with progress.reporting_to(reported):
        plan = plan_training(labels, small_config)
    assert labels.rows.loc[first, "image_id"] not in set(plan.labels.rows["image_id"])
    assert "1 training photographs have no patient grade" in reported.warnings[0]


def test_units_of_val_are_evaluated_with_their_ungraded_photographs(
    small_config: TrainingConfig, tmp_path: Path
) -> None:
    labels = read_datasets(small_config.data)
    is_val = labels.rows["split"] == "val"
    labels.rows.loc[labels.rows.index[is_val][1:], ["eye_grade", "patient_grade"]] = pd.NA
    config = replace(small_config, unit="patient", epochs=1)
    plan = plan_training(labels, config)
    ids, patient = labels.rows["image_id"], labels.rows["patient_id"]
    together = set(ids[is_val & (patient == patient[is_val].iloc[0])])
    assert set(plan.labels.rows["image_id"].iloc[plan.fold_splits[0].val]) == together
    assert len(together) > 1
    assert execute(plan, Run(tmp_path / "a"), RunOptions(tmp_path)).agreements["val"].cases == 1


def test_an_eye_has_the_grade_of_any_of_its_photographs(small_config: TrainingConfig) -> None:
    labels = read_datasets(small_config.data)
    first = labels.rows.groupby(["patient_id", "eye"]).head(1).index
    complete = plan_training(labels, replace(small_config, unit="eye", auxiliary=True)).auxiliary_grades
    labels.rows.loc[first, "eye_grade"] = pd.NA
    assert (complete >= 0).any()
    partial = plan_training(labels, replace(small_config, unit="eye", auxiliary=True)).auxiliary_grades
    assert np.array_equal(partial, complete)


def test_without_a_validation_split_patients_are_held_out_and_named(
    small_config: TrainingConfig, tmp_path: Path
) -> None:
    rows = build_rows(
        image_id=[str(number) for number in range(20)],
        path=[str(tmp_path / f"{number}.jpg") for number in range(20)],
        patient_id=[str(number // 2) for number in range(20)],
        eye_grade=[number // 2 % 5 for number in range(20)],
        split=["train"] * 20,
    )
    plan = plan_training(Labels(rows, tmp_path, "test", ("eye",)), small_config)
    assert plan.held_out == {"val": (tmp_path.name,)}
    assert len(plan.fold_splits[0].val) == 4


def test_contradictory_options_are_refused(small_config: TrainingConfig) -> None:
    labels = read_datasets(small_config.data)
    for options, sentence in (
        ({"choose": "last", "patience": 2}, "--choose last"),
        ({"loss": "cross-entropi"}, "unknown loss 'cross-entropi': did you mean cross-entropy"),
        ({"augment": "mediun"}, "did you mean medium"),
        ({"freeze": "half"}, "--freeze half: expected none, backbone"),
        ({"freeze": "0"}, "a number of stages, at least 1"),
        ({"unit": "patient", "target": "eye"}, "--unit patient joins both eyes"),
        ({"decision": "cut-points:shrink=0.5"}, "add --folds 5"),
        ({"decision": "cutpoints"}, "unknown decision 'cutpoints': did you mean cut-points"),
        ({"decision": "cut-points:shrink=2"}, "expected a number from 0 to 1"),
        ({"folds_over": "train+val"}, "add --folds 5"),
        ({"folds": 2, "folds_over": "train+val", "choose": "val"}, "leaves no val split to select the epoch on"),
        ({"balance": "dataset"}, "needs several data sets: add another --data"),
        ({"val_share": 0.5, "test_share": 0.5}, "leave no patients to train on"),
        ({"unshared": True}, "--unshared needs --unit eye or patient"),
        ({"unfreeze_every": 1, "freeze": "2"}, "leave out one of them"),
        ({"folds": 50}, "cannot fill 50 folds"),
    ):
        with pytest.raises((UsageError, InputError), match=sentence):
            plan_training(labels, replace(small_config, **options))
    with pytest.raises(UsageError, match="joins both eyes"):  # whether the target was given or picked
        plan_training(replace(labels, targets=("eye",)), replace(small_config, unit="patient"))
    with pytest.raises(InputError, match="--auxiliary needs the grades of both targets"):
        plan_training(replace(labels, targets=("eye",)), replace(small_config, auxiliary=True))


def test_the_identity_contains_what_changes_the_weights_and_nothing_else(small_config: TrainingConfig) -> None:
    labels = read_datasets(small_config.data)
    same = plan_training(labels, replace(small_config, workers=3, device="auto")).identity()
    assert plan_training(labels, small_config).identity() == same
    assert plan_training(labels, replace(small_config, seed=1)).identity() != same


def test_copies_of_a_photograph_are_in_the_same_split_and_fold(
    small_config: TrainingConfig,
    tmp_path: Path,
    fundus: Callable[[int], np.ndarray],
    save: Callable[..., Path],
) -> None:
    """Two data sets of 20 photographs; number 3 is in both, saved again, and is also number 7 in the first."""
    for name, seeds in (("a", [0, 1, 2, 3, 4, 5, 6, 3, *range(8, 20)]), ("b", [30, 31, 32, 3, *range(34, 50)])):
        for number, seed in enumerate(seeds):
            quality = 70 if number == 7 else {"a": 90, "b": 80}[name]
            save(fundus(seed), tmp_path / name / f"{name}{number}.jpg", quality)
        lines = [f"{name}{number},{number % 5}" for number in range(20)]
        (tmp_path / name / "labels.csv").write_text("\n".join(["image,grade", *lines]))
    config = replace(
        small_config, data=[tmp_path / "a", tmp_path / "b"], cache_dir=tmp_path / "cache", folds=4, choose="last"
    )
    labels, apart, torn = read_datasets(config.data), 0, 0
    for seed in range(8):
        for dedupe in (False, True):
            plan = plan_training(labels, replace(config, seed=seed, dedupe=dedupe))
            names = plan.labels.rows["image_id"]
            copies = [row for row in range(len(names)) if names[row] in ("a3", "a7", "b3")]
            held = [{row for row in copies if row in set(fold_split.held_out)} for fold_split in plan.fold_splits]
            is_whole = all(
                len(part) in (0, 3) for part in (*held, {row for row in copies if row in plan.fold_splits[0].val})
            )
            torn += not is_whole and dedupe
            apart += not is_whole and not dedupe
    assert torn == 0
    assert apart > 0
