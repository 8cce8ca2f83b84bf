"""One step: the same gradient however it is cut up, and nothing learned from what is unknown."""

import weakref
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric.plugins.precision import MixedPrecision
from reporters import Recorder
from torch import Tensor

from drkit import progress
from drkit.data.units import UnitIndex, Units, build_units
from drkit.errors import UsageError
from drkit.losses import FloatArray, build_loss
from drkit.models.grader import build_grader
from drkit.records.checkpoint import Architecture
from drkit.records.labels import Labels, build_rows
from drkit.training import learner as learning
from drkit.training.config import TrainingConfig
from drkit.training.learner import (
    AUXILIARY_WEIGHT,
    Learner,
    Mixture,
    StepFigures,
    TrainingData,
    draw_mixture,
    mix,
    pair_up,
    read_steps,
)
from drkit.training.runtime import is_out_of_memory, start_fabric

SIDE = 32
NUM = 8  # photographs


class Images:
    """A source of images that are what they are."""

    def __init__(self) -> None:
        self.images = torch.randn(NUM, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))

    def prepare(self, rows: np.ndarray, epoch: int) -> Callable[[], Tensor]:
        return lambda: self.images[rows]

    def eval_batch(self, rows: np.ndarray) -> Tensor:
        return self.images[rows]


def _units(kind: str = "image") -> Units:
    """Two patients with two views of each eye."""
    rows = build_rows(
        image_id=[f"p{number}" for number in range(NUM)],
        path=["/x.jpg"] * NUM,
        patient_id=["a"] * 4 + ["b"] * 4,
        eye=["left", "left", "right", "right"] * 2,
        view=[1, 2] * 4,
        split=["train"] * NUM,
    )
    return build_units(Labels(rows, Path(), "test", ("patient", "eye")), kind)  # type: ignore[arg-type]


def _data(kind: str = "image", **others: Any) -> TrainingData:
    units = _units(kind)
    num_eyes = int(units.eye_of.max()) + 1
    made_of = {
        "grades": np.arange(len(units)) % 5,
        "eye_grades": np.arange(num_eyes) % 5,
        "grade_weights": np.ones(5),
        "loss": build_loss("cross-entropy"),
    }
    return TrainingData(Images(), units, **{**made_of, **others})


def _learner(data: TrainingData, *, auxiliary: bool = False, precision: str = "32", **options: Any) -> Learner:
    """Who learns: a network without batch norm or dropout, the same each time."""
    torch.manual_seed(0)
    made_of = Architecture(
        "test_convnext",
        SIDE,
        data.units.kind,
        data.units.num_slots,
        "mean-max",
        False,
        "",
        "cross-entropy",
        auxiliary,
        0,
    )
    config = TrainingConfig(device="cpu", precision=precision, **options)  # type: ignore[arg-type]
    return Learner(build_grader(made_of), data, config, start_fabric(config), num_steps=4)


def _gradients(learner: Learner) -> dict[str, Tensor]:
    """What the last step followed."""
    return {name: parameter.grad for name, parameter in learner.grader.named_parameters() if parameter.grad is not None}


def _read(step: StepFigures) -> tuple[float, FloatArray]:
    """A step's mean loss and logits."""
    (loss,), logits = read_steps([step])
    return loss, logits


def _assert_same(first: dict[str, Tensor], second: dict[str, Tensor], tolerance: float = 1e-4) -> None:
    assert set(first) == set(second)
    for name, gradient in first.items():
        assert torch.allclose(gradient, second[name], rtol=1e-3, atol=tolerance * float(gradient.abs().max())), name


@pytest.mark.parametrize("kind", ["image", "eye"])
def test_batches_that_are_accumulated_give_the_gradient_of_one(kind: str) -> None:
    data = _data(kind, grade_weights=np.array([0.5, 1, 2, 1, 1]))
    whole, parts = (_learner(data, batch_size=size, auxiliary=True) for size in (8, 3))
    numbers = np.arange(len(data.units))
    loss, logits = _read(whole.step(numbers, 1))
    again, others = _read(parts.step(numbers, 1))
    assert again == pytest.approx(loss, rel=1e-4)
    assert np.allclose(logits, others, rtol=1e-3, atol=1e-4)
    _assert_same(_gradients(whole), _gradients(parts))


def _full_above(learner: Learner, num_units: int) -> None:
    """Let the grader find no memory for more units."""
    answer = learner.grader.answer

    def answer_few(images: Tensor, places: UnitIndex) -> Any:
        if places.num_units > num_units:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return answer(images, places)

    learner.grader.answer = answer_few  # type: ignore[method-assign]


def test_without_memory_the_batch_is_halved_once_for_all_and_the_gradient_stays() -> None:
    data, numbers, reported = _data(), np.arange(NUM), Recorder()
    whole, cramped = _learner(data), _learner(data)
    _full_above(cramped, 2)
    loss, _ = _read(whole.step(numbers, 1))
    with progress.reporting_to(reported):
        again, logits = _read(cramped.step(numbers, 1))
        assert len(reported.warnings) == 3  # 16, 8, 4, 2
        assert "batches of 2 units from here on, with as many a step as before" in reported.warnings[-1]
        _assert_same(_gradients(whole), _gradients(cramped))
        cramped.step(numbers, 1)
        assert len(reported.warnings) == 3
    assert again == pytest.approx(loss, rel=1e-4)
    assert logits.shape == (NUM, 5)


def test_going_back_from_a_touch_changes_no_gradient_and_makes_none() -> None:
    learner = _learner(_data())
    learner.step(np.arange(NUM), 1)
    learner.grader.head.output.bias.grad = None
    before = {name: gradient.clone() for name, gradient in _gradients(learner).items()}
    learner.grader.sync_loss().backward()
    after = _gradients(learner)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert set(after) == set(before) == {name for name, _ in learner.grader.named_parameters()} - {"head.output.bias"}


class Scaled(MixedPrecision):
    """fp16's precision, with a scaler that a CPU has, too."""

    def __init__(self, scale: float) -> None:
        super().__init__("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=scale))


def test_what_fp16s_gradients_are_scaled_by_is_kept() -> None:
    first, second = _learner(_data()), _learner(_data())
    first.fabric.strategy.precision, second.fabric.strategy.precision = Scaled(64.0), Scaled(2.0)
    second.restore(deepcopy(first.state()))
    assert second.fabric.strategy.precision.scaler.get_scale() == 64.0


def test_what_was_begun_without_fp16_goes_on_with_it() -> None:
    """The state has no scale then, and the scaler begins its search anew."""
    first, second = _learner(_data()), _learner(_data())
    second.fabric.strategy.precision = Scaled(2.0)
    second.restore(deepcopy(first.state()))
    assert second.fabric.strategy.precision.scaler.get_scale() == 2.0
    first.restore(deepcopy(second.state()))


def test_fp16_that_clips_skips_a_step_whose_gradients_overflow() -> None:
    learner = _learner(_data(), clip=1.0)
    learner.fabric.strategy.precision = learner.fabric._precision = precision = Scaled(2.0**40)
    before = deepcopy(learner.grader.state_dict())
    learner.step(np.arange(NUM), 1)
    assert precision.scaler.get_scale() == 2.0**39
    assert all(torch.equal(tensor, before[name]) for name, tensor in learner.grader.state_dict().items())
    for _ in range(40):
        learner.step(np.arange(NUM), 1)
    assert any(not torch.equal(tensor, before[name]) for name, tensor in learner.grader.state_dict().items())
    assert all(tensor.isfinite().all() for tensor in learner.grader.state_dict().values())


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "MPS backend out of memory (MPS allocated: 8 GB)",
        "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_every_library_s_way_to_be_out_of_memory_is_known(words: str) -> None:
    assert is_out_of_memory(RuntimeError(words))
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))


def test_halving_holds_on_to_nothing_of_the_step_that_failed() -> None:
    """Least of all by the traceback of its error, whose frames hold the activations."""
    learner, held = _learner(_data(), batch_size=2), []
    answer = learner.grader.answer

    def run_out(images: Tensor, places: UnitIndex) -> Any:
        if places.num_units == 1:
            return answer(images, places)
        activations = torch.ones(3)
        held.append(weakref.ref(activations))
        raise torch.OutOfMemoryError("CUDA out of memory")

    learner.grader.answer = run_out  # type: ignore[method-assign]
    gone = []
    halve = learner._halve
    learner._halve = lambda: (gone.append(held[-1]() is None), halve())  # type: ignore[method-assign]
    learner.step(np.arange(4), 1)
    assert gone == [True]


def test_no_memory_for_a_single_unit_is_refused() -> None:
    learner = _learner(_data(), batch_size=2)
    _full_above(learner, 0)
    with pytest.raises(UsageError, match="not even one unit fits in memory: choose a smaller --size or --backbone"):
        learner.step(np.arange(4), 1)


def test_another_error_is_not_taken_for_want_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = _learner(_data())

    def broken(*_: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(learner.grader, "answer", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        learner.step(np.arange(4), 1)


def test_the_average_is_judged_and_lies_behind_the_weights() -> None:
    learner = _learner(_data(), lr=0.01)
    plain = _learner(_data(), lr=0.01, ema=False)
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
        learner.average.update(learner.grader)
    assert torch.allclose(now, learner.eval_model.state_dict()[name], atol=1e-6)


def test_the_average_of_weights_that_rest_is_themselves() -> None:
    learner = _learner(_data())
    before = deepcopy(learner.grader.state_dict())
    assert learner.average is not None
    for _ in range(5):
        learner.average.update(learner.grader)
    assert all(torch.equal(tensor, before[name]) for name, tensor in learner.eval_model.state_dict().items())


def test_a_restored_learner_takes_the_same_next_step() -> None:
    first, second = _learner(_data()), _learner(_data())
    first.step(np.arange(4), 1)
    second.restore(deepcopy(first.state()))
    for learner in (first, second):
        learner.step(np.arange(4, NUM), 1)
    ours, theirs = first.state(), second.state()
    assert all(torch.equal(ours["grader"][name], theirs["grader"][name]) for name in ours["grader"])
    assert all(torch.equal(ours["average"][name], theirs["average"][name]) for name in ours["average"])


def test_a_clipped_gradient_is_short_and_points_the_same_way() -> None:
    free, clipped = _learner(_data()), _learner(_data(), clip=1e-3)
    for learner in (free, clipped):
        learner.step(np.arange(NUM), 1)
    long, short = (torch.cat([part.flatten() for part in _gradients(each).values()]) for each in (free, clipped))
    assert long.norm() > 0.01
    assert short.norm() == pytest.approx(1e-3, rel=1e-2)
    assert torch.allclose(short / short.norm(), long / long.norm(), atol=1e-4)


def test_a_grade_without_weight_teaches_nothing() -> None:
    weights = np.array([0.0, 1, 1, 1, 1])
    learner = _learner(_data(grades=np.zeros(NUM, np.int64), grade_weights=weights))
    loss, _ = _read(learner.step(np.arange(4), 1))
    assert loss == 0
    assert all(not gradient.any() for gradient in _gradients(learner).values())


def test_class_weights_scale_the_loss_of_their_grade() -> None:
    grades = np.full(NUM, 2)
    plain, heavy = (_learner(_data(grades=grades, grade_weights=np.full(5, w))) for w in (1.0, 3.0))
    loss, _ = _read(plain.step(np.arange(4), 1))
    assert _read(heavy.step(np.arange(4), 1))[0] == pytest.approx(3 * loss, rel=1e-5)


def test_the_other_target_teaches_only_where_it_is_known() -> None:
    """An unknown grade counts for nothing, not for grade -1 and not for 0."""
    known = np.array([0, 4, -1, -1])  # of the eyes of two patients
    data = _data("patient", eye_grades=known)
    learner = _learner(data, auxiliary=True)
    learner.step(np.array([0]), 1)
    partly = learner.grader.auxiliary.output.weight.grad.clone()
    assert partly.any()
    learner.step(np.array([1]), 1)
    assert not learner.grader.auxiliary.output.weight.grad.any()
    learner = _learner(data, auxiliary=True)
    learner.step(np.array([0, 1]), 1)
    _assert_same({"w": learner.grader.auxiliary.output.weight.grad}, {"w": partly})


def test_the_other_targets_loss_is_added_by_its_weight() -> None:
    alone, both = _learner(_data("patient")), _learner(_data("patient"), auxiliary=True)
    batch = both.data.units.batch(np.array([0, 1]))
    logits, _, others = both.grader.answer(both.data.inputs.eval_batch(batch.rows), batch.places)
    assert others is not None
    expected = [build_loss("cross-entropy")(found, torch.tensor(grades)).mean() for found, grades in (
        (logits, both.data.grades[:2]), (others, both.data.eye_grades[batch.eyes])
    )]  # fmt: skip
    assert _read(both.step(np.array([0, 1]), 1))[0] == pytest.approx(
        (expected[0] + AUXILIARY_WEIGHT * expected[1]).item(), rel=1e-4
    )
    assert alone.grader.auxiliary is None


PATIENTS = _units("patient")
MISSING = UnitIndex(
    unit=torch.tensor([0, 0, 1, 1, 2]), slot=torch.tensor([0, 1, 0, 2, 1]), eye=torch.tensor([0, 0, 1, 2, 3]),
    num_units=3, num_eyes=4,
)  # fmt: skip


def test_partners_are_in_the_same_slot_and_who_has_none_stays() -> None:
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


def test_a_whole_share_changes_nothing_and_none_gives_the_partner() -> None:
    inputs = torch.randn(5, 3, 4, 4)
    partners = torch.tensor([1, 2, 0])
    assert torch.equal(mix(inputs, pair_up(MISSING, partners, 1.0).photographs, 1.0), inputs)
    nothing = pair_up(MISSING, partners, 0.0)
    assert torch.equal(mix(inputs, nothing.photographs, nothing.share), inputs[nothing.photographs])


def test_without_alpha_nothing_is_mixed_and_with_it_shares_are_drawn() -> None:
    assert draw_mixture(MISSING, 0.0) is None
    torch.manual_seed(0)
    drawn = [draw_mixture(MISSING, 0.4) for _ in range(20)]
    assert all(each is not None and 0 <= each.share <= 1 for each in drawn)
    assert len({each.share for each in drawn if each}) == 20


def test_the_loss_of_a_mixture_is_shared_between_both_grades(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of both heads: where photographs are blended, so are the grades that they are asked for."""
    mixture = pair_up(PATIENTS.batch(np.arange(2)).places, torch.tensor([1, 0]), 0.25)
    assert mixture.eyes.tolist() == [2, 3, 0, 1]
    learner = _learner(_data("patient"), auxiliary=True, mixup=0.2)
    data, batch = learner.data, learner.data.units.batch(np.arange(2))
    images = data.inputs.eval_batch(batch.rows)
    blended = 0.25 * images + 0.75 * images[[4, 5, 6, 7, 0, 1, 2, 3]]
    logits, _, others = learner.grader.answer(blended, batch.places)
    loss, expected = build_loss("cross-entropy"), 0.0
    for share, grades, eyes in ((0.25, [0, 1], [0, 1, 2, 3]), (0.75, [1, 0], [2, 3, 0, 1])):
        other_grades = torch.tensor(data.eye_grades[batch.eyes][eyes])
        expected += share * loss(logits, torch.tensor(grades)).mean().item()
        expected += share * AUXILIARY_WEIGHT * loss(others, other_grades).mean().item()
    monkeypatch.setattr(learning, "draw_mixture", lambda *_: mixture)
    assert _read(learner.step(np.arange(2), 1))[0] == pytest.approx(expected, rel=1e-4)


def test_a_mixture_with_oneself_is_no_mixture(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, mixed = _learner(_data("eye")), _learner(_data("eye"), mixup=0.2)
    own = Mixture(torch.arange(4), torch.arange(NUM), torch.arange(4), 0.3)
    monkeypatch.setattr(learning, "draw_mixture", lambda *_: own)
    loss, _ = _read(mixed.step(np.arange(4), 1))
    monkeypatch.undo()
    assert _read(plain.step(np.arange(4), 1))[0] == pytest.approx(loss, rel=1e-4)
    _assert_same(_gradients(plain), _gradients(mixed), 1e-3)


def test_sixteen_bits_on_the_cpu_follow_nearly_the_same_gradient() -> None:
    full, half = _learner(_data()), _learner(_data(), precision="bf16")
    kinds = set()
    half.grader.head.output.register_forward_hook(lambda _, __, output: kinds.add(output.dtype))
    losses = [_read(learner.step(np.arange(4), 1))[0] for learner in (full, half)]
    assert kinds == {torch.bfloat16}
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    gradients = _gradients(half)
    assert {gradient.dtype for gradient in gradients.values()} == {torch.float32}
    both = [torch.cat([part.flatten() for part in _gradients(each).values()]) for each in (full, half)]
    assert torch.cosine_similarity(*both, dim=0) > 0.9


def test_half_precision_that_only_a_gpu_has_is_refused_elsewhere() -> None:
    with pytest.raises(UsageError, match="--precision fp16 needs a GPU: use bf16 or 32"):
        start_fabric(TrainingConfig(device="cpu", precision="fp16"))


def test_plain_descent_and_adam_both_lower_the_loss() -> None:
    for optimizer in ("adamw", "sgd"):
        learner = _learner(_data(), optimizer=optimizer, lr=3e-3, ema=False)
        losses = [_read(learner.step(np.arange(NUM), 1))[0] for _ in range(8)]
        assert losses[-1] < losses[0]
