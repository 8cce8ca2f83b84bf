"""Folds never split a patient, and every grade is in every fold."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from drkit.data.folds import assign_folds
from drkit.errors import InputError


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(2, 7), st.integers(0, 99))
def test_folds_keep_patients_together_and_grades_apart(grades: list[int], num_folds: int, seed: int) -> None:
    patients = np.repeat(np.arange(len(grades)), 3)
    fold = assign_folds(np.repeat(grades, 3), patients, num_folds, seed, too_few="fewer folds")
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
    table = pd.DataFrame({"grade": reference, "patient": patients}).astype({"grade": "Int8", "patient": "string"})
    assert np.array_equal(assign_folds(table["grade"], table["patient"], 4, 1), fold)


@given(st.lists(st.integers(0, 4), min_size=6, max_size=40), st.integers(2, 5), st.integers(0, 99))
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_folds_are_scikit_learns(grades: list[int], num_folds: int, seed: int) -> None:
    if max(np.bincount(grades)) < num_folds:
        return  # scikit-learn refuses
    names = [f"{number:02}" for number in range(len(grades))]
    parts = StratifiedKFold(num_folds, shuffle=True, random_state=seed).split(names, grades)
    fold = assign_folds(grades, names, num_folds, seed)
    assert [np.flatnonzero(fold == number).tolist() for number in range(num_folds)] == [
        held_out.tolist() for _, held_out in parts
    ]


def test_folds_have_their_share_of_every_grade_of_each_data_set() -> None:
    strata = [(dataset, grade) for dataset in "abc" for grade in range(5)]
    datasets, grades = zip(*strata * 10, strict=True)
    fold = assign_folds(grades, [f"{number:03}" for number in range(150)], 5, 0, datasets=datasets)
    for number in range(5):
        own = [(datasets[row], grades[row]) for row in np.flatnonzero(fold == number)]
        assert {stratum: own.count(stratum) for stratum in strata} == dict.fromkeys(strata, 2)


def test_too_few_patients_are_refused_or_get_fewer_folds() -> None:
    with pytest.raises(InputError, match="2 graded patients cannot fill 3 folds"):
        assign_folds([0, 1, 1], ["a", "b", "b"], 3, 0)
    assert sorted(assign_folds([0, 1], ["a", "b"], 3, 0, too_few="fewer folds")) == [0, 1]
    assert sorted(assign_folds([0, 1], ["a", "b"], 2, 0)) == [0, 1]
