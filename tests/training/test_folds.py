"""Folds: each patient is graded by a network, a sigma and cut points that were fitted without the patient."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from drkit.config.training import TrainingConfig
from drkit.cut_points import ROUNDING
from drkit.decisions import GradePredictions
from drkit.errors import Interrupted, LeakageError
from drkit.evaluation.aggregation import aggregate
from drkit.grading import grade_photographs
from drkit.inference import Outputs
from drkit.models.restoring import OpenedRun, open_run
from drkit.recipes.finetune import RunOptions, run_finetune
from drkit.records.checkpoint import read_checkpoint
from drkit.records.history import read_history
from drkit.records.layouts import read_datasets
from drkit.records.predictions import Predictions, read_predictions
from drkit.records.runs import NetworkId, Run, list_networks
from drkit.training import resume
from drkit.training.fitting import FittedNetwork, fit_networks
from drkit.training.plan import TrainingPlan
from drkit.training.planning import plan_training
from drkit.training.resume import FitState
from drkit.training.run_writer import NO_FOLD, UnitPredictions, predict_units
from drkit.training.setup import set_up


@pytest.fixture(scope="module")
def config(small_config: TrainingConfig) -> TrainingConfig:
    return replace(small_config, folds=2, epochs=2, decision="cut-points", unit="eye", choose="last")


@pytest.fixture(scope="module")
def folded(config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(run_finetune(config, RunOptions(tmp_path_factory.mktemp("folded"), "folded")).run)


@pytest.mark.parametrize("folds", [2, 3, 5])
@pytest.mark.parametrize("over", ["train", "train+val"])
@pytest.mark.parametrize("choose", ["inner", "last"])
def test_every_photograph_is_held_out_once_and_no_patient_is_split(
    small_config: TrainingConfig, folds: int, over: str, choose: str
) -> None:
    options = replace(small_config, folds=folds, folds_over=over, choose=choose)
    plan = plan_training(read_datasets(small_config.data), options)
    rows = plan.labels.rows
    held_out_rows = np.flatnonzero(rows["split"].isin(over.split("+")))
    assert sorted(np.concatenate([fold_split.held_out for fold_split in plan.fold_splits])) == held_out_rows.tolist()
    for fold_split in plan.fold_splits:
        patients = [
            set(rows["patient_id"].iloc[part]) for part in (fold_split.train, fold_split.inner, fold_split.held_out)
        ]
        assert sum(map(len, patients)) == len(set.union(*patients))
        assert (
            sorted(np.concatenate([fold_split.train, fold_split.inner, fold_split.held_out])) == held_out_rows.tolist()
        )
        assert (len(fold_split.inner) > 0) == (choose == "inner")
        assert set(fold_split.monitored()) >= {"held-out"} - ({"val"} if over == "train+val" else set())
        assert len(fold_split.val) == (0 if over == "train+val" else (rows["split"] == "val").sum())


def test_rows_name_the_fold_that_held_them_out(folded: Run, config: TrainingConfig) -> None:
    plan, rows = plan_training(read_datasets(config.data), config), read_predictions(folded.stem).rows
    fold = rows.set_index("image_id")["fold"]
    for fold_split in plan.fold_splits:
        held_out = plan.labels.rows["image_id"].iloc[fold_split.held_out]
        assert (fold[held_out] == fold_split.fold).all()
    assert rows.loc[rows["split"] == "train", "fold"].notna().all()
    assert rows.loc[rows["split"] != "train", "fold"].isna().all()
    assert set(rows["split"]) == {"train", "val", "test"}
    assert not read_predictions(folded.stem).leaked_rows().any()
    assert set(read_history(folded.history)["fold"]) == {0, 1}


def _graded_by(opened: OpenedRun, config: TrainingConfig) -> pd.DataFrame:
    return grade_photographs(opened, read_datasets(config.data), "cpu").rows.set_index("image_id")


def _assert_same_answers(rows: pd.DataFrame, others: pd.DataFrame) -> None:
    columns = [f"prob_{grade}" for grade in range(5)] + ["score"]
    assert rows.index.tolist() == others.index.tolist()
    assert np.allclose(rows[columns], others[columns], atol=1e-4)
    assert rows["predicted_grade"].tolist() == others["predicted_grade"].tolist()


def test_predict_reproduces_the_runs_own_predictions(folded: Run, config: TrainingConfig) -> None:
    kept = read_predictions(folded.stem).rows.set_index("image_id")
    again = _graded_by(open_run(folded.stem), config)
    outside = kept["fold"].isna()
    _assert_same_answers(kept[outside], again.loc[kept.index[outside]])
    columns = [f"prob_{grade}" for grade in range(5)] + ["score"]
    for fold in (0, 1):
        alone = _graded_by(open_run(folded.stem, fold), config)
        own = kept[kept["fold"] == fold]
        assert np.allclose(own[columns], alone.loc[own.index, columns], atol=1e-4)


def test_photographs_outside_the_folds_are_graded_by_the_mean_of_all(folded: Run, config: TrainingConfig) -> None:
    kept = read_predictions(folded.stem).rows.set_index("image_id")
    parts = [_graded_by(open_run(folded.stem, fold), config) for fold in (0, 1)]
    test = kept.index[kept["split"] == "test"]
    columns = [f"prob_{grade}" for grade in range(5)] + ["score"]
    assert np.allclose(kept.loc[test, columns], sum(part.loc[test, columns] for part in parts) / 2, atol=1e-4)
    assert not np.allclose(parts[0].loc[test, columns], parts[1].loc[test, columns])


def test_every_checkpoint_has_its_fold_and_the_cut_points(folded: Run) -> None:
    headers = [read_checkpoint(folded.checkpoint(NetworkId(fold)))[1] for fold in (0, 1)]
    assert [(header.fold, header.folds) for header in headers] == [(0, 2), (1, 2)]
    assert headers[0].cut_points == headers[1].cut_points == read_predictions(folded.stem).meta.cut_points
    assert {header.decision for header in headers} == {"cut_points"}


# Simulated outputs: nothing is fitted to a fold that is graded with it.


def _made_up_networks(plan: TrainingPlan, seed: int = 0) -> list[FittedNetwork]:
    """Simulated outputs of the networks: the grade with an error that depends on the fold."""
    rng = np.random.default_rng(seed)

    def outputs(rows: np.ndarray, fold: int) -> Outputs:
        numbers = plan.units.of_rows(rows)
        batch = plan.units.batch(numbers)
        grades = np.maximum(plan.grades[numbers], 0)
        logits = grades + 0.4 * fold - 0.3 + rng.normal(0, 0.5 + 0.3 * fold, len(numbers))
        return Outputs(logits.astype(np.float32)[None, :, None], np.zeros((len(batch.rows), 2), np.float16), batch.rows)

    test = np.flatnonzero(plan.labels.rows["split"] == "test")
    return [
        FittedNetwork(
            network=NetworkId(number),
            history=[],
            best_epoch=1,
            state_path=Path(),
            frozen={},
            held_out=outputs(fold_split.held_out, number),
            others=outputs(test, number),
        )
        for number, fold_split in enumerate(plan.fold_splits)
    ]


@pytest.fixture
def plan(config: TrainingConfig) -> TrainingPlan:
    options = replace(config, folds=3, folds_over="train+val", unit="image")
    return plan_training(read_datasets(config.data), options)


def _with_grades(plan: TrainingPlan, grades: np.ndarray) -> TrainingPlan:
    altered = replace(plan)
    altered.__dict__["grades"] = grades
    return altered


def _of_fold(predicted: UnitPredictions, fold: int) -> tuple[np.ndarray, GradePredictions]:
    return predicted.grades[predicted.fold == fold], predicted.predictions.take(predicted.fold == fold)


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_predictions_of_a_fold_do_not_depend_on_its_grades(plan: TrainingPlan, fold: int) -> None:
    """Neither through cut points nor through the sigma of the residuals; predictions of other folds may change."""
    fitted = _made_up_networks(plan)
    own = plan.units.of_rows(plan.fold_splits[fold].held_out)
    altered = plan.grades.copy()
    altered[own] = 4 - altered[own]
    before, after = predict_units(plan, fitted), predict_units(_with_grades(plan, altered), fitted)
    (grades, predictions), (again, others) = _of_fold(before, fold), _of_fold(after, fold)
    assert grades.tolist() == again.tolist()
    assert np.array_equal(predictions.probabilities, others.probabilities)
    assert before.sigmas[fold] == after.sigmas[fold]
    assert before.cut_points != after.cut_points
    elsewhere = [number for number in range(3) if number != fold]
    assert all(before.sigmas[number] != after.sigmas[number] for number in elsewhere)
    assert any(_of_fold(before, number)[0].tolist() != _of_fold(after, number)[0].tolist() for number in elsewhere)


def test_the_sigma_of_a_fold_is_measured_on_the_other_folds(plan: TrainingPlan) -> None:
    predicted = predict_units(plan, fitted := _made_up_networks(plan))
    loss = plan.build_loss()
    squares = [
        (part.held_out.predictions(loss, 1.0).score - plan.grades[plan.units.of_rows(part.held_out.rows)]) ** 2
        for part in fitted
    ]
    for fold in range(3):
        others = np.concatenate([squares[number] for number in range(3) if number != fold])
        assert predicted.sigmas[fold] == pytest.approx(np.sqrt(others.mean()))


def test_units_outside_the_folds_get_the_mean_and_all_folds_cut_points(plan: TrainingPlan) -> None:
    fitted = _made_up_networks(plan)
    predicted, loss = predict_units(plan, fitted), plan.build_loss()
    grades, predictions = _of_fold(predicted, NO_FOLD)
    scores = [part.others.predictions(loss, 1.0).score for part in fitted if part.others is not None]
    assert np.allclose(predictions.score, np.mean(scores, 0))
    assert predicted.cut_points is not None
    assert grades.tolist() == np.searchsorted(predicted.cut_points, predictions.score, side="right").tolist()
    assert predicted.cut_points != ROUNDING


def test_cut_points_are_shrunk_towards_rounding(plan: TrainingPlan) -> None:
    fitted = _made_up_networks(plan)

    def predict(decision: str) -> UnitPredictions:
        altered = replace(plan, config=replace(plan.config, decision=decision))
        return predict_units(altered, fitted)

    plain, half, all_the_way = (predict(f"cut-points:shrink={weight}") for weight in (0, 0.5, 1))
    assert plain.cut_points == predict("cut-points").cut_points
    for shrunk, fitted_points in zip(
        (half.cut_points, *half.fold_cut_points), (plain.cut_points, *plain.fold_cut_points), strict=True
    ):
        assert shrunk == pytest.approx(np.mean([fitted_points, ROUNDING], 0))
    assert all_the_way.cut_points == pytest.approx(ROUNDING)
    assert all_the_way.grades.tolist() == predict("rounding").grades.tolist() != plain.grades.tolist()


def test_rounding_minimises_the_expected_quadratic_cost(plan: TrainingPlan) -> None:
    """With a loss whose own decision is not rounding."""
    config = replace(plan.config, loss="cross-entropy", decision="rounding")
    rounding = replace(plan, config=config)
    rng = np.random.default_rng(0)
    fitted = [
        replace(part, held_out=_five_logits(part.held_out, rng), others=_five_logits(part.others, rng))
        for part in _made_up_networks(plan)
    ]
    predicted = predict_units(rounding, fitted)
    costs = predicted.predictions.probabilities @ (np.arange(5)[:, None] - np.arange(5)) ** 2
    assert (
        predicted.grades.tolist() == costs.argmin(1).tolist() != predicted.predictions.probabilities.argmax(1).tolist()
    )
    assert (rounding.decision, predicted.cut_points) == ("rounding", None)


def _five_logits(outputs: Outputs | None, rng: np.random.Generator) -> Outputs:
    assert outputs is not None
    return replace(outputs, logits=rng.normal(0, 2, (*outputs.logits.shape[:2], 5)).astype(np.float32))


# Folds over train and val, and what must not slip through.


def test_folds_over_train_and_val_hold_out_both_splits(config: TrainingConfig, tmp_path: Path) -> None:
    options = replace(config, folds_over="train+val", epochs=1, choose="inner", unit="patient", decision="own")
    report = run_finetune(options, RunOptions(tmp_path, "both"))
    predictions = read_predictions(report.run)
    rows = predictions.rows
    assert predictions.meta.trained_on == ("train", "val")
    assert rows.loc[rows["split"] != "test", "fold"].notna().all()
    assert len(rows) == 48
    assert set(report.agreements) == {"out of fold"}
    assert report.agreements["out of fold"].cases == 40
    assert set(read_history(Run(report.run).history)["split"]) == {"train", "inner", "held-out"}


def _copy(data: Path, target: Path) -> Path:
    shutil.copytree(data, target)
    return target


def _leaked(predictions: Predictions) -> set[str]:
    return set(predictions.rows["image_id"][predictions.leaked_rows()])


def test_a_test_photograph_that_a_fold_was_trained_on_is_marked(config: TrainingConfig, tmp_path: Path) -> None:
    data = _copy(config.data[0], tmp_path / "data")
    trained, judged = (sorted((data / split).rglob("*.jpg"))[0] for split in ("train", "test"))
    judged.write_bytes(trained.read_bytes())
    report = run_finetune(replace(config, data=[data], epochs=1), RunOptions(tmp_path / "runs"))
    assert _leaked(read_predictions(report.run)) == {judged.stem}


def test_a_patient_of_val_and_test_is_refused_if_val_is_trained_on(config: TrainingConfig) -> None:
    labels = read_datasets(config.data)
    patients = labels.rows.groupby("split")["patient_id"].first()
    labels.rows.loc[labels.rows["patient_id"] == patients["test"], "patient_id"] = patients["val"]
    plan_training(labels, config)  # nobody of train
    with pytest.raises(LeakageError, match=f"1 patients are in more than one split: {patients['val']}"):
        plan_training(labels, replace(config, folds_over="train+val"))


def test_an_ungraded_val_photograph_is_left_out_if_val_is_trained_on(config: TrainingConfig) -> None:
    labels = read_datasets(config.data)
    first = labels.rows.index[labels.rows["split"] == "val"][0]
    labels.rows.loc[first, "gradable"] = False
    name = labels.rows.loc[first, "image_id"]
    assert name in set(plan_training(labels, config).labels.rows["image_id"])
    plan = plan_training(labels, replace(config, folds_over="train+val"))
    assert name not in set(plan.labels.rows["image_id"])


def test_a_training_stopped_in_its_second_fold_ends_in_the_same_bytes(
    folded: Run, config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_in_the_second_fold(path: Path, state: FitState, *, identity: dict[str, object]) -> None:
        save(path, state, identity=identity)
        if ".fold1." in path.name and state.epoch == 1:
            raise KeyboardInterrupt

    save, options = resume.save_state, RunOptions(tmp_path, "folded")
    monkeypatch.setattr(resume, "save_state", stop_in_the_second_fold)
    with pytest.raises(Interrupted, match=r"folded\.fold1\.resume\.pt"):
        run_finetune(config, options)
    monkeypatch.undo()
    run = Run(run_finetune(config, replace(options, resume=True)).run)
    for again, uninterrupted in zip(
        run.outputs(list_networks(2))[:-1], folded.outputs(list_networks(2))[:-1], strict=True
    ):
        assert again.read_bytes() == uninterrupted.read_bytes(), again.name
    assert run.unfinished() == []


def test_pooled_photographs_are_graded_by_the_cut_points_of_the_other_folds(folded: Run) -> None:
    predictions = read_predictions(folded.stem)
    held_out = predictions.where(predictions.rows["fold"].notna())
    assert len(held_out.meta.fold_cut_points) == held_out.meta.folds
    by_fold = [(0.0, 0.0, 0.0, 0.0), (4.5, 4.5, 4.5, 4.5), *held_out.meta.fold_cut_points[2:]]  # all worst, all none
    odd = replace(held_out, meta=replace(held_out.meta, fold_cut_points=tuple(by_fold)))
    cases = aggregate(odd, odd.reference().to_numpy(dtype=int), "patient")
    fold_of = odd.rows.groupby(odd.patients())["fold"].first()
    assert set(cases.predicted[(fold_of[cases.patients] == 0).to_numpy(dtype=bool)]) == {4}
    assert set(cases.predicted[(fold_of[cases.patients] == 1).to_numpy(dtype=bool)]) == {0}


def test_no_network_is_held_in_memory_until_the_run_is_written(config: TrainingConfig, tmp_path: Path) -> None:
    plan = plan_training(read_datasets(config.data), replace(config, epochs=1, freeze="2", copies=0))
    setup, run = set_up(plan), Run(tmp_path / "folded")
    fitted = fit_networks(setup, run, resume=False)
    assert len(fitted) == 2
    for network in fitted:
        assert network.frozen is setup.frozen_tensors  # the same for all folds
        assert network.held_out.activations.size == 0
        assert not any(isinstance(value, torch.Tensor) for value in vars(network).values())
        assert network.tensors().keys() == setup.grader.state_dict().keys()
    first, second = (network.tensors()["head.output.weight"] for network in fitted)
    assert not torch.equal(first, second)
