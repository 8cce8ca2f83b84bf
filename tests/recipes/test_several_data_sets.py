"""Data sets in different layouts, trained on, graded, scored and explained as one."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from drkit.cli.app import app
from drkit.config.synth import SynthConfig
from drkit.config.training import TrainingConfig
from drkit.errors import InputError, Interrupted
from drkit.recipes.finetune import RunOptions, plan_finetune, run_finetune
from drkit.recipes.synth import run_synth
from drkit.records.layouts import read_dataset
from drkit.records.predictions import read_predictions
from drkit.records.runs import Run

OPTIONS = ["--backbone", "test_efficientnet", "--weights", "none", "--size", "64", "--device", "cpu", "--workers", "1"]


@pytest.fixture(scope="module")
def aptos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 photographs in Kaggle's layout of APTOS 2019: no patients, no val, no test."""
    folder = tmp_path_factory.mktemp("sets")
    rows = _draw(folder / "drawn", seed=7).rows
    (folder / "APTOS" / "train_images").mkdir(parents=True)
    lines = ["id_code,diagnosis"]
    for number, (path, grade) in enumerate(zip(rows["path"], rows["eye_grade"].fillna(0), strict=True)):
        shutil.copy(path, folder / "APTOS" / "train_images" / f"{number:04x}.jpg")
        lines.append(f"{number:04x},{grade}")
    (folder / "APTOS" / "train.csv").write_text("\n".join(lines))
    return folder / "APTOS"


@pytest.fixture(scope="module")
def eyepacs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 photographs of ten patients in the layout of Kaggle DR Resized; patients are numbered as the course's are."""
    folder = tmp_path_factory.mktemp("sets")
    rows = _draw(folder / "drawn", seed=8).rows
    rows = rows[rows["view"] == 1]
    photographs = folder / "Resized" / "resized_train" / "resized_train"
    photographs.mkdir(parents=True)
    lines = ["image,level"]
    for path, patient, eye, grade in zip(
        rows["path"], rows["patient_id"], rows["eye"], rows["eye_grade"].fillna(1), strict=True
    ):
        shutil.copy(path, photographs / f"{patient}_{eye}.jpeg")
        lines.append(f"{patient}_{eye},{grade}")
    (folder / "Resized" / "trainLabels.csv").write_text("\n".join(lines))
    return folder / "Resized"


def _draw(out: Path, seed: int):
    run_synth(SynthConfig(out=out, patients=10, size=64, seed=seed))
    return read_dataset(out)


@pytest.fixture(scope="module")
def config(small_config: TrainingConfig, aptos: Path, eyepacs: Path) -> TrainingConfig:
    return replace(
        small_config, data=[*small_config.data, aptos, eyepacs], val_share=0.2, test_share=0.2, choose="last", epochs=2
    )


@pytest.fixture(scope="module")
def run(config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_finetune(config, RunOptions(tmp_path_factory.mktemp("several"), "run")).run


def _invoke(*words: object, **environment: str) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), env=environment)


def test_the_plan_has_a_row_per_data_set(config: TrainingConfig, tmp_path: Path) -> None:
    plan = plan_finetune(config, RunOptions(tmp_path))
    assert plan.options["target"] == "eye"  # the only target that all three have
    result = {name: (row["layout"], row["photographs"], row["patients"]) for name, row in plan.datasets.items()}
    assert result == {
        "DeepDRiD": ("deepdrid-course", 48, 12), "APTOS": ("aptos", 40, 40), "Resized": ("eyepacs", 20, 10),
    }  # fmt: skip
    splits = {name: tuple(row[split] for split in ("train", "val", "test")) for name, row in plan.datasets.items()}
    assert splits["APTOS"] == (24, 8, 8)
    assert splits["Resized"] == (12, 4, 4)
    assert splits["DeepDRiD"][1] == 8  # the author's val, whatever --val-share is
    untested = plan_finetune(replace(config, test_share=0.0), RunOptions(tmp_path)).datasets["DeepDRiD"]
    held_out = untested["train"] - splits["DeepDRiD"][0]  # its own test has no grades
    assert 0 < held_out < untested["train"] / 2
    assert splits["DeepDRiD"][1:] == (untested["val"], untested["test"] + held_out)
    sentences = [part for part in plan.render() if isinstance(part, str)]
    assert any(sentence.startswith("no graded val split in APTOS, Resized: 20%") for sentence in sentences)
    for split in plan.photographs:
        assert plan.photographs[split]["photographs"] == sum(row[split] for row in plan.datasets.values())


def test_predictions_name_the_data_set_of_each_photograph_and_the_record_all_paths(
    run: Path, config: TrainingConfig
) -> None:
    record = json.loads(Run(run).record.read_text())
    assert record["data"] == list(map(str, config.data))
    rows = read_predictions(run).rows
    assert rows.groupby("dataset")["split"].unique().map(sorted).to_dict() == {
        "APTOS": ["test", "val"], "DeepDRiD": ["test", "val"], "Resized": ["test", "val"],
    }  # fmt: skip
    held_out = rows[(rows["split"] == "test") & (rows["dataset"] != "DeepDRiD")]
    assert held_out["eye_grade"].notna().all()
    assert (rows.groupby(["patient_id"])["dataset"].nunique() == 1).all()


def test_a_run_is_scored_on_each_data_set(run: Path) -> None:
    result = json.loads(_invoke("score", run, "--split", "test", "--resamples", 100, "--json").stdout)
    (score,) = result["scores"]
    assert list(score["datasets"]) == ["APTOS", "DeepDRiD", "Resized"]
    assert score["agreement"]["cases"] == sum(found["cases"] for found in score["datasets"].values())
    assert "Agreement by data set" in _invoke("score", run, "--resamples", 100).stdout


def test_predictions_name_the_data_sets_and_mark_training_photographs(
    run: Path, config: TrainingConfig, tmp_path: Path
) -> None:
    joined = os.pathsep.join(map(str, ["", *config.data, ""]))  # a separator too many on each side
    out = tmp_path / "graded.parquet"
    assert _invoke("predict", run, "--out", out, "--device", "cpu", DRKIT_DATA=joined).exit_code == 0
    graded = read_predictions(out)
    assert graded.dataset_names().value_counts().to_dict() == {"DeepDRiD": 48, "APTOS": 40, "Resized": 20}
    own = read_predictions(run).rows.set_index("image_id")
    again = graded.rows.set_index("image_id").loc[own.index]
    assert (again["score"] - own["score"]).abs().max() < 1e-4
    assert not set(graded.rows["image_id"][graded.leaked_rows()]) & set(own.index)


def test_explaining_finds_photographs_of_each_data_set(run: Path, config: TrainingConfig, tmp_path: Path) -> None:
    rows = read_predictions(run).rows.groupby("dataset").head(1)
    data = [word for path in config.data for word in ("--data", path)]
    ids = ",".join(rows["image_id"])
    result = _invoke("explain", run, *data, "--ids", ids, "--out", tmp_path / "maps", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    manifest = json.loads((tmp_path / "maps" / "manifest.json").read_text())
    assert {Path(each["path"]).parts[0] for each in manifest["photographs"]} == {"DeepDRiD", "APTOS", "Resized"}


def test_an_interrupted_training_on_several_data_sets_is_resumed_to_the_same_bytes(
    run: Path, config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drkit.training import fitting

    real = fitting.train_epoch

    def stop(learner, course, epoch):
        if epoch == 2:
            raise KeyboardInterrupt
        return real(learner, course, epoch)

    monkeypatch.setattr(fitting, "train_epoch", stop)
    with pytest.raises(Interrupted):
        run_finetune(config, RunOptions(tmp_path, "run"))
    monkeypatch.undo()
    run_finetune(config, RunOptions(tmp_path, "run", resume=True))
    for suffix in (".safetensors", ".parquet", ".history.csv"):
        assert (tmp_path / f"run{suffix}").read_bytes() == run.with_name(f"run{suffix}").read_bytes()


def test_folds_over_several_hold_out_each_photograph_once(config: TrainingConfig, tmp_path: Path) -> None:
    folded = replace(config, folds=2, test_share=0.0, balance="dataset", unit="eye", epochs=1)
    rows = read_predictions(run_finetune(folded, RunOptions(tmp_path, "folds")).run).rows
    assert rows[rows["fold"].notna()].groupby("dataset").size()["APTOS"] == 32
    assert rows["image_id"].is_unique


def test_attend_takes_several_and_bad_ones_are_refused_in_one_line(aptos: Path, eyepacs: Path, tmp_path: Path) -> None:
    both = ["--data", aptos, "--data", eyepacs, *OPTIONS, "--runs-dir", tmp_path / "runs"]
    result = _invoke("attend", "--attention", "se", *both, "--dry-run", "--json")
    assert list(json.loads(result.stdout)["plan"]["datasets"]) == ["APTOS", "Resized"]
    (tmp_path / "none").mkdir()
    for words, sentence in (
        (["--data", aptos], "are the same data set: give it once"),
        (["--data", tmp_path / "none"], "none holds neither photographs nor a table of labels"),
        (["--target", "patient"], "has only the eye's grades, not the patient's: choose --target eye"),
    ):
        for command in (["finetune"], ["attend", "--attention", "se"]):
            result = _invoke(*command, *both, *words)
            assert result.exit_code == 2
            assert sentence in result.stderr
            assert "Traceback" not in result.stderr
            *notes, refusal = result.stderr.strip().splitlines()  # warnings about a data set, then one line
            assert refusal.startswith("drkit: error: ")
            assert not any(line.startswith("drkit: error") for line in notes)
    assert not (tmp_path / "runs").exists()


def test_contradicting_grades_are_refused_wherever_grades_are_used(
    run: Path, aptos: Path, config: TrainingConfig, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "train_images").mkdir(parents=True)
    shutil.copy(aptos / "train_images" / "0001.jpg", other / "train_images" / "x.jpg")
    stated = int(read_dataset(aptos).rows["eye_grade"].iloc[1])
    for grade, exit_code in ((stated, 0), ((stated + 1) % 5, 2)):
        (other / "train.csv").write_text(f"id_code,diagnosis\nx,{grade}\n")
        data = ["--data", aptos, "--data", other]
        for command in (
            ["finetune", "--dry-run", *OPTIONS, "--runs-dir", tmp_path],
            ["predict", run, "--out", tmp_path / f"{grade}.parquet", "--device", "cpu"],
        ):
            result = _invoke(*command, *data)
            assert result.exit_code == exit_code, result.stderr
            if exit_code:
                assert f"0001 in APTOS has {stated} but x in other has {grade}" in result.stderr


def test_a_data_set_without_train_gives_what_it_has(small_config: TrainingConfig, aptos: Path, tmp_path: Path) -> None:
    only_val, ungraded = tmp_path / "only", tmp_path / "ungraded"
    shutil.copytree(small_config.data[0] / "val", only_val / "val")
    shutil.copy(small_config.data[0] / "val.csv", only_val / "val.csv")
    ungraded.mkdir()
    shutil.copy(aptos / "train_images" / "0000.jpg", ungraded / "new.jpg")
    (ungraded / "new.jpg").write_bytes((ungraded / "new.jpg").read_bytes() + b" saved again")
    plan = plan_finetune(replace(small_config, data=[aptos, only_val, ungraded]), RunOptions(tmp_path))
    splits = {name: tuple(row[split] for split in ("train", "val", "test")) for name, row in plan.datasets.items()}
    assert splits == {"APTOS": (32, 8, 0), "only": (0, 8, 0), "ungraded": (0, 0, 1)}
    with pytest.raises(InputError, match="has no training photographs"):
        plan_finetune(replace(small_config, data=[only_val, ungraded]), RunOptions(tmp_path))


def test_the_real_data_sets_are_planned_together(
    shared_data: Path, small_config: TrainingConfig, tmp_path: Path
) -> None:
    names = ["APTOS2019", "Messidor-2", "KaggleDRResized", "IDRiD", "DeepDRiD"]
    config = replace(small_config, data=[shared_data / name for name in names], val_share=0.1, test_share=0.1)
    plan = plan_finetune(config, RunOptions(tmp_path))
    assert [row["photographs"] for row in plan.datasets.values()] == [3662, 1744, 2308, 413, 2000]
    for name, row in plan.datasets.items():
        graded = row["photographs"] - (800 if name == "DeepDRiD" else 0)  # its own val and test
        assert row["test"] - (400 if name == "DeepDRiD" else 0) == pytest.approx(0.1 * graded, rel=0.1)
    assert plan.datasets["DeepDRiD"]["val"] == 400
