"""Folds never cut a patient, and every grade is spread."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drkit.ensembling.folds import assign_folds


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(2, 7), st.integers(0, 99))
def test_folds_keep_patients_together_and_grades_apart(grades: list[int], num_folds: int, seed: int) -> None:
    patients = np.repeat(np.arange(len(grades)), 3)
    fold = assign_folds(np.repeat(grades, 3), patients, num_folds, seed)
    by_patient = fold.reshape(-1, 3)
    assert (by_patient == by_patient[:, :1]).all()
    sizes = np.bincount(by_patient[:, 0])
    assert sizes.max() - sizes.min() <= 1
    for grade in set(grades):
        of_grade = np.bincount(by_patient[np.array(grades) == grade, 0], minlength=len(sizes))
        assert of_grade.max() - of_grade.min() <= 1


def test_folds_depend_on_neither_the_order_of_rows_nor_much_else() -> None:
    generator = np.random.default_rng(0)
    patients, order = np.repeat(np.arange(20), 2), generator.permutation(40)
    reference = np.repeat(generator.integers(0, 5, 20), 2)
    fold = assign_folds(reference, patients, 4, 1)
    assert np.array_equal(assign_folds(reference[order], patients[order], 4, 1), fold[order])
    assert not np.array_equal(assign_folds(reference, patients, 4, 2), fold)
