"""Photographs a second through the frozen default backbone, by batch size, with freed memory given back and kept.

Run: python tests/benchmarks/inference.py
"""

import time

import torch
from timing import build_parser

from drkit.models.backbones import Backbone, build_backbone
from drkit.training.runtime import keep_freed_memory

NUM_PHOTOGRAPHS = 192
BATCH_SIZES = (8, 16, 32, 64)


def photographs_a_second(backbone: Backbone, batch_size: int, num_photographs: int) -> float:
    """Best of three passes."""
    images = torch.randn(batch_size, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    rates = []
    with torch.inference_mode():
        for _ in range(3):
            start = time.perf_counter()
            for _ in range(num_photographs // batch_size):
                backbone(images)
            rates.append(num_photographs / (time.perf_counter() - start))
    return max(rates)


def main() -> None:
    """Print a row a batch size."""
    is_quick = build_parser(__doc__).parse_args().quick
    sizes, num_photographs = (BATCH_SIZES[:1], BATCH_SIZES[0]) if is_quick else (BATCH_SIZES, NUM_PHOTOGRAPHS)
    backbone = build_backbone("tf_efficientnet_lite0", 224, pretrained=False).eval()
    given_back = {size: photographs_a_second(backbone, size, num_photographs) for size in sizes}
    keep_freed_memory()
    print("batch  given back  kept  ratio")
    for size in sizes:
        kept = photographs_a_second(backbone, size, num_photographs)
        print(f"{size:5d}  {given_back[size]:8.1f}/s  {kept:5.1f}/s  {kept / given_back[size]:.2f}")


if __name__ == "__main__":
    main()
