"""Several seeds: one run with a network for each seed, graded by their mean."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from drkit.cli.app import app
from drkit.config.training import TrainingConfig
from drkit.decisions import GradePredictions
from drkit.errors import InputError, Interrupted, UsageError
from drkit.grading import grade_photographs
from drkit.inference import Outputs
from drkit.models.restoring import OpenedRun, open_run
from drkit.recipes.finetune import RunOptions, plan_finetune, run_finetune
from drkit.records.checkpoint import read_checkpoint
from drkit.records.history import read_history
from drkit.records.layouts import read_datasets
from drkit.records.predictions import PROBABILITY_COLUMNS, Predictions, read_predictions
from drkit.records.runs import NetworkId, Run, list_networks, read_run_record
from drkit.training import inputs, resume
from drkit.training.fitting import FittedNetwork
from drkit.training.plan import TrainingPlan
from drkit.training.planning import plan_training
from drkit.training.run_writer import predict_units

SEEDS = (3, 4)
ANSWERS = [*PROBABILITY_COLUMNS, "score"]


@pytest.fixture(scope="module")
def config(small_config: TrainingConfig) -> TrainingConfig:
    return replace(small_config, epochs=2, seed=3, seeds=2, choose="last")


@pytest.fixture(scope="module")
def seeded(config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(run_finetune(config, RunOptions(tmp_path_factory.mktemp("seeded"), "seeded")).run)


@pytest.fixture(scope="module")
def folded(config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two folds, two seeds, cut points."""
    options = replace(config, folds=2, decision="cut-points")
    return Run(run_finetune(options, RunOptions(tmp_path_factory.mktemp("folded"), "folded")).run)


def test_a_run_has_a_checkpoint_for_each_fold_and_seed_and_one_of_each_other_file(folded: Run) -> None:
    networks = list_networks(2, SEEDS)
    assert sorted(folded.stem.parent.iterdir()) == sorted(folded.outputs(networks))
    headers = [read_checkpoint(folded.checkpoint(network))[1] for network in networks]
    assert [(header.fold, header.seed) for header in headers] == [(0, 3), (1, 3), (0, 4), (1, 4)]
    record = read_run_record(folded)
    assert (record["folds"], record["seeds"], record["epoch"]) == (2, [3, 4], [2, 2, 2, 2])
    rows = read_history(folded.history)
    assert set(zip(rows["fold"], rows["seed"], strict=True)) == {(0, 3), (1, 3), (0, 4), (1, 4)}
    assert read_predictions(folded.stem).meta.seeds == SEEDS


@pytest.mark.parametrize("options", [{}, {"freeze": "2", "copies": 2}], ids=["whole", "frozen"])
def test_each_network_equals_that_of_a_training_with_its_seed(
    config: TrainingConfig, seeded: Run, tmp_path: Path, options: dict[str, object]
) -> None:
    """Initialisation, order, dropout and augmentation depend on the seed; only the photographs are shared."""
    several = seeded
    if options:
        several = Run(run_finetune(replace(config, **options), RunOptions(tmp_path, "several")).run)  # type: ignore[arg-type]
    run = read_predictions(several.stem)
    for seed in SEEDS:
        options_alone = replace(config, seed=seed, seeds=1, **options)  # type: ignore[arg-type]
        alone = Run(run_finetune(options_alone, RunOptions(tmp_path, f"alone-{seed}")).run)
        tensors, own = (
            read_checkpoint(path)[0] for path in (alone.checkpoint(), several.checkpoint(NetworkId(seed=seed)))
        )
        assert tensors.keys() == own.keys()
        assert all(torch.equal(tensors[name], own[name]) for name in tensors)
        columns = [*ANSWERS, "predicted_grade"]
        assert run.of_seed(seed).rows[columns].equals(read_predictions(alone.stem).rows[columns])


def test_the_mean_decides_and_the_seeds_differ(seeded: Run, folded: Run) -> None:
    for run in (seeded, folded):
        predictions = read_predictions(run.stem)
        alone = [predictions.of_seed(seed).rows[ANSWERS].to_numpy() for seed in SEEDS]
        assert np.allclose(np.mean(alone, 0), predictions.rows[ANSWERS], atol=1e-6)
        assert not np.allclose(*alone)


@pytest.mark.parametrize("choose", ["inner", "last"])
def test_held_out_patients_do_not_depend_on_the_seed(config: TrainingConfig, choose: str) -> None:
    options = replace(config, folds=2, choose=choose, decision="cut-points")
    plan = _plan(options)
    assert plan.networks == list_networks(2, SEEDS)
    other = plan.of_seed(4)
    assert other.config.seed == 4
    assert other.fold_splits is plan.fold_splits
    assert other.labels is plan.labels


def _graded_by(opened: OpenedRun, config: TrainingConfig) -> Predictions:
    return grade_photographs(opened, read_datasets(config.data), "cpu")


def test_predict_reproduces_the_runs_own_predictions_and_those_of_every_seed(
    folded: Run, config: TrainingConfig
) -> None:
    kept, again = read_predictions(folded.stem), _graded_by(open_run(folded.stem), config)
    assert again.meta.seeds == SEEDS
    outside = kept.rows["image_id"][kept.rows["fold"].isna()]
    for one, other in ((kept, again), *((kept.of_seed(seed), again.of_seed(seed)) for seed in SEEDS)):
        first, second = (part.rows.set_index("image_id").loc[outside] for part in (one, other))
        assert np.allclose(first[ANSWERS], second[ANSWERS], atol=1e-4)
        assert first["predicted_grade"].tolist() == second["predicted_grade"].tolist()
    for seed in SEEDS:
        for fold in (0, 1):
            network = _graded_by(open_run(folded.stem, fold, seed), config).rows.set_index("image_id")
            own = kept.of_seed(seed).rows.set_index("image_id")
            own = own[own["fold"] == fold]
            assert np.allclose(own[ANSWERS], network.loc[own.index, ANSWERS], atol=1e-4)


def test_an_unknown_seed_is_refused(folded: Run, run_stem: Path) -> None:
    with pytest.raises(UsageError, match=r"--network-seed 7: .*folded was trained with seeds 3, 4"):
        open_run(folded.stem, seed=7)
    with pytest.raises(UsageError, match=r"--network-seed 0: .*small was trained with a single seed"):
        open_run(run_stem, seed=0)
    with pytest.raises(UsageError, match=r"--fold 5: .*folded has 2 folds"):
        open_run(folded.stem, 5, 3)


def test_as_initial_weights_one_network_must_be_named(folded: Run, config: TrainingConfig, tmp_path: Path) -> None:
    second = replace(config, epochs=1, seeds=1, allow_seen=True)
    with pytest.raises(InputError, match=r"a run of 4 networks: .*name one of the files .*folded\.fold0\.seed3"):
        run_finetune(replace(second, weights=str(folded.stem)), RunOptions(tmp_path))
    one = folded.checkpoint(NetworkId(1, 4))
    report = run_finetune(replace(second, weights=str(one), folds=2, choose="last"), RunOptions(tmp_path))
    assert read_run_record(Run(report.run))["trained_on_photographs"]


@pytest.mark.parametrize("stopped", ["seeded.seed3.resume.pt", "seeded.seed4.resume.pt"])
def test_a_training_stopped_at_any_seed_ends_in_the_same_bytes(
    seeded: Run, config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: str
) -> None:
    trained: list[tuple[str, int]] = []

    def keep(path: Path, state: resume.FitState, *, identity: dict[str, object]) -> None:
        save(path, state, identity=identity)
        trained.append((path.name, state.epoch))
        if path.name == stopped and state.epoch == 1 and len(trained) == len(set(trained)) and not resumed:
            raise KeyboardInterrupt

    save, options, resumed = resume.save_state, RunOptions(tmp_path, "seeded"), []
    monkeypatch.setattr(resume, "save_state", keep)
    with pytest.raises(Interrupted, match=stopped):
        run_finetune(config, options)
    resumed.append(True)
    run = Run(run_finetune(config, replace(options, resume=True)).run)
    assert len(trained) == len(set(trained)) == 4  # no epoch twice
    networks = list_networks(0, SEEDS)
    for again, uninterrupted in zip(run.outputs(networks)[:-1], seeded.outputs(networks)[:-1], strict=True):
        assert again.read_bytes() == uninterrupted.read_bytes(), again.name
    assert run.unfinished() == []
    with pytest.raises(UsageError, match="seeds was 2, is now 3"):
        _begin_and_resume_otherwise(config, tmp_path, monkeypatch, keep=save)


def _begin_and_resume_otherwise(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: Callable[..., None]
) -> None:
    def stop(*given: object, **options: object) -> None:
        keep(*given, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(resume, "save_state", stop)
    with pytest.raises(Interrupted):
        run_finetune(config, RunOptions(tmp_path, "other"))
    run_finetune(replace(config, seeds=3), RunOptions(tmp_path, "other", resume=True))


def test_frozen_stages_run_once_on_photographs_and_once_per_seed_on_copies(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the frozen weights are the same for all seeds; weights drawn from the seed give other features."""
    seen: list[int] = []
    run = inputs.run_frozen_part

    def count(grader: object, images: torch.Tensor, stages: object) -> torch.Tensor:
        seen.append(len(images))
        return run(grader, images, stages)  # type: ignore[arg-type]

    monkeypatch.setattr(inputs, "run_frozen_part", count)
    options = replace(config, epochs=1, freeze="2", copies=3, weights=str(_weights(config, tmp_path)), allow_seen=True)
    run_finetune(options, RunOptions(tmp_path, "shared"))
    plan = _plan(options)
    once_a_seed = 1 + 3 * len(plan.fitted_rows)  # a photograph to see the features' shape
    assert sum(seen) == len(plan.banked_rows) + 2 * once_a_seed
    seen.clear()
    run_finetune(replace(options, weights="none"), RunOptions(tmp_path, "drawn"))
    assert sum(seen) == 2 * (len(plan.banked_rows) + once_a_seed)


def _weights(config: TrainingConfig, folder: Path) -> Path:
    report = run_finetune(replace(config, epochs=1, seeds=1), RunOptions(folder, "weights"))
    return Run(report.run).checkpoint()


def _plan(config: TrainingConfig) -> TrainingPlan:
    return plan_training(read_datasets(config.data), config)


def test_each_seed_has_its_own_sigma_and_cut_points_are_fitted_to_the_mean(config: TrainingConfig) -> None:
    """Each seed has its own sigma; a single seed equals a training with that seed."""
    options = replace(config, folds=3, folds_over="train+val", decision="cut-points", choose="last")
    plan = _plan(options)
    rng = np.random.default_rng(0)

    def outputs(rows: np.ndarray, spread: float) -> Outputs:
        numbers = plan.units.of_rows(rows)
        logits = np.maximum(plan.grades[numbers], 0) + rng.normal(0, spread, len(numbers))
        return Outputs(logits.astype(np.float32)[None, :, None], np.zeros((len(rows), 2), np.float16), rows)

    test = np.flatnonzero(plan.labels.rows["split"] == "test")
    fitted = [
        FittedNetwork(
            network=NetworkId(fold, seed),
            history=[],
            best_epoch=1,
            state_path=Path(),
            frozen={},
            held_out=outputs(fold_split.held_out, spread),
            others=outputs(test, spread),
        )
        for seed, spread in zip(SEEDS, (0.3, 1.2), strict=True)
        for fold, fold_split in enumerate(plan.fold_splits)
    ]
    both = predict_units(plan, fitted)
    for number in (0, 1):
        alone = predict_units(plan, fitted[3 * number : 3 * number + 3])
        assert alone.sigmas == both.sigmas[3 * number : 3 * number + 3]
        assert np.array_equal(alone.predictions.probabilities, both.by_seed[number].probabilities)
        assert np.array_equal(alone.predictions.score, both.by_seed[number].score)
        assert alone.cut_points != both.cut_points
    assert np.array_equal(GradePredictions.mean(both.by_seed).score, both.predictions.score)


def test_the_plan_and_the_report_mention_the_seeds(config: TrainingConfig, tmp_path: Path) -> None:
    options = replace(config, folds=2, epochs=1)
    lines = [str(part) for part in plan_finetune(options, RunOptions(tmp_path, "a")).render()]
    assert "1 epochs for each of 2 folds and 2 seeds, 4 networks, in batches" in lines[1]
    assert "a.fold1.seed4.safetensors" in lines[-1]
    report = run_finetune(options, RunOptions(tmp_path, "a"))
    assert set(report.seeds) == set(report.agreements) == {"val", "out of fold"}
    assert report.seeds["out of fold"].seeds == SEEDS
    assert len(report.epochs) == 4
    assert any(str(part).startswith("out of fold, seeds 3 and 4 alone: quadratic kappa ") for part in report.render())


def test_every_command_takes_a_run_of_several_seeds(folded: Run, config: TrainingConfig, tmp_path: Path) -> None:
    (data,) = config.data
    commands = [
        ["explain", folded.stem, "--data", data, "--worst", "1", "--out", tmp_path / "all"],
        ["explain", folded.stem, "--data", data, "--worst", "1", "--network-seed", "4", "--out", tmp_path / "one"],
        ["ensemble", "vote", folded.predictions, "--out", tmp_path / "vote.parquet"],
        ["predict", tmp_path / "vote.json", "--data", data, "--split", "test", "--out", tmp_path / "again.parquet"],
        ["score", folded.stem, tmp_path / "vote.parquet"],
        ["submit", folded.stem, "--out", tmp_path / "submission.csv"],
        ["plot", "curves", folded.stem, "--out", tmp_path / "curves.png"],
        ["plot", "report", folded.stem, "--data", data, "--out", tmp_path / "report.html"],
        ["check", folded.stem],
    ]
    for command in commands:
        result = CliRunner().invoke(app, list(map(str, command)), env={"COLUMNS": "200"})
        assert result.exit_code == 0, (command, result.stderr)
    voted = read_predictions(tmp_path / "vote.parquet")
    assert voted.meta.seeds == ()
    assert "seed_score" not in voted.rows
    report = (tmp_path / "report.html").read_text()
    assert "seeds 3 and 4 alone" in report
    assert "2 seeds" in report  # among the options
