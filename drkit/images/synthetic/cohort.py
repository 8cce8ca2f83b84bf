"""The patients of a synthetic data set, with grade and split, for any number of patients."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

import numpy as np

from drkit.grades import SPLITS, Split

FEWEST_PATIENTS = 5  # with fewer, a split would be empty
_BLOCK = (0, 0, 0, 1, 1, 2, 2, 3, 3, 4)  # grades of ten patients: 30/20/20/20/10 %, DeepDRiD's shares
# The splits of successive patients of a grade, repeated: 60/20/20 %, and each split gets one of the first five.
_TURNS: tuple[tuple[Split, ...], ...] = (
    ("train", "val", "test", "train", "train"),
    ("train", "val", "train", "test", "train"),
    ("train", "test", "train", "val", "train"),
    ("train", "train", "val", "test", "train"),
    ("train", "val", "test", "train", "train"),
)


@dataclass(frozen=True)
class CohortPatient:
    """One patient: number from 1, grade of the worse eye, and split."""

    patient: int
    grade: int
    split: Split


def draw_cohort(num_patients: int, seed: int) -> list[CohortPatient]:
    """Draw grades and splits: train, val and test as 60/20/20 and grades as 30/20/20/20/10 of a hundred.

    The first patients are the same for any number of patients. From 5 patients on no split is empty; from 10 on train
    contains every grade, from 30 on val and test do as well.
    """
    return list(islice(_members(seed), num_patients))


def _members(seed: int) -> Iterator[CohortPatient]:
    seen: Counter[int] = Counter()
    patients = count(1)
    for block in count():
        for grade in _draw_block(seed, block):
            split = _TURNS[grade][seen[grade] % 5]
            seen[grade] += 1
            yield CohortPatient(next(patients), grade, split)


def _draw_block(seed: int, block: int) -> tuple[int, ...]:
    """The grades of ten patients in random order; the first five patients of the data set cover all splits."""
    rng = np.random.default_rng([seed, block])
    while True:
        grades = tuple(int(grade) for grade in rng.permutation(_BLOCK))
        first = [_TURNS[grade][grades[:k].count(grade)] for k, grade in enumerate(grades[:FEWEST_PATIENTS])]
        if block > 0 or set(first) == set(SPLITS):
            return grades
