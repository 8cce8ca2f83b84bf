"""Bootstrap samples of patients."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def bootstrap(patients: NDArray, seed: int) -> NDArray[np.int64]:
    """Draw as many patients as there are, with replacement.

    Args:
        patients: (N,) key of the patient of each unit or photograph.
        seed: Random seed.

    Returns:
        Positions in `patients` in ascending order; all positions of a patient occur as often as it was drawn.
    """
    names, patient = np.unique(patients, return_inverse=True)
    drawn = np.random.default_rng([seed, 0xB00]).integers(len(names), size=len(names))
    return np.repeat(np.arange(len(patients)), np.bincount(drawn, minlength=len(names))[patient])


def draw_bags(patients: NDArray, count: int, seed: int) -> list[NDArray[np.int64]]:
    """Draw several bootstrap samples.

    Args:
        patients: (N,) key of the patient of each unit or photograph.
        count: Number of samples.
        seed: Random seed.

    Returns:
        The result of `bootstrap` for each sample.
    """
    return [bootstrap(patients, int(number)) for number in np.random.SeedSequence(seed).generate_state(count)]


def resample_patients(patients: NDArray[np.str_], num_resamples: int, seed: int = 0) -> Iterator[NDArray[np.float64]]:
    """Draw bootstrap resamples of the patients: as many patients as there are, with replacement.

    Args:
        patients: (C,) key of each case's patient.
        num_resamples: Number of resamples.
        seed: Random seed.

    Yields:
        (C,) how often each case's patient was drawn.
    """
    names, patient = np.unique(patients, return_inverse=True)
    generator = np.random.default_rng(seed)
    for _ in range(num_resamples):
        counts = generator.multinomial(len(names), np.full(len(names), 1 / len(names)))
        yield counts[patient].astype(np.float64)
