"""Patients drawn with replacement."""

import numpy as np
from numpy.typing import NDArray


def bootstrap(patients: NDArray, seed: int) -> NDArray[np.int64]:
    """Draw as many patients as there are, with replacement.

    Args:
        patients: (N,) the patient of each unit or photograph.
        seed: Of the draw.

    Returns:
        Positions in `patients`, rising, all of a patient together, as often as the patient was drawn.
    """
    names, patient = np.unique(patients, return_inverse=True)
    drawn = np.random.default_rng([seed, 0xB00]).integers(len(names), size=len(names))
    return np.repeat(np.arange(len(patients)), np.bincount(drawn, minlength=len(names))[patient])


def draw_bags(patients: NDArray, count: int, seed: int) -> list[NDArray[np.int64]]:
    """Draw as many patients as there are, with replacement, again and again.

    Args:
        patients: (N,) whose photograph it is.
        count: How often.
        seed: Of the draws.

    Returns:
        Of each bag the row numbers, as `bootstrap` gives them.
    """
    return [bootstrap(patients, int(number)) for number in np.random.SeedSequence(seed).generate_state(count)]
