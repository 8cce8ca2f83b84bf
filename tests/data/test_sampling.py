"""Patients are drawn with all their photographs."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from drkit.data.sampling import balance_groups, oversample_patients

PATIENTS = st.lists(st.integers(0, 9), min_size=1, max_size=40)


def _times(patients: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """How often each position was drawn, which is the same for all photographs of a patient."""
    times = np.bincount(positions, minlength=len(patients))
    for patient in set(patients.tolist()):
        assert len(set(times[patients == patient].tolist())) == 1
    return times


@settings(max_examples=60)
@given(PATIENTS, st.integers(0, 9))
def test_oversampling_draws_every_patient_and_all_grades_equally_often(numbers: list[int], seed: int) -> None:
    patients = np.array(numbers)
    worst = np.random.default_rng(seed).integers(0, 5, 10)  # of each of ten patients
    grades = np.random.default_rng(seed + 1).integers(0, worst[patients] + 1)
    for patient in set(numbers):
        grades[np.flatnonzero(patients == patient)[0]] = worst[patient]
    times = _times(patients, oversample_patients(patients, grades, np.random.default_rng(seed)))
    names, first = np.unique(patients, return_index=True)
    assert times.min() >= 1
    drawn = np.bincount(worst[names], weights=times[first], minlength=5)
    assert set(drawn[drawn > 0]) == {np.bincount(worst[names]).max()}
    spread = [np.ptp(times[first][worst[names] == grade]) for grade in set(worst[names].tolist())]
    assert max(spread) <= 1


def test_patients_that_are_repeated_once_more_are_drawn_at_random() -> None:
    patients, grades = np.arange(7), np.array([0, 0, 0, 0, 1, 1, 1])
    drawn = {tuple(oversample_patients(patients, grades, np.random.default_rng(seed)).tolist()) for seed in range(20)}
    assert len(drawn) == 3


@settings(max_examples=60)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 9))
def test_balancing_draws_all_groups_equally_often_in_an_epoch_of_the_same_length(numbers: list[int], seed: int) -> None:
    groups = np.array(numbers)
    positions = balance_groups(groups, np.random.default_rng(seed))
    assert len(positions) == len(groups)
    seen = np.bincount(np.unique(groups, return_inverse=True)[1][positions])
    assert seen.max() - seen.min() <= 1
    times = np.bincount(positions, minlength=len(groups))
    for group in set(numbers):  # no patient is drawn again before all of the group have been drawn
        assert np.ptp(times[groups == group]) <= 1


def test_balancing_does_not_change_groups_of_the_same_size() -> None:
    positions = balance_groups(np.array(["a", "b", "a", "b"]), np.random.default_rng(0))
    assert sorted(positions.tolist()) == [0, 1, 2, 3]
