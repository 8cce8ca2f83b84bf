"""What is asked of the logits is what the loss reads in them, with a gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drkit.catalogue import LOSSES
from drkit.errors import UsageError
from drkit.explaining.questions import LOG_PROBABILITIES, ContrastQuestion, GradeQuestion, Reading, ScoreQuestion
from drkit.losses import build_loss


def _logits(loss: str, spread: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(20, build_loss(loss).num_outputs, generator=generator, dtype=torch.float64)
    return logits.sort(1, descending=True).values if loss == "cumulative-link" else logits


def test_every_loss_of_the_catalogue_can_be_explained() -> None:
    assert set(LOSSES) == set(LOG_PROBABILITIES)


@pytest.mark.parametrize("loss", LOSSES)
@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 3.0), st.integers(0, 1000), st.floats(0.1, 2.0))
def test_probabilities_and_score_are_the_losses_own(loss: str, spread: float, seed: int, sigma: float) -> None:
    logits, own = _logits(loss, spread, seed), build_loss(loss)
    reading = Reading(loss, sigma)
    shares = reading.log_probabilities(logits).exp().numpy()
    unclipped = reading.score(logits).numpy()
    inside = (unclipped >= 0) & (unclipped <= 4)  # a regression's score is clipped only when it is told
    expected = own.probabilities(logits.numpy(), sigma)
    assert np.allclose(shares[inside], expected[inside], atol=1e-6)
    assert np.allclose(unclipped[inside], own.score(logits.numpy())[inside], atol=1e-6)
    assert ScoreQuestion(reading).value(logits).numpy() == pytest.approx(own.score(logits.numpy()) / 4, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_finite_and_not_nothing_even_far_out(loss: str) -> None:
    for spread in (1.0, 8.0):
        logits = _logits(loss, spread, 3).float().requires_grad_()
        grades = torch.arange(20) % 5
        for question in (
            GradeQuestion(Reading(loss, 0.6), grades),
            ContrastQuestion(Reading(loss, 0.6), grades, (grades + 1) % 5),
        ):
            (gradient,) = torch.autograd.grad(question.ask(logits).sum(), logits)
            assert torch.isfinite(gradient).all()
            assert (gradient.abs().sum(1) > 0).all()


def test_log_odds_of_a_grade_and_of_two_grades_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0, 1.0, -1.0, 0.5]])
    reading = Reading("cross-entropy", 0.0)
    shares = logits.softmax(1)[0]
    grade = GradeQuestion(reading, torch.tensor([2]))
    assert grade.ask(logits).item() == pytest.approx(float(torch.log(shares[2] / (1 - shares[2]))), abs=1e-5)
    assert grade.value(logits).item() == pytest.approx(float(shares[2]), abs=1e-6)
    contrast = ContrastQuestion(reading, torch.tensor([0]), torch.tensor([2]))
    assert contrast.ask(logits).item() == pytest.approx(1.0, abs=1e-5)
    assert contrast.value(logits).item() == pytest.approx(float(shares[0] / (shares[0] + shares[2])), abs=1e-6)


def test_a_regressions_contrast_rises_with_the_score_whatever_the_score() -> None:
    """A single grade's log-odds turn at the grade, so two grades are told apart by their contrast."""
    logits = torch.linspace(-1, 5, 50)[:, None].requires_grad_()
    question = ContrastQuestion(Reading("regression", 0.7), torch.full((50,), 3), torch.full((50,), 1))
    (gradient,) = torch.autograd.grad(question.ask(logits).sum(), logits)
    assert (gradient > 0).all()


def test_questions_follow_their_units() -> None:
    question = GradeQuestion(Reading("cross-entropy", 0.0), torch.tensor([0, 3]))
    assert question.of(torch.tensor([1, 1, 0])).grades.tolist() == [3, 3, 0]


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(UsageError, match="loss 'hinge' cannot be explained"):
        Reading("hinge", 0.0).log_probabilities(torch.zeros(1, 5))
