"""The state of a training is restored unchanged, and only by the same training."""

from pathlib import Path

import pytest
import torch

from drkit.errors import InputError, UsageError
from drkit.records.history import EpochFigures
from drkit.training.resume import FitState, load_state, save_state


def test_a_state_is_restored_unchanged(tmp_path: Path) -> None:
    history = [
        EpochFigures(
            epoch=epoch,
            split="train",
            fold=None,
            seed=None,
            loss=1.0,
            quadratic_weighted_kappa=0.5,
            plain_kappa=0.25,
            accuracy=0.5,
            learning_rate=1e-4,
        )
        for epoch in (1, 2)
    ]
    learner = {"grader": {"w": torch.ones(3)}, "optimizer": {"state": {0: {"step": torch.tensor(2.0)}}}}
    state = FitState(learner, {"w": torch.zeros(3)}, 2, history)
    save_state(tmp_path / "a.resume.pt", state, {"seed": 0, "labels": "x"})
    back = load_state(tmp_path / "a.resume.pt", {"labels": "x", "seed": 0})
    assert torch.equal(back.learner["grader"]["w"], torch.ones(3))
    assert torch.equal(back.best["w"], torch.zeros(3))
    assert (back.history, back.best_epoch, back.epoch) == (history, 2, 2)


def test_the_state_of_another_training_is_refused_with_the_differences(tmp_path: Path) -> None:
    save_state(tmp_path / "a.resume.pt", FitState(), {"seed": 0, "lr": 0.1})
    with pytest.raises(UsageError, match=r"lr was 0\.1, is now 0\.2"):
        load_state(tmp_path / "a.resume.pt", {"seed": 0, "lr": 0.2})


def test_a_training_on_two_gpus_can_be_resumed_on_one(tmp_path: Path) -> None:
    began = {"devices": 2, "nodes": 2, "strategy": "ddp", "precision": "bf16", "seed": 0}
    save_state(tmp_path / "a.resume.pt", FitState(), began)
    goes_on = {"devices": 1, "nodes": 1, "strategy": "auto", "precision": "fp16", "seed": 0}
    assert load_state(tmp_path / "a.resume.pt", goes_on).epoch == 0
    with pytest.raises(UsageError, match="seed was 0, is now 1"):
        load_state(tmp_path / "a.resume.pt", {**goes_on, "seed": 1})


def test_a_foreign_or_malicious_file_is_refused_and_not_executed(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "executed",))

    path = tmp_path / "a.resume.pt"
    for content in (Evil(), {"w": torch.ones(1)}):
        torch.save(content, path)
        with pytest.raises(InputError, match="is not a drkit resume checkpoint"):
            load_state(path, {})
    assert not (tmp_path / "executed").exists()
