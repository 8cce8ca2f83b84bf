"""Photographs per second of one fused warp and colour product, compared with a sequence of Kornia's modules.

Run: python tests/benchmarks/augmentation.py
"""

import statistics
import time
from collections.abc import Callable, Mapping

import kornia.augmentation as K
import numpy as np
import torch
from timing import build_parser

from drkit.data.augmentation import draw, load_policy
from drkit.data.rendering import InputFormat, render
from drkit.machine import keep_freed_memory

NUM, SIDE, ROUNDS = 16, 258, 5
WANTED = InputFormat(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CPU = torch.device("cpu")


def build_modules(policy: str) -> torch.nn.Module:
    """The policy's transformations, each as a module."""
    flips = [K.RandomHorizontalFlip(), K.RandomVerticalFlip()]
    changes = {
        "none": [],
        "light": [*flips, K.RandomRotation(15, p=1.0), K.RandomBrightness((0.9, 1.1), p=1.0)],
        "medium": [
            *flips,
            K.RandomAffine(180, (0.03, 0.03), (0.88, 1.13), 4, p=1.0),
            K.ColorJitter(0.15, 0.15, 0.15, 0.0, p=1.0),
        ],
        "strong": [
            *flips,
            K.RandomAffine(180, (0.06, 0.06), (0.78, 1.28), 10, p=1.0),
            K.ColorJitter(0.3, 0.3, 0.3, 0.0, p=1.0),
            K.RandomGaussianBlur((7, 7), (0.1, 0.9), p=0.2),
            K.RandomGaussianNoise(std=0.015, p=0.2),
            K.RandomErasing((0.001, 0.1), (0.5, 2.0), p=0.2),
        ],
    }[policy]
    return K.AugmentationSequential(
        *changes, K.Resize((224, 224)), K.Normalize(torch.tensor(WANTED.mean), torch.tensor(WANTED.std))
    )


def photographs_a_second(contestants: Mapping[str, Callable[[int], object]], rounds: int) -> dict[str, float]:
    """Median over rounds that run each function once, so that other work on the machine affects all of them equally."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, work in contestants.items():
            start = time.perf_counter()
            work(turn)
            times[name].append(time.perf_counter() - start)
    return {name: NUM / statistics.median(spent[1:]) for name, spent in times.items()}


def compare(policy: str, photographs: np.ndarray, rounds: int) -> None:
    """Print both rates and their ratio."""
    names, modules, numbers = [str(number) for number in range(NUM)], build_modules(policy), load_policy(policy)
    rates = photographs_a_second(
        {
            "fused": lambda epoch: render(photographs, WANTED, CPU, draw(numbers, names, 0, epoch, SIDE)),
            "modules": lambda _: modules(torch.from_numpy(photographs).permute(0, 3, 1, 2).float() / 255),
            "plain": lambda _: render(photographs, WANTED, CPU),
        },
        rounds,
    )
    print(
        f"{policy:8} fused {rates['fused']:4.0f}/s, modules in sequence {rates['modules']:4.0f}/s,"
        f" ratio {rates['fused'] / rates['modules']:.2f}; unchanged {rates['plain']:.0f}/s"
    )


def main() -> None:
    """Compare all policies that Kornia's modules can express."""
    quick = build_parser(__doc__).parse_args().quick
    keep_freed_memory()  # as a training does
    photographs = np.random.default_rng(0).integers(0, 256, (NUM, SIDE, SIDE, 3), np.uint8)
    print(f"{NUM} photographs of {SIDE} px to {WANTED.side} px, {torch.get_num_threads()} thread(s)")
    for policy in ("light",) if quick else ("light", "medium", "strong"):
        compare(policy, photographs, 1 if quick else ROUNDS)


if __name__ == "__main__":
    main()
