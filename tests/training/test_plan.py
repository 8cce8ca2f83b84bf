"""The plan: what the options leave open, and what cannot work."""

from dataclasses import replace
from pathlib import Path

import pytest

from drkit import talk
from drkit.errors import InputError, UsageError
from drkit.records.labels import Labels, build_rows
from drkit.records.layouts import read_dataset
from drkit.training.config import TrainingConfig
from drkit.training.plan import plan_training


def test_parts_never_share_a_patient(small_config: TrainingConfig) -> None:
    plan = plan_training(read_dataset(small_config.data), replace(small_config, choose="inner"))
    patients = plan.labels.rows["patient_id"]
    train, inner, val = (set(patients.iloc[rows]) for rows in (plan.parts.train, plan.parts.inner, plan.parts.val))
    assert len(train | inner | val) == len(train) + len(inner) + len(val)
    assert min(len(train), len(inner), len(val)) > 0


def test_the_patients_grade_is_the_default_and_the_eyes_where_it_is_the_only_one(
    small_config: TrainingConfig, tmp_path: Path
) -> None:
    labels = read_dataset(small_config.data)
    assert plan_training(labels, small_config).target == "patient"
    only_eyes = replace(labels, targets=("eye",))
    assert plan_training(only_eyes, small_config).target == "eye"
    with pytest.raises(InputError, match="choose --target eye"):
        plan_training(only_eyes, replace(small_config, target="patient"))
    with pytest.raises(InputError, match="has no grades"):
        plan_training(replace(labels, targets=()), small_config)


def test_ungradable_photographs_are_not_trained_on(small_config: TrainingConfig) -> None:
    labels = read_dataset(small_config.data)
    first = labels.rows.index[labels.rows["split"] == "train"][0]
    labels.rows.loc[first, "gradable"] = False

    class Ear(talk.Silence):
        heard: list[str] = []  # noqa: RUF012 - this ear only

        def warn(self, sentence: str) -> None:
            self.heard.append(sentence)

    with talk.listening(Ear()):
        plan = plan_training(labels, small_config)
    assert labels.rows.loc[first, "image_id"] not in set(plan.labels.rows["image_id"])
    assert "1 training photographs have no patient grade" in Ear.heard[0]


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
    assert not plan.own_validation
    assert len(plan.parts.val) == 4


def test_options_that_contradict_are_refused(small_config: TrainingConfig) -> None:
    with pytest.raises(UsageError, match="--choose last"):
        plan_training(read_dataset(small_config.data), replace(small_config, choose="last", patience=2))
    with pytest.raises(UsageError, match="unknown loss 'cross-entropi': did you mean cross-entropy"):
        replace(small_config, loss="cross-entropi")


def test_identity_knows_what_changes_the_weights_and_nothing_else(small_config: TrainingConfig) -> None:
    labels = read_dataset(small_config.data)
    same = plan_training(labels, replace(small_config, workers=3, device="auto")).identity()
    assert plan_training(labels, small_config).identity() == same
    assert plan_training(labels, replace(small_config, seed=1)).identity() != same
