"""Targets are differentiable and agree with the scores and probabilities of the loss."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drkit.catalogue import LOSSES
from drkit.explaining.targets import ContrastTarget, GradeTarget, ScoreTarget
from drkit.losses import build_loss


def _logits(loss: str, spread: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(20, build_loss(loss).num_outputs, generator=generator, dtype=torch.float64)
    return logits.sort(1, descending=True).values if loss == "cumulative-link" else logits


@pytest.mark.parametrize("loss", LOSSES)
@settings(max_examples=20)
@given(st.floats(0.1, 3.0), st.integers(0, 1000), st.floats(0.1, 2.0))
def test_targets_equal_the_runs_scores_and_probabilities(loss: str, spread: float, seed: int, sigma: float) -> None:
    """This includes logits off the scale, for which the score of a regression is clipped."""
    logits, own = _logits(loss, spread, seed), build_loss(loss)
    score = ScoreTarget(own, sigma).normalised(logits).numpy()
    assert score == pytest.approx(own.score(logits.numpy()) / 4, abs=1e-12)
    grades = torch.arange(20) % 5
    shares = GradeTarget(own, sigma, grades).normalised(logits).numpy()
    assert shares == pytest.approx(own.probabilities(logits.numpy(), sigma)[np.arange(20), grades], abs=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_finite_and_not_nothing_even_far_out(loss: str) -> None:
    for spread in (1.0, 8.0):
        logits = _logits(loss, spread, 3).float().requires_grad_()
        grades = torch.arange(20) % 5
        for target in (
            GradeTarget(build_loss(loss), 0.6, grades),
            ContrastTarget(build_loss(loss), 0.6, grades, (grades + 1) % 5),
        ):
            (gradient,) = torch.autograd.grad(target(logits).sum(), logits)
            assert torch.isfinite(gradient).all()
            assert (gradient.abs().sum(1) > 0).all()


def test_log_odds_of_a_grade_and_of_two_grades_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0, 1.0, -1.0, 0.5]])
    loss = build_loss("cross-entropy")
    shares = logits.softmax(1)[0]
    grade = GradeTarget(loss, 0.0, torch.tensor([2]))
    assert grade(logits).item() == pytest.approx(float(torch.log(shares[2] / (1 - shares[2]))), abs=1e-5)
    assert grade.normalised(logits).item() == pytest.approx(float(shares[2]), abs=1e-6)
    contrast = ContrastTarget(loss, 0.0, torch.tensor([0]), torch.tensor([2]))
    assert contrast(logits).item() == pytest.approx(1.0, abs=1e-5)
    assert contrast.normalised(logits).item() == pytest.approx(float(shares[0] / (shares[0] + shares[2])), abs=1e-6)


def test_a_regressions_contrast_rises_with_the_score_whatever_the_score() -> None:
    """The log-odds of a single grade have a maximum at the grade, but the contrast of two grades is monotonic."""
    logits = torch.linspace(-1, 5, 50)[:, None].requires_grad_()
    target = ContrastTarget(build_loss("regression"), 0.7, torch.full((50,), 3), torch.full((50,), 1))
    (gradient,) = torch.autograd.grad(target(logits).sum(), logits)
    assert (gradient > 0).all()


def test_targets_follow_their_units() -> None:
    target = GradeTarget(build_loss("cross-entropy"), 0.0, torch.tensor([0, 3]))
    assert target.of(torch.tensor([1, 1, 0])).grades.tolist() == [3, 3, 0]
