"""Patients drawn with replacement: always whole ones, as many as there are."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from drkit.resampling import bootstrap, draw_bags

PATIENTS = st.lists(st.integers(0, 9), min_size=1, max_size=40)


def _times(patients: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """How often each position was drawn; the same for all of a patient."""
    times = np.bincount(positions, minlength=len(patients))
    for patient in set(patients.tolist()):
        assert len(set(times[patients == patient].tolist())) == 1
    return times


@settings(max_examples=60, deadline=None)
@given(PATIENTS, st.integers(0, 5))
def test_a_bootstrap_draws_whole_patients_as_many_as_there_are(numbers: list[int], seed: int) -> None:
    patients = np.array([f"patient {number}" for number in numbers])
    times = _times(patients, bootstrap(patients, seed))
    _, first = np.unique(patients, return_index=True)
    assert times[first].sum() == len(first)
    assert np.array_equal(bootstrap(patients, seed), bootstrap(patients, seed))


def test_a_bootstrap_draws_with_replacement() -> None:
    patients = np.arange(1000).astype(str)
    times = _times(patients, bootstrap(patients, 0))
    assert 0.60 < (times > 0).mean() < 0.67  # 1 - 1/e
    assert not np.array_equal(bootstrap(patients, 0), bootstrap(patients, 1))


@given(st.integers(2, 30), st.integers(0, 99))
def test_bags_hold_whole_patients_as_many_as_there_are_and_differ(num_patients: int, seed: int) -> None:
    patients = np.repeat([f"p{number}" for number in range(num_patients)], 3)
    bags = draw_bags(patients, 20, seed)
    times = np.stack([np.bincount(rows, minlength=len(patients)) for rows in bags]).reshape(20, num_patients, 3)
    assert (times == times[:, :, :1]).all()
    assert (times[:, :, 0].sum(1) == num_patients).all()
    assert len({bag.tobytes() for bag in bags}) > 1
    assert all(np.array_equal(*pair) for pair in zip(bags, draw_bags(patients, 20, seed), strict=True))
