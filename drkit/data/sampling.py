"""Oversampling of rare grades, and balancing of data sets."""

import numpy as np


def oversample_patients(patients: np.ndarray, grades: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Repeat patients of rare grades, with all their units, until all grades have the same number of patients.

    Args:
        patients: (T,) patient of each unit.
        grades: (T,) grades 0-4 of the units; the highest counts as the patient's.
        generator: Random generator that draws the patients who are repeated once more than others of their grade.

    Returns:
        Positions in `patients`, in ascending order; each occurs at least once.
    """
    names, patient = np.unique(patients, return_inverse=True)
    worst = np.zeros(len(names), np.int64)
    np.maximum.at(worst, patient, grades)
    num_needed = np.bincount(worst).max()
    times = np.ones(len(names), np.int64)
    for grade in np.unique(worst):
        peers = np.flatnonzero(worst == grade)
        whole, rest = divmod(num_needed, len(peers))
        times[peers] = whole
        times[generator.choice(peers, rest, replace=False)] += 1
    return np.repeat(np.arange(len(patients)), times[patient])


def balance_groups(groups: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw the same number of units from each group: a part of a large group, and those of a small one repeatedly.

    Args:
        groups: (T,) group of each unit.
        generator: Random generator that draws the part, and the units that are repeated once more than others.

    Returns:
        (T,) positions in `groups`.
    """
    names = np.unique(groups)
    drawn = []
    for number, name in enumerate(names):
        peers = np.flatnonzero(groups == name)
        num_needed = (len(groups) + number) // len(names)  # these numbers sum to T
        whole, rest = divmod(num_needed, len(peers))
        drawn += [np.repeat(peers, whole), generator.choice(peers, rest, replace=False)]
    return np.concatenate(drawn)
