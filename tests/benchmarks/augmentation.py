"""One fused warp and colour product against Kornia's modules one after another, photographs a second.

Run: python tests/benchmarks/augmentation.py
"""

import time
from collections.abc import Callable

import kornia.augmentation as K
import numpy as np
import torch

from drkit.data.augmentation import MEDIUM, draw
from drkit.data.rendering import InputFormat, render

NUM, SIDE = 16, 258
WANTED = InputFormat(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def fused(photographs: np.ndarray, names: list[str]) -> None:
    """As drkit trains."""
    render(photographs, WANTED, torch.device("cpu"), draw(MEDIUM, names, 0, 1, SIDE))


def in_sequence(photographs: np.ndarray, modules: torch.nn.Module) -> None:
    """The same changes, a module each."""
    modules(torch.from_numpy(photographs).permute(0, 3, 1, 2).float() / 255)


def photographs_a_second(work: Callable[[], None]) -> float:
    """Best of five."""
    work()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return NUM / min(times)


def main() -> None:
    """Print both rates and their ratio."""
    photographs = np.random.default_rng(0).integers(0, 256, (NUM, SIDE, SIDE, 3), np.uint8)
    names = [str(number) for number in range(NUM)]
    modules = K.AugmentationSequential(
        K.RandomHorizontalFlip(),
        K.RandomVerticalFlip(),
        K.RandomAffine(180, (0.03, 0.03), (0.88, 1.13), 4, p=1.0),
        K.ColorJitter(0.15, 0.15, 0.15, 0.0, p=1.0),
        K.Resize((224, 224)),
        K.Normalize(torch.tensor(WANTED.mean), torch.tensor(WANTED.std)),
    )
    one, other = (
        photographs_a_second(lambda: fused(photographs, names)),
        photographs_a_second(lambda: in_sequence(photographs, modules)),
    )
    print(f"fused {one:.0f}/s, modules in sequence {other:.0f}/s, ratio {one / other:.2f}")


if __name__ == "__main__":
    main()
