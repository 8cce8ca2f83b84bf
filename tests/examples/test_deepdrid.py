"""The scripts that write submissions for DeepDRiD, fast and best."""

from pathlib import Path
from typing import Any

import pytest

from drkit.config.synth import SynthConfig
from drkit.recipes.synth import run_synth
from drkit.records.runs import Run, read_run_record

SMALL = {"BACKBONE": "test_efficientnet", "INPUT": "64", "EPOCHS": "1", "FOLDS": "2", "SEEDS": "2"}


def graded(submission: Path) -> list[str]:
    return [line.split(",")[0] for line in submission.read_text().splitlines()]


@pytest.fixture
def other_eyes(tmp_path: Path) -> Path:
    run_synth(SynthConfig(out=tmp_path / "other-eyes", patients=10, size=64, seed=5))
    return tmp_path / "other-eyes"


def test_fast_grades_patients_and_eyes_out_of_fold(script: Any, eyes: Path, tmp_path: Path) -> None:
    settings = SMALL | {"WEIGHTS": "none", "FREEZE": "1", "COPIES": "1", "OUT": str(tmp_path / "out")}
    printed = script("deepdrid_fast.sh").run(eyes, **settings)
    assert printed.count("quadratic kappa") >= 2
    for target in ("patient", "eye"):
        record = read_run_record(Run(tmp_path / "out" / "runs" / target))
        assert (record["target"], record["unit"], record["folds"], record["seeds"]) == (target, target, 2, [0, 1])
        assert graded(tmp_path / "out" / f"submission_{target}.csv") == graded(eyes / "sample_submission.csv")


def test_fast_starts_from_the_network_that_comes_with_drkit(script: Any, recording: Path, tmp_path: Path) -> None:
    fast, out = script("deepdrid_fast.sh", recording), tmp_path / "out"
    fast.run("data", OUT=str(out))
    lines = [line for line in fast.recorded() if line.startswith("finetune")]
    assert ["--weights fundus --freeze backbone" in line for line in lines] == [True, True]
    assert all("--folds-over train+val --seeds 3" in line for line in lines)
    (out / "runs" / "eye.json").rename(out / "runs" / "eye.fold0.seed0.resume.pt")
    fast.run("data", OUT=str(out))
    (again,) = [line for line in fast.recorded() if line.startswith("finetune")]
    assert "--name eye " in again
    assert again.endswith("--resume")


def test_best_trains_members_in_two_stages_and_combines_them(
    script: Any, eyes: Path, other_eyes: Path, tmp_path: Path
) -> None:
    stages = {"START": "none", "FIRST_EPOCHS": "1", "FURTHER_EPOCHS": "1", "FREEZE": "1", "COPIES": "1"}
    settings = SMALL | stages | {"SIZES": "64 96", "SEEDS": "1", "METHOD": "vote"}
    out = tmp_path / "out"
    printed = script("deepdrid_best.sh").run(eyes, STAGE_ONE=str(other_eyes), OUT=str(out), **settings)
    assert printed.count("vote") >= 2
    further = read_run_record(Run(out / "stage-one" / "96px"))
    assert further["weights"] == str(out / "stage-one" / "64px.safetensors")
    for target in ("patient", "eye"):
        record = read_run_record(Run(out / target / "96px"))
        assert set(further["trained_on_photographs"]) < set(record["trained_on_photographs"])
        assert record["options"]["size"] == 96
        assert graded(out / f"submission_{target}.csv") == graded(eyes / "sample_submission.csv")


def test_best_combines_the_data_sets_of_the_first_stage(script: Any, recording: Path, tmp_path: Path) -> None:
    best, out = script("deepdrid_best.sh", recording), tmp_path / "out"
    best.run("data", OUT=str(out), STAGE_ONE="a b:c")
    lines = best.recorded()
    first = [line for line in lines if "--runs-dir" in line and "/stage-one " in line]
    assert [line.split("--size ")[1].split()[0] for line in first] == ["224", "288", "384"]
    assert all("--data a b --data c " in line for line in first)
    assert ["--keep-head" in line for line in first] == [False, True, True]
    second = [line for line in lines if line.startswith("finetune") and "/stage-one " not in line]
    assert [line.count(f"--weights {out}/stage-one/") for line in second] == [1] * 6
    assert [line.split()[1] for line in lines if line.startswith("ensemble")] == ["compare", "stack"] * 2


def test_best_without_a_first_stage_starts_from_fundus(script: Any, recording: Path, tmp_path: Path) -> None:
    best = script("deepdrid_best.sh", recording)
    best.run("data", OUT=str(tmp_path / "out"), SIZES="224 288")
    lines = [line for line in best.recorded() if line.startswith("finetune")]
    assert len(lines) == 4
    assert all("--weights fundus" in line and "--backbone" not in line for line in lines)
