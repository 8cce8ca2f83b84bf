"""Mixup: partners of units, photographs and eyes, and the mixed loss."""

import numpy as np
import pytest
import torch
from tiny_learner import NUM, assert_same, build_learner, build_test_units, gradients_of, read_step, training_data

from drkit.data.units import UnitIndex
from drkit.losses import build_loss
from drkit.training import learner as learning
from drkit.training.learner import (
    AUXILIARY_WEIGHT,
    Mixture,
    draw_mixture,
    mix,
    pair_up,
)

PATIENTS = build_test_units("patient")
MISSING = UnitIndex(
    unit=torch.tensor([0, 0, 1, 1, 2]), slot=torch.tensor([0, 1, 0, 2, 1]), eye=torch.tensor([0, 0, 1, 2, 3]),
    num_units=3, num_eyes=4,
)  # fmt: skip


def test_partners_are_in_the_same_slot_and_a_photograph_without_one_is_its_own() -> None:
    mixture = pair_up(MISSING, torch.tensor([1, 2, 0]), 0.5)
    assert mixture.photographs.tolist() == [
        2,
        1,
        2,
        3,
        1,
    ]  # 0 with 1's slot 0; the others' slots are missing; 2 with 0's
    assert mixture.eyes.tolist() == [1, 1, 2, 0]
    for row, partner in enumerate(mixture.photographs.tolist()):
        assert MISSING.slot[row] == MISSING.slot[partner]
        assert partner == row or MISSING.unit[partner] == mixture.units[MISSING.unit[row]]


def test_share_1_changes_nothing_and_share_0_gives_the_partner() -> None:
    inputs = torch.randn(5, 3, 4, 4)
    partners = torch.tensor([1, 2, 0])
    assert torch.equal(mix(inputs, pair_up(MISSING, partners, 1.0).photographs, 1.0), inputs)
    nothing = pair_up(MISSING, partners, 0.0)
    assert torch.equal(mix(inputs, nothing.photographs, nothing.share), inputs[nothing.photographs])


def test_without_alpha_there_is_no_mixup_and_with_alpha_shares_are_drawn() -> None:
    assert draw_mixture(MISSING, 0.0) is None
    torch.manual_seed(0)
    drawn = [draw_mixture(MISSING, 0.4) for _ in range(20)]
    assert all(each is not None and 0 <= each.share <= 1 for each in drawn)
    assert len({each.share for each in drawn if each}) == 20


def test_the_loss_of_a_mixture_is_shared_between_both_grades(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photographs and the reference grades of both heads are mixed in the same way."""
    mixture = pair_up(PATIENTS.batch(np.arange(2)).index, torch.tensor([1, 0]), 0.25)
    assert mixture.eyes.tolist() == [2, 3, 0, 1]
    learner = build_learner(training_data("patient"), auxiliary=True, mixup=0.2)
    data, batch = learner.data, learner.data.units.batch(np.arange(2))
    images = data.inputs.eval_batch(batch.rows)
    blended = 0.25 * images + 0.75 * images[[4, 5, 6, 7, 0, 1, 2, 3]]
    logits, _, others = learner.grader.compute_outputs(blended, batch.index)
    loss, expected = build_loss("cross-entropy"), 0.0
    for share, grades, eyes in ((0.25, [0, 1], [0, 1, 2, 3]), (0.75, [1, 0], [2, 3, 0, 1])):
        other_grades = torch.tensor(data.auxiliary_grades[batch.eyes][eyes])
        expected += share * loss(logits, torch.tensor(grades)).mean().item()
        expected += share * AUXILIARY_WEIGHT * loss(others, other_grades).mean().item()
    monkeypatch.setattr(learning, "draw_mixture", lambda *_: mixture)
    assert read_step(learner.step(np.arange(2), 1))[0] == pytest.approx(expected, rel=1e-4)


def test_mixing_units_with_themselves_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, mixed = build_learner(training_data("eye")), build_learner(training_data("eye"), mixup=0.2)
    own = Mixture(torch.arange(4), torch.arange(NUM), torch.arange(4), 0.3)
    monkeypatch.setattr(learning, "draw_mixture", lambda *_: own)
    loss, _ = read_step(mixed.step(np.arange(4), 1))
    monkeypatch.undo()
    assert read_step(plain.step(np.arange(4), 1))[0] == pytest.approx(loss, rel=1e-4)
    assert_same(gradients_of(plain), gradients_of(mixed), 1e-3)
