"""Properties of every loss in the catalogue."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor, nn

from drkit.catalogue import LOSSES
from drkit.decisions import decide
from drkit.losses import Loss, build_loss

SPECS = [*LOSSES, "cross-entropy:smoothing=0.7:cost=2"]
LIKELIHOODS = ["cross-entropy", "corn", "cumulative-link"]
GRADES = torch.arange(5)
quick = settings(max_examples=25)


@pytest.fixture(params=SPECS)
def loss(request: pytest.FixtureRequest) -> Loss:
    return build_loss(request.param)


def _logits(loss: Loss, seed: int = 0, scale: float = 3.0, num_units: int = 5) -> Tensor:
    """Logits that the loss's own layer can produce."""
    generator = torch.Generator().manual_seed(seed)
    output = loss.build_output(3)
    with torch.no_grad():
        return output(torch.randn(num_units, 3, generator=generator) * scale)


def _fit(loss: Loss, activations: Tensor, grades: Tensor, steps: int = 150) -> nn.Module:
    torch.manual_seed(0)
    output = loss.build_output(activations.shape[1])
    loss.start(output, grades)
    optimizer = torch.optim.Adam(output.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(output(activations), grades).mean().backward()
        optimizer.step()
    return output


@quick
@given(data=st.data(), spec=st.sampled_from(SPECS))
def test_any_finite_logits_give_probabilities_and_a_score(data: st.DataObject, spec: str) -> None:
    loss = build_loss(spec)
    finite = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.floats(-50, 50, width=32)
    logits = data.draw(hnp.arrays(np.float32, (6, loss.num_outputs), elements=finite)).astype(np.float64)
    probabilities, score = loss.probabilities(logits, 0.5), loss.score(logits)
    assert probabilities.shape == (6, 5)
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1 + 1e-12
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-9)
    assert score.min() >= 0
    assert score.max() <= 4
    assert set(decide(loss.decision, probabilities, score)) <= set(range(5))


@pytest.mark.parametrize("scale", [1e-3, 1, 1e3, 1e6])
def test_the_loss_and_its_gradient_are_finite(loss: Loss, scale: float) -> None:
    for seed in range(5):
        logits = _logits(loss, seed, scale).requires_grad_()
        losses = loss(logits, GRADES)
        losses.sum().backward()
        assert losses.shape == (5,)
        assert (losses >= 0).all()
        assert losses.isfinite().all()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()


def test_the_gradient_is_correct(loss: Loss) -> None:
    torch.manual_seed(1)
    logits = (2 * torch.randn(5, loss.num_outputs, dtype=torch.float64)).sort(1, descending=True).values
    assert torch.autograd.gradcheck(lambda x: loss(x, GRADES), (logits.requires_grad_(),))


def test_a_units_loss_does_not_depend_on_other_units(loss: Loss) -> None:
    logits = _logits(loss)
    alone = torch.cat([loss(logits[i : i + 1], GRADES[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(alone, loss(logits, GRADES))


def test_half_precision_is_computed_in_single_precision(loss: Loss) -> None:
    logits = _logits(loss).to(torch.bfloat16)
    losses = loss(logits, GRADES)
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, loss(logits.float(), GRADES))


def test_the_correct_grade_has_the_smallest_loss(loss: Loss) -> None:
    activations = nn.functional.one_hot(GRADES, 5).float()
    logits = _fit(loss, activations, GRADES)(activations).detach()
    costs = torch.stack([loss(logits, torch.full((5,), grade)) for grade in range(5)])  # (reference grade, unit)
    assert (costs.argmin(0) == GRADES).all()


def test_a_layer_learns_to_grade(loss: Loss) -> None:
    """Eyes with one feature that rises from healthy to proliferative: a layer learns the grades with every loss."""
    severity = torch.linspace(-1, 1, 101)[:, None]
    grades = ((severity[:, 0] + 1) * 2.499).round().long().clamp(max=4)
    activations = torch.cat([severity, severity.square()], 1)
    logits = _fit(loss, activations, grades, 400)(activations).detach().numpy()
    predictions = loss.probabilities(logits, 0.3), loss.score(logits)
    decided = decide(loss.decision, *predictions)
    assert np.abs(decided - grades.numpy()).max() <= 1
    assert (decided == grades.numpy()).mean() > 0.85
    assert np.corrcoef(predictions[1], grades)[0, 1] > 0.95


def test_the_initial_bias_is_better_than_an_arbitrary_one(loss: Loss) -> None:
    grades = torch.tensor([0, 0, 0, 4, 3, 3, 2])
    output = loss.build_output(3)
    nothing = torch.zeros(7, 3)
    before = loss(output(nothing), grades).mean()
    loss.start(output, grades)
    assert loss(output(nothing), grades).mean() < before


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_initial_probabilities_are_the_frequencies_of_the_grades(name: str) -> None:
    loss = build_loss(name)
    counts = torch.tensor([400, 100, 300, 0, 200])
    output = loss.build_output(3)
    loss.start(output, GRADES.repeat_interleave(counts))
    logits = output(torch.zeros(1, 3)).detach().numpy()
    np.testing.assert_allclose(loss.probabilities(logits, 0)[0], (counts + 1) / 1005, atol=1e-6)


@quick
@given(seed=st.integers(0, 1000), name=st.sampled_from(LIKELIHOODS))
def test_a_log_loss_is_minus_the_logarithm_of_the_grades_probability(seed: int, name: str) -> None:
    loss = build_loss(name)
    logits = _logits(loss, seed).double()
    shares = loss.probabilities(logits.numpy(), 0)[GRADES, GRADES]
    np.testing.assert_allclose(loss(logits, GRADES).numpy(), -np.log(shares), rtol=1e-6, atol=1e-9)
