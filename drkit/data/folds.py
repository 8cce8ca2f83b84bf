"""Folds of patients for cross-validation, in training and in ensembling."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drkit.errors import InputError
from drkit.grades import NUM_GRADES


def assign_folds(
    grades: ArrayLike,
    patients: ArrayLike,
    num_folds: int,
    seed: int,
    *,
    datasets: ArrayLike | None = None,
    too_few: Literal["refuse", "fewer folds"] = "refuse",
) -> NDArray[np.int64]:
    """Assign whole patients to folds, stratified by their highest grade.

    The sizes of the folds differ by at most one patient, in total and for each grade (of each data set). They do not
    depend on the order of patients and photographs. They are the folds of scikit-learn's `StratifiedKFold` over the
    sorted patients, which however refuses to stratify if all grades have fewer patients than folds.

    Args:
        grades: (N,) grades 0-4 of the photographs.
        patients: (N,) patient of each photograph.
        num_folds: Number of folds, at least 2.
        seed: Random seed.
        datasets: (N,) data set of each photograph, by which patients are also stratified; a patient belongs to the data
            set of their first photograph. None: a single data set.
        too_few: What to do if there are fewer patients than folds: `refuse`, or make as many folds as patients.

    Returns:
        (N,) number of each photograph's fold, from 0.

    Raises:
        InputError: fewer patients than folds.
    """
    names, first, patient = np.unique(np.asarray(patients, dtype=str), return_index=True, return_inverse=True)
    if len(names) < num_folds and too_few == "refuse":
        raise InputError(f"{len(names)} graded patients cannot fill {num_folds} folds: use fewer --folds")
    num_folds = min(num_folds, len(names))
    worst = np.zeros(len(names), np.int64)
    np.maximum.at(worst, patient, np.asarray(grades, dtype=np.int64))
    if datasets is not None:
        _, dataset = np.unique(np.asarray(datasets)[first], return_inverse=True)
        worst += NUM_GRADES * dataset
    return _stratify(worst, num_folds, seed)[patient]


def _stratify(strata: NDArray[np.int64], num_folds: int, seed: int) -> NDArray[np.int64]:
    """Assign M patients with strata (M,) to folds (M,), into which each stratum is divided evenly."""
    _, first, stratum = np.unique(strata, return_index=True, return_inverse=True)
    stratum = np.argsort(np.argsort(first))[stratum]  # numbered by first appearance, as scikit-learn does
    ordered, num_strata = np.sort(stratum), len(first)
    sizes = np.array([np.bincount(ordered[fold::num_folds], minlength=num_strata) for fold in range(num_folds)])
    generator, folds = np.random.RandomState(seed), np.empty(len(strata), dtype=np.int64)
    for number in range(num_strata):
        dealt = np.arange(num_folds).repeat(sizes[:, number])
        generator.shuffle(dealt)
        folds[stratum == number] = dealt
    return folds
