"""Photographs a second through the frozen default backbone, by batch size, with freed memory given back and kept.

Run: python tests/benchmarks/inference.py
"""

import time

import torch

from drkit.models.grader import build_grader
from drkit.training.runtime import keep_freed_memory

NUM_PHOTOGRAPHS = 192
BATCH_SIZES = (8, 16, 32, 64)


def photographs_a_second(batch_size: int) -> float:
    """Best of three passes."""
    grader = build_grader("tf_efficientnet_lite0", 224, num_outputs=1, dropout=0.0, pretrained=False).eval()
    images = torch.randn(batch_size, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    rates = []
    with torch.inference_mode():
        for _ in range(3):
            start = time.perf_counter()
            for _ in range(NUM_PHOTOGRAPHS // batch_size):
                grader.embed(images)
            rates.append(NUM_PHOTOGRAPHS / (time.perf_counter() - start))
    return max(rates)


def main() -> None:
    """Print a row a batch size."""
    given_back = {size: photographs_a_second(size) for size in BATCH_SIZES}
    keep_freed_memory()
    print("batch  given back  kept  ratio")
    for size in BATCH_SIZES:
        kept = photographs_a_second(size)
        print(f"{size:5d}  {given_back[size]:8.1f}/s  {kept:5.1f}/s  {kept / given_back[size]:.2f}")


if __name__ == "__main__":
    main()
