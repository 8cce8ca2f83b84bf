"""Grades and splits of synthetic patients."""

from collections import Counter
from itertools import pairwise

import pytest

from drkit.images.synthetic.cohort import draw_cohort


def test_fewer_patients_are_the_first_of_more() -> None:
    assert draw_cohort(60, seed=4)[:30] == draw_cohort(30, seed=4)
    assert draw_cohort(60, seed=4) != draw_cohort(60, seed=5)


def test_a_hundred_patients_have_the_shares_of_the_course() -> None:
    members = draw_cohort(100, seed=0)

    assert [member.patient for member in members] == list(range(1, 101))
    assert Counter(member.grade for member in members) == {0: 30, 1: 20, 2: 20, 3: 20, 4: 10}
    assert Counter(member.split for member in members) == {"train": 60, "val": 20, "test": 20}
    by_split = Counter((member.split, member.grade) for member in members)
    assert [by_split["val", grade] for grade in range(5)] == [6, 4, 4, 4, 2]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("num_patients", [5, 6, 7, 8, 9, 11, 13])
def test_no_split_is_empty(num_patients: int, seed: int) -> None:
    assert {member.split for member in draw_cohort(num_patients, seed)} == {"train", "val", "test"}


@pytest.mark.parametrize("seed", range(10))
def test_ten_patients_train_on_every_grade_and_thirty_have_it_everywhere(seed: int) -> None:
    assert {member.grade for member in draw_cohort(10, seed) if member.split == "train"} == set(range(5))
    assert len({(member.split, member.grade) for member in draw_cohort(30, seed)}) == 15


def test_splits_are_interleaved() -> None:
    splits = [member.split for member in draw_cohort(60, seed=0)]

    assert sum(one != after for one, after in pairwise(splits)) > 15
