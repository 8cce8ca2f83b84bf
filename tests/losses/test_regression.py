"""The grade as a number."""

import numpy as np
import torch

from drkit.decisions import decide
from drkit.losses import MeanSquaredError, Regression


def test_regression_clips_and_rounds() -> None:
    loss = Regression()
    score = loss.score(np.array([[-1.0], [1.49], [1.5], [7.0]]))
    assert score.tolist() == [0, 1.49, 1.5, 4]
    assert decide(loss.decision, loss.probabilities(score[:, None], 0.5), score).tolist() == [0, 1, 2, 4]


def test_smooth_l1_is_half_the_square_within_a_grade_and_linear_beyond() -> None:
    losses = Regression()(torch.tensor([[1.5], [4.0]]), torch.tensor([1, 1]))
    assert losses.tolist() == [0.125, 2.5]


def test_mse_is_the_square() -> None:
    assert MeanSquaredError()(torch.tensor([[1.5], [4.0]]), torch.tensor([1, 1])).tolist() == [0.25, 9]
