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

    Folds differ by at most one patient, in all and in every grade (of every data set). They depend on neither the order
    of the patients nor that of the photographs, and are those of scikit-learn's `StratifiedKFold` over the sorted
    patients, which refuses to stratify where all grades are rarer than folds.

    Args:
        grades: (N,) grades 0-4 of the photographs.
        patients: (N,) patient of each photograph.
        num_folds: Number of folds, at least 2.
        seed: Random seed.
        datasets: (N,) data set of each photograph, to stratify by, too; that of a patient's first photograph counts.
        too_few: What to do with fewer patients than folds: `refuse`, or make as many folds as there are patients.

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
    """Folds (M,) of M patients, every stratum spread evenly."""
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
