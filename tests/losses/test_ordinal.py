"""CORN and the cumulative link."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from drkit.decisions import decide
from drkit.losses import Corn, CumulativeLink
from drkit.losses.ordinal import SeverityAndThresholds


def _logistic(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def test_corn_by_hand() -> None:
    """Grade 0 is part of the first step, grade 2 of three steps, grade 4 of all four."""
    logits = torch.tensor([[0.3, 5, 5, 5], [1, -0.5, 0.2, 9], [1, 2, 3, -1]], dtype=torch.float64)
    expected = [
        -np.log(1 - _logistic(0.3)),
        -np.log(_logistic(1)) - np.log(_logistic(-0.5)) - np.log(1 - _logistic(0.2)),
        -sum(np.log(_logistic(step)) for step in (1, 2, 3, -1)),
    ]
    losses = Corn()(logits, torch.tensor([0, 2, 4]))
    np.testing.assert_allclose(losses, expected)


def test_corns_mean_equals_the_papers_except_for_the_number_of_steps() -> None:
    """The paper sums over the subsets y >= k of all steps, and divides by the sum of their sizes."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(40, 4, generator=generator)
    grades = torch.randint(0, 5, (40,), generator=generator)
    summed, size = torch.tensor(0.0), 0
    for step in range(4):
        subset = grades >= step
        chances = logits[subset, step].sigmoid()
        above = grades[subset] > step
        summed -= torch.log(chances[above]).sum() + torch.log(1 - chances[~above]).sum()
        size += int(subset.sum())
    torch.testing.assert_close(Corn()(logits, grades).mean() * 40 / size, summed / size)


def test_corns_probabilities_follow_the_chain_rule() -> None:
    logits = np.array([[0.3, -0.2, 1.0, 2.0]])
    a, b, c, d = (_logistic(step) for step in logits[0])
    expected = [1 - a, a * (1 - b), a * b * (1 - c), a * b * c * (1 - d), a * b * c * d]
    np.testing.assert_allclose(Corn().probabilities(logits, 0)[0], expected)


def test_cumulative_probabilities_are_differences_and_rising_logits_are_corrected() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (200, 4))
    logits[:100] = -np.sort(-logits[:100], axis=1)
    above = np.minimum.accumulate(1 / (1 + np.exp(-logits)), axis=1)
    expected = -np.diff(above, axis=1, prepend=1.0, append=0.0)
    probabilities = CumulativeLink().probabilities(logits, 0)
    np.testing.assert_allclose(probabilities[:100], expected[:100], atol=1e-12)
    np.testing.assert_allclose(probabilities[100:], expected[100:], atol=1e-6)


@pytest.mark.parametrize("loss", [Corn(), CumulativeLink()])
def test_the_median_grade_counts_the_steps_with_probability_above_one_half(loss: Corn | CumulativeLink) -> None:
    logits = -np.sort(-np.random.default_rng(0).normal(0, 2, (200, 4)), axis=1)
    probabilities = loss.probabilities(logits, 0)
    above = 1 - np.cumsum(probabilities, 1)[:, :-1]
    assert (decide("median", probabilities, loss.score(logits)) == (above > 0.5).sum(1)).all()


def test_thresholds_rise_for_any_parameters() -> None:
    output = SeverityAndThresholds(3)
    with torch.no_grad():
        output.gaps.copy_(torch.tensor([-30.0, 0.0, 30.0]))
    logits = output(torch.randn(8, 3))
    assert logits.shape == (8, 4)
    assert (logits.diff(dim=1) <= 0).all()


def test_cumulative_link_is_accurate_for_tiny_probabilities() -> None:
    """1000 above the threshold, the probability exp(-1000) is below any float, but its logarithm is correct."""
    logits = torch.tensor([[-1000.0, -1001.0, -1002.0, -1003.0]])
    assert CumulativeLink()(logits, torch.tensor([4])).item() == pytest.approx(1003)
    assert CumulativeLink()(logits, torch.tensor([2])).item() == pytest.approx(1001 - np.log1p(-np.exp(-1)), rel=1e-6)


def test_with_two_grades_cumulative_link_is_logistic_regression() -> None:
    """With grades 0 and 4 only, the middle thresholds coincide and act as an intercept."""
    generator = np.random.default_rng(0)
    x = generator.normal(0, 1, (300, 2))
    is_ill = generator.random(300) < 1 / (1 + np.exp(-(x @ [1.5, -0.7] + 0.4)))
    oracle = LogisticRegression(C=1e9, tol=1e-8).fit(x, is_ill)

    loss, output = CumulativeLink(), SeverityAndThresholds(2).double()
    grades, activations = torch.from_numpy(np.where(is_ill, 4, 0)), torch.from_numpy(x)
    optimizer = torch.optim.LBFGS(output.parameters(), max_iter=400, line_search_fn="strong_wolfe")

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        mean = loss(output(activations), grades).mean()
        mean.backward()
        return mean

    optimizer.step(step)  # type: ignore[arg-type]
    np.testing.assert_allclose(output.severity.weight.detach().numpy(), oracle.coef_, atol=0.01)
    np.testing.assert_allclose(output.thresholds().detach().numpy(), -oracle.intercept_[0], atol=0.01)
