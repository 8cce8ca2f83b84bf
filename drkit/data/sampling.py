"""Which units an epoch trains on, and in which order."""

import numpy as np


def even_out(patients: np.ndarray, grades: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Repeat patients of rare grades, with all their units, until each grade has as many patients as the commonest.

    Args:
        patients: (T,) the patient of each unit.
        grades: (T,) grades 0-4; a patient's is the highest.
        generator: Draws who is repeated once more, where it does not come out even.

    Returns:
        Positions in `patients`, each at least once.
    """
    names, patient = np.unique(patients, return_inverse=True)
    worst = np.zeros(len(names), np.int64)
    np.maximum.at(worst, patient, grades)
    num_wanted = np.bincount(worst).max()
    times = np.ones(len(names), np.int64)
    for grade in np.unique(worst):
        peers = np.flatnonzero(worst == grade)
        whole, rest = divmod(num_wanted, len(peers))
        times[peers] = whole
        times[generator.choice(peers, rest, replace=False)] += 1
    return np.repeat(np.arange(len(patients)), times[patient])


def balance(groups: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw equally many units of each group: only a part of a large group, and those of a small one repeatedly.

    Args:
        groups: (T,) of which each unit is.
        generator: Draws the part, and who is repeated once more where it does not come out even.

    Returns:
        (T,) positions in `groups`.
    """
    names = np.unique(groups)
    drawn = []
    for number, name in enumerate(names):
        peers = np.flatnonzero(groups == name)
        num_wanted = (len(groups) + number) // len(names)  # so that all together are T
        whole, rest = divmod(num_wanted, len(peers))
        drawn += [np.repeat(peers, whole), generator.choice(peers, rest, replace=False)]
    return np.concatenate(drawn)
