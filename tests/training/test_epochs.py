"""An epoch: the units that are drawn, their order, and the stages that are trained."""

import numpy as np
from architectures import make_architecture

from drkit.config.training import TrainingConfig
from drkit.models.grader import build_grader
from drkit.records.runs import ONLY_NETWORK
from drkit.training.epochs import TrainSampler, unfreeze_gradually

GRADES = np.array([0, 0, 0, 0, 3, 1])
PATIENTS = np.array(["a", "a", "b", "c", "d", "e"])


def _order(seed: int, *, oversample: bool, units: np.ndarray) -> np.ndarray:
    return TrainSampler(units, PATIENTS[units], oversample, ONLY_NETWORK).draw_epoch(
        GRADES, np.random.default_rng(seed)
    )


def test_every_unit_is_drawn_as_often_as_the_sampler_contains_it() -> None:
    units = np.array([5, 0, 1, 1])
    assert sorted(_order(0, oversample=False, units=units)) == [0, 1, 1, 5]
    orders = {tuple(_order(seed, oversample=False, units=units)) for seed in range(20)}
    assert len(orders) > 5


def test_oversampling_repeats_whole_patients_until_grades_are_equally_frequent() -> None:
    """Three patients have grade 0, so the patients of grades 1 and 3 are drawn three times."""
    times = np.bincount(_order(0, oversample=True, units=np.arange(6)))
    assert times.tolist() == [1, 1, 1, 1, 3, 3]


def test_balancing_draws_each_data_set_equally_often() -> None:
    units, names = np.array([0, 1, 3, 5]), np.array(["big", "big", "big", "small"])
    sampler = TrainSampler(units, PATIENTS[units], oversample=False, network=ONLY_NETWORK, datasets=names)
    seen = [sampler.draw_epoch(GRADES, np.random.default_rng(seed)) for seed in range(20)]
    assert all((order == 5).sum() == 2 for order in seen)
    assert all(len(order) == len(set(order)) + 1 == 4 for order in seen)
    assert set(np.concatenate(seen)) == set(units)


def test_one_more_stage_is_trained_after_every_n_epochs() -> None:
    grader = build_grader(make_architecture("test_resnet"))
    config = TrainingConfig(unfreeze_every=2)
    learning = []
    for epoch in range(1, 12):
        unfreeze_gradually(grader, config, epoch)
        stages = [[grader.backbone.get_submodule(path) for path in stage] for stage in grader.backbone.stages]
        learning.append(sum(any(p.requires_grad for part in stage for p in part.parameters()) for stage in stages))
    total = len(grader.backbone.stages)
    assert learning == [min((epoch - 1) // 2, total) for epoch in range(1, 12)]
    assert all(parameter.requires_grad for parameter in grader.head.parameters())
