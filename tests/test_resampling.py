"""Patients are drawn with replacement, with all their photographs."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from drkit.resampling import bootstrap, draw_bags


@settings(max_examples=60)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(0, 5))
def test_a_bootstrap_draws_whole_patients_as_many_as_there_are(numbers: list[int], seed: int) -> None:
    patients = np.array([f"patient {number}" for number in numbers])
    times = np.bincount(bootstrap(patients, seed), minlength=len(patients))
    drawn = dict(zip(patients.tolist(), times.tolist(), strict=True))
    assert times.tolist() == [drawn[patient] for patient in patients.tolist()]
    assert sum(drawn.values()) == len(drawn)
    assert np.array_equal(bootstrap(patients, seed), bootstrap(patients, seed))


def test_a_bootstrap_draws_with_replacement() -> None:
    patients = np.arange(1000).astype(str)
    times = np.bincount(bootstrap(patients, 0), minlength=len(patients))
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
