"""A finished run's networks are restored unchanged, and other networks are refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from drkit.config.training import TrainingConfig
from drkit.errors import InputError, UsageError
from drkit.models.restoring import open_run
from drkit.recipes.finetune import RunOptions, run_finetune
from drkit.records.checkpoint import read_checkpoint
from drkit.records.runs import Run


@pytest.fixture(scope="module")
def folded(small_config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = replace(small_config, folds=2, unit="patient", fusion="attention", choose="last", epochs=1)
    return run_finetune(config, RunOptions(tmp_path_factory.mktemp("folds"), "folded")).run


def test_a_runs_network_is_restored_in_evaluation_mode(run_stem: Path) -> None:
    opened = open_run(run_stem)
    (grader,) = opened.graders
    tensors, header = read_checkpoint(Run(run_stem).checkpoint())
    assert opened.header == header
    assert not grader.training
    assert {tensor.device.type for tensor in grader.state_dict().values()} == {"cpu"}
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in grader.state_dict().items())
    side = header.architecture.side
    assert grader(torch.zeros(2, 3, side, side)).shape == (2, 1)


@pytest.mark.parametrize("suffix", ["", ".safetensors", ".parquet", ".json", ".history.csv"])
def test_a_run_can_be_opened_by_any_of_its_files(run_stem: Path, suffix: str) -> None:
    assert open_run(run_stem.with_name(run_stem.name + suffix)).run.stem == run_stem


def test_a_run_with_folds_has_a_different_network_for_each_fold(folded: Path) -> None:
    opened = open_run(folded)
    assert [header.fold for header in opened.headers] == [0, 1]
    assert opened.header.architecture.fusion == "attention"
    first, second = (grader.state_dict() for grader in opened.graders)
    assert not all(torch.equal(first[name], second[name]) for name in first)
    one = open_run(folded, fold=1)
    assert [header.fold for header in one.headers] == [1]
    assert all(torch.equal(tensor, second[name]) for name, tensor in one.graders[0].state_dict().items())


def test_an_unknown_fold_is_refused(folded: Path, run_stem: Path) -> None:
    with pytest.raises(UsageError, match=r"--fold 2: .*folded has 2 folds"):
        open_run(folded, fold=2)
    with pytest.raises(UsageError, match=r"--fold 0: .*small has no folds"):
        open_run(run_stem, fold=0)


def test_a_checkpoint_that_does_not_match_the_record_is_refused(run_stem: Path, folded: Path, tmp_path: Path) -> None:
    for path in run_stem.parent.glob("small.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    other = next(folded.parent.glob("folded.fold1.safetensors"))
    (tmp_path / "small.safetensors").write_bytes(other.read_bytes())
    with pytest.raises(InputError, match=r"small\.safetensors does not match its SHA-256 in .*small\.json"):
        open_run(tmp_path / "small")


def test_a_missing_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a finished run"):
        open_run(tmp_path / "nothing")
