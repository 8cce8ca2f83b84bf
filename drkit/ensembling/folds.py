"""Patients dealt into folds, every grade in proportion."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def assign_folds(reference: ArrayLike, patients: ArrayLike, num_folds: int, seed: int) -> NDArray[np.int64]:
    """Deal whole patients into folds.

    Patients are shuffled within their highest grade and dealt in turn, so that folds differ by at most one
    patient, altogether and in every grade.

    Args:
        reference: (N,) grades 0-4.
        patients: (N,) whose photograph it is; the answer depends on neither their order nor that of the rows.
        num_folds: How many; as many as patients where these are fewer.
        seed: Of the shuffle.

    Returns:
        (N,) numbers from 0.
    """
    names, patient = np.unique(np.asarray(patients), return_inverse=True)
    worst = np.zeros(len(names), dtype=np.int64)
    np.maximum.at(worst, patient, np.asarray(reference, dtype=np.int64))
    shuffled = np.random.default_rng(seed).permutation(len(names))
    fold = np.empty(len(names), dtype=np.int64)
    fold[np.lexsort((shuffled, worst))] = np.arange(len(names)) % min(num_folds, len(names))
    return fold[patient]
