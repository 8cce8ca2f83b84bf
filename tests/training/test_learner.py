"""One step: the gradient does not depend on batches, and unknown grades are ignored."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from lightning_fabric.plugins.precision import MixedPrecision
from tiny_learner import NUM, assert_same, build_learner, gradients_of, read_step, training_data

from drkit.config.training import TrainingConfig
from drkit.errors import UsageError
from drkit.losses import build_loss
from drkit.training.learner import (
    AUXILIARY_WEIGHT,
)
from drkit.training.processes import start_fabric


@pytest.mark.parametrize("kind", ["image", "eye"])
def test_accumulated_batches_give_the_gradient_of_one_batch(kind: str) -> None:
    data = training_data(kind, grade_weights=np.array([0.5, 1, 2, 1, 1]))
    single, parts = (build_learner(data, batch_size=size, auxiliary=True) for size in (8, 3))
    numbers = np.arange(len(data.units))
    loss, logits = read_step(single.step(numbers, 1))
    again, others = read_step(parts.step(numbers, 1))
    assert again == pytest.approx(loss, rel=1e-4)
    assert np.allclose(logits, others, rtol=1e-3, atol=1e-4)
    assert_same(gradients_of(single), gradients_of(parts))


def test_the_sync_loss_neither_changes_nor_creates_gradients() -> None:
    learner = build_learner(training_data())
    learner.step(np.arange(NUM), 1)
    learner.grader.head.output.bias.grad = None
    before = {name: gradient.clone() for name, gradient in gradients_of(learner).items()}
    learner.grader.sync_loss().backward()
    after = gradients_of(learner)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert set(after) == set(before) == {name for name, _ in learner.grader.named_parameters()} - {"head.output.bias"}


class Scaled(MixedPrecision):
    """The fp16 precision with a scaler that also works on a CPU."""

    def __init__(self, scale: float) -> None:
        super().__init__("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=scale))


def test_the_gradient_scale_of_fp16_is_saved() -> None:
    first, second = build_learner(training_data()), build_learner(training_data())
    first.fabric.strategy.precision, second.fabric.strategy.precision = Scaled(64.0), Scaled(2.0)
    second.restore(deepcopy(first.state()))
    assert second.fabric.strategy.precision.scaler.get_scale() == 64.0


def test_a_training_without_fp16_can_continue_with_fp16() -> None:
    """Such a state has no gradient scale, so the scaler starts from its default."""
    first, second = build_learner(training_data()), build_learner(training_data())
    second.fabric.strategy.precision = Scaled(2.0)
    second.restore(deepcopy(first.state()))
    assert second.fabric.strategy.precision.scaler.get_scale() == 2.0
    first.restore(deepcopy(second.state()))


def test_fp16_with_clipping_skips_a_step_whose_gradients_overflow() -> None:
    learner = build_learner(training_data(), clip=1.0)
    learner.fabric.strategy.precision = learner.fabric._precision = precision = Scaled(2.0**40)
    before = deepcopy(learner.grader.state_dict())
    learner.step(np.arange(NUM), 1)
    assert precision.scaler.get_scale() == 2.0**39
    assert all(torch.equal(tensor, before[name]) for name, tensor in learner.grader.state_dict().items())
    for _ in range(40):
        learner.step(np.arange(NUM), 1)
    assert any(not torch.equal(tensor, before[name]) for name, tensor in learner.grader.state_dict().items())
    assert all(tensor.isfinite().all() for tensor in learner.grader.state_dict().values())


def test_the_running_average_is_evaluated_and_lags_behind_the_weights() -> None:
    learner = build_learner(training_data(), lr=0.01)
    plain = build_learner(training_data(), lr=0.01, ema=False)
    assert plain.eval_model is plain.grader
    assert learner.eval_model is not learner.grader
    start = deepcopy(learner.grader.state_dict())
    for _ in range(3):
        learner.step(np.arange(NUM), 1)
    name = "head.output.weight"
    now, kept = learner.grader.state_dict()[name], learner.eval_model.state_dict()[name]
    assert not torch.equal(now, kept)
    assert torch.norm(now - kept) < torch.norm(now - start[name])
    assert learner.average is not None
    for _ in range(60):  # the weights rest: the average arrives
        learner.average.update()
    assert torch.allclose(now, learner.eval_model.state_dict()[name], atol=1e-6)


def test_the_average_of_constant_weights_is_constant() -> None:
    learner = build_learner(training_data())
    before = deepcopy(learner.grader.state_dict())
    assert learner.average is not None
    for _ in range(5):
        learner.average.update()
    assert all(torch.equal(tensor, before[name]) for name, tensor in learner.eval_model.state_dict().items())


def test_a_restored_learner_takes_the_same_next_step() -> None:
    first, second = build_learner(training_data()), build_learner(training_data())
    first.step(np.arange(4), 1)
    second.restore(deepcopy(first.state()))
    for learner in (first, second):
        learner.step(np.arange(4, NUM), 1)
    expected, restored = first.state(), second.state()
    assert all(torch.equal(expected["grader"][name], restored["grader"][name]) for name in expected["grader"])
    assert all(torch.equal(expected["average"][name], restored["average"][name]) for name in expected["average"])


def test_a_clipped_gradient_is_shorter_and_has_the_same_direction() -> None:
    free, clipped = build_learner(training_data()), build_learner(training_data(), clip=1e-3)
    for learner in (free, clipped):
        learner.step(np.arange(NUM), 1)
    long, short = (torch.cat([part.flatten() for part in gradients_of(each).values()]) for each in (free, clipped))
    assert long.norm() > 0.01
    assert short.norm() == pytest.approx(1e-3, rel=1e-2)
    assert torch.allclose(short / short.norm(), long / long.norm(), atol=1e-4)


def test_a_grade_of_weight_0_gives_no_gradient() -> None:
    weights = np.array([0.0, 1, 1, 1, 1])
    learner = build_learner(training_data(grades=np.zeros(NUM, np.int64), grade_weights=weights))
    loss, _ = read_step(learner.step(np.arange(4), 1))
    assert loss == 0
    assert all(not gradient.any() for gradient in gradients_of(learner).values())


def test_class_weights_scale_the_loss_of_their_grade() -> None:
    grades = np.full(NUM, 2)
    plain, heavy = (build_learner(training_data(grades=grades, grade_weights=np.full(5, w))) for w in (1.0, 3.0))
    loss, _ = read_step(plain.step(np.arange(4), 1))
    assert read_step(heavy.step(np.arange(4), 1))[0] == pytest.approx(3 * loss, rel=1e-5)


def test_the_auxiliary_head_is_trained_on_known_grades_only() -> None:
    """An unknown grade is ignored; it counts neither as -1 nor as 0."""
    known = np.array([0, 4, -1, -1])  # of the eyes of two patients
    data = training_data("patient", auxiliary_grades=known)
    learner = build_learner(data, auxiliary=True)
    learner.step(np.array([0]), 1)
    partly = learner.grader.auxiliary.output.weight.grad.clone()
    assert partly.any()
    learner.step(np.array([1]), 1)
    assert not learner.grader.auxiliary.output.weight.grad.any()
    learner = build_learner(data, auxiliary=True)
    learner.step(np.array([0, 1]), 1)
    assert_same({"w": learner.grader.auxiliary.output.weight.grad}, {"w": partly})


def test_the_auxiliary_loss_is_added_with_its_weight() -> None:
    alone, both = build_learner(training_data("patient")), build_learner(training_data("patient"), auxiliary=True)
    batch = both.data.units.batch(np.array([0, 1]))
    logits, _, others = both.grader.compute_outputs(both.data.inputs.eval_batch(batch.rows), batch.index)
    assert others is not None
    expected = [build_loss("cross-entropy")(each, torch.tensor(grades)).mean() for each, grades in (
        (logits, both.data.grades[:2]), (others, both.data.auxiliary_grades[batch.eyes])
    )]  # fmt: skip
    assert read_step(both.step(np.array([0, 1]), 1))[0] == pytest.approx(
        (expected[0] + AUXILIARY_WEIGHT * expected[1]).item(), rel=1e-4
    )
    assert alone.grader.auxiliary is None


def test_bf16_on_the_cpu_gives_nearly_the_same_gradient() -> None:
    full, half = build_learner(training_data()), build_learner(training_data(), precision="bf16")
    kinds = set()
    half.grader.head.output.register_forward_hook(lambda _, __, output: kinds.add(output.dtype))
    losses = [read_step(learner.step(np.arange(4), 1))[0] for learner in (full, half)]
    assert kinds == {torch.bfloat16}
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    gradients = gradients_of(half)
    assert {gradient.dtype for gradient in gradients.values()} == {torch.float32}
    both = [torch.cat([part.flatten() for part in gradients_of(each).values()]) for each in (full, half)]
    assert torch.cosine_similarity(*both, dim=0) > 0.9


def test_fp16_is_refused_without_a_gpu() -> None:
    with pytest.raises(UsageError, match="--precision fp16 needs a GPU: use bf16 or 32"):
        start_fabric(TrainingConfig(device="cpu", precision="fp16"))


def test_sgd_and_adam_reduce_the_loss() -> None:
    for optimizer in ("adamw", "sgd"):
        learner = build_learner(training_data(), optimizer=optimizer, lr=3e-3, ema=False)
        losses = [read_step(learner.step(np.arange(NUM), 1))[0] for _ in range(8)]
        assert losses[-1] < losses[0]
