"""Losses for the grade as a number."""

import numpy as np
import pytest
import torch

from drkit.decisions import decide, normal_probabilities
from drkit.losses import MeanSquaredError, Regression


def test_regression_clips_and_rounds() -> None:
    loss = Regression()
    score = loss.score(np.array([[-1.0], [1.49], [1.5], [7.0]]))
    assert score.tolist() == [0, 1.49, 1.5, 4]
    assert decide(loss.decision, loss.probabilities(score[:, None], 0.5), score).tolist() == [0, 1, 2, 4]


@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.6, 2.0])
def test_probabilities_are_integrals_of_the_normal_density_around_the_clipped_score(sigma: float) -> None:
    logits = np.linspace(-3, 7, 101)[:, None]
    expected = normal_probabilities(np.clip(logits[:, 0], 0, 4), sigma)
    np.testing.assert_allclose(Regression().probabilities(logits, sigma), expected, atol=1e-12)


def test_the_gradient_does_not_vanish_for_clipped_scores() -> None:
    logits = torch.tensor([[-1.0], [2.2], [5.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(Regression().log_probabilities(logits, 0.6)[:, 2].sum(), logits)
    assert gradient[0] > 0 > gradient[1] > gradient[2]
    assert gradient.isfinite().all()


def test_smooth_l1_is_half_the_square_up_to_a_grade_and_linear_beyond() -> None:
    losses = Regression()(torch.tensor([[1.5], [4.0]]), torch.tensor([1, 1]))
    assert losses.tolist() == [0.125, 2.5]


def test_mse_is_the_squared_error() -> None:
    assert MeanSquaredError()(torch.tensor([[1.5], [4.0]]), torch.tensor([1, 1])).tolist() == [0.25, 9]
