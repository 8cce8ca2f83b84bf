"""Cross-entropy, soft targets and the cost of disagreement."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from drkit.losses import CrossEntropy
from drkit.losses.classification import soft_targets

GRADES = torch.tensor([0, 1, 2, 3, 4, 4])


@pytest.fixture
def logits() -> torch.Tensor:
    return 2 * torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_cross_entropy_equals_torchs(logits: torch.Tensor) -> None:
    torch.testing.assert_close(CrossEntropy()(logits, GRADES), F.cross_entropy(logits, GRADES, reduction="none"))


@pytest.mark.parametrize("sigma", [0.4, 0.7, 2])
def test_smoothing_equals_torchs_cross_entropy_with_soft_targets(logits: torch.Tensor, sigma: float) -> None:
    distances = np.arange(5)[:, None] - np.arange(5)
    weights = np.exp(-(distances**2) / (2 * sigma**2))
    targets = torch.from_numpy(weights / weights.sum(1, keepdims=True))[GRADES]
    expected = F.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(CrossEntropy(smoothing=sigma)(logits, GRADES), expected)


def test_the_cost_is_the_expected_quadratic_disagreement() -> None:
    """Grade 1 is predicted as 0 with probability 1/2, as 3 and 4 with 1/4 each: (1/2 + 4/4 + 9/4) / 16."""
    logits = torch.tensor([[0.5, 1e-30, 1e-30, 0.25, 0.25]], dtype=torch.float64).log()
    grade = torch.tensor([1])
    added = CrossEntropy(cost=2)(logits, grade) - CrossEntropy()(logits, grade)
    assert added.item() == pytest.approx(2 * 3.75 / 16)


def test_soft_targets_are_one_hot_for_small_smoothing_and_uniform_for_large() -> None:
    assert torch.equal(soft_targets(0), torch.eye(5, dtype=torch.float64))
    torch.testing.assert_close(soft_targets(0.05), soft_targets(0))
    torch.testing.assert_close(soft_targets(1e4), torch.full((5, 5), 0.2, dtype=torch.float64))


def test_probabilities_are_the_softmax_and_the_score_is_the_expected_grade() -> None:
    logits = np.log([[0.1, 0.2, 0.3, 0.4, 1e-9], [0.5, 0.5, 1e-9, 1e-9, 1e-9]])
    loss = CrossEntropy()
    assert np.allclose(loss.probabilities(logits, 0), np.exp(logits), atol=1e-6)
    assert np.allclose(loss.score(logits), [2.0, 0.5], atol=1e-6)
