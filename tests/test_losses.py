"""What is minimised, and how logits are read."""

import numpy as np
import pytest
import torch
from torch import nn

from drkit.catalogue import LOSSES
from drkit.decisions import decide
from drkit.losses import CrossEntropy, Regression, residual


@pytest.mark.parametrize("name", LOSSES)
def test_answers_are_probabilities_and_a_score_on_the_scale(name: str) -> None:
    loss = LOSSES[name].load()()
    logits = np.random.default_rng(0).normal(1, 4, (50, loss.num_outputs))
    probabilities, score = loss.probabilities(logits, 0.5), loss.score(logits)
    assert probabilities.shape == (50, 5)
    assert np.allclose(probabilities.sum(1), 1)
    assert score.min() >= 0
    assert score.max() <= 4
    assert set(decide(loss.decision, probabilities, score)) <= set(range(5))


def test_cross_entropy_reads_softmax_and_the_expected_grade() -> None:
    logits = np.log([[0.1, 0.2, 0.3, 0.4, 1e-9], [0.5, 0.5, 1e-9, 1e-9, 1e-9]])
    loss = CrossEntropy()
    assert np.allclose(loss.probabilities(logits, 0), np.exp(logits), atol=1e-6)
    assert np.allclose(loss.score(logits), [2.0, 0.5], atol=1e-6)


def test_regression_clips_and_rounds() -> None:
    loss = Regression()
    score = loss.score(np.array([[-1.0], [1.49], [1.5], [7.0]]))
    assert score.tolist() == [0, 1.49, 1.5, 4]
    assert decide(loss.decision, loss.probabilities(score[:, None], 0.5), score).tolist() == [0, 1, 2, 4]


@pytest.mark.parametrize("name", LOSSES)
def test_the_start_is_better_than_an_arbitrary_one(name: str) -> None:
    loss, grades = LOSSES[name].load()(), torch.tensor([0, 0, 0, 4, 3, 3, 2])
    head = nn.Linear(3, loss.num_outputs)
    nn.init.zeros_(head.weight)
    before = loss(head(torch.zeros(7, 3)), grades)
    loss.start(head, grades)
    assert loss(head(torch.zeros(7, 3)), grades) < before


def test_the_residual_is_the_root_mean_square_of_a_regression_only() -> None:
    logits, grades = np.array([[1.0], [2.0]], np.float32), np.array([1, 4])
    assert residual(Regression(), logits, grades) == pytest.approx(np.sqrt(2))
    assert residual(CrossEntropy(), np.zeros((2, 5), np.float32), grades) == 0
