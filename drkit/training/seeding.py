"""Random seeds of the epochs of a training."""

import numpy as np
import torch


def seed_epoch(seed: int, epoch: int) -> np.random.Generator:
    """Seed all random generators by (seed, epoch), so that a resumed training draws the same numbers.

    Returns:
        The generator that draws and shuffles the epoch's units; torch's own generators are seeded as well.
    """
    sequence = np.random.SeedSequence([seed % 2**64, epoch])
    torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))
    return np.random.default_rng(sequence)
