"""Specs of losses, and weights of the grades."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from drkit.catalogue import LOSSES
from drkit.errors import UsageError
from drkit.losses import CrossEntropy, build_loss, grade_weights
from drkit.specs import describe_catalogue, parse_spec


def test_parameters_are_passed_to_the_loss() -> None:
    loss = build_loss("cross-entropy:smoothing=0.7:cost=0.5")
    assert isinstance(loss, CrossEntropy)
    assert loss.cost == 0.5
    assert loss.targets[0, 1] / loss.targets[0, 0] == pytest.approx(np.exp(-1 / 0.98))
    assert build_loss("cross-entropy:cost=3").targets.diagonal().tolist() == [1] * 5


@given(st.floats(0, 4), st.floats(0, 100))
def test_a_written_spec_is_read_back_unchanged(smoothing: float, cost: float) -> None:
    choice = parse_spec(LOSSES, "loss", f"cross-entropy:cost={cost}:smoothing={smoothing}")
    assert choice.parameters == (("smoothing", smoothing), ("cost", cost))
    assert parse_spec(LOSSES, "loss", str(choice)) == choice


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("regresion", "unknown loss 'regresion': did you mean regression"),
        ("cross-entropy:smoothin=1", "loss cross-entropy: unknown parameter 'smoothin': did you mean smoothing"),
        ("cross-entropy:cost", "cost needs a value: write cross-entropy:cost=0"),
        ("cross-entropy:smoothing=9", "smoothing=9: expected a number from 0 to 4"),
        ("corn:cost=1", "unknown parameter 'cost': it takes no parameters"),
        ("", "unknown loss ''"),
    ],
)
def test_an_error_says_what_to_do(spec: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        build_loss(spec)


def test_help_lists_every_loss_and_parameter() -> None:
    listed = describe_catalogue(LOSSES)
    for name, entry in LOSSES.items():
        assert f"{name}: {entry.summary}" in listed
        assert all(f":{parameter}=" in listed for parameter in entry.parameters)


def test_grade_weights_equal_those_of_scikit_learn() -> None:
    counts = np.array([40, 10, 0, 30, 20])
    grades = np.repeat(np.arange(5), counts)
    weights = grade_weights(counts)
    assert weights[2] == 0
    assert weights[grades].mean() == pytest.approx(1)
    present = np.array([0, 1, 3, 4])
    np.testing.assert_allclose(weights[present], compute_class_weight("balanced", classes=present, y=grades))


def test_weights_without_units_are_zero() -> None:
    assert grade_weights(np.zeros(5)).tolist() == [0] * 5
