"""Photographs per second through the frozen default backbone, by batch size, with freed memory given back and kept.

The last line compares the CPU time of `drkit predict fundus`, which also recognises photographs that the network was
trained on, with that of decoding and of the bare forward pass.

Run: python tests/benchmarks/inference.py
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from timing import build_parser, cpu_time

from drkit.batching import in_batches
from drkit.config.synth import SynthConfig
from drkit.data.rendering import render
from drkit.grading import grade_photographs
from drkit.machine import keep_freed_memory
from drkit.models.backbones import Backbone, build_backbone
from drkit.models.restoring import open_run
from drkit.recipes.synth import run_synth
from drkit.records.layouts import read_dataset

NUM_PHOTOGRAPHS = 64
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


def compare_predict(patients: int, size: int, rounds: int) -> None:
    """Print the CPU time per photograph, in milliseconds, of predict and of each of its parts."""
    opened = open_run(Path("fundus"))
    with tempfile.TemporaryDirectory() as folder:
        run_synth(SynthConfig(out=Path(folder) / "eyes", patients=patients, size=size))
        labels = read_dataset(Path(folder) / "eyes")
        decoder = opened.square_decoder(labels)
        squares = np.stack([decoder.decode(path).pixels for path in labels.paths()])
        cpu = torch.device("cpu")
        batches = [render(squares[rows], opened.input_format, cpu) for rows in in_batches(np.arange(len(squares)))]

        def forward() -> None:
            with torch.inference_mode():
                for grader in opened.graders:
                    for batch in batches:
                        grader(batch)

        jobs = {
            "decode": lambda: [decoder.decode(path) for path in labels.paths()],
            "bare forward": forward,
            "predict": lambda: grade_photographs(opened, labels, "cpu", workers=1),
        }
        times = {name: min(cpu_time(job) for _ in range(rounds)) / len(labels) * 1000 for name, job in jobs.items()}
    print(f"predict fundus, {len(labels)} photographs of {size} px, ms of CPU a photograph:", end=" ")
    print(", ".join(f"{name} {milliseconds:.1f}" for name, milliseconds in times.items()), end=", ")
    print(f"ratio {(times['decode'] + times['bare forward']) / times['predict']:.2f}")


def main() -> None:
    """Print a row for each batch size, and one for predict."""
    is_quick = build_parser(__doc__).parse_args().quick
    sizes, num_photographs = (BATCH_SIZES[:1], BATCH_SIZES[0]) if is_quick else (BATCH_SIZES, NUM_PHOTOGRAPHS)
    backbone = build_backbone("tf_efficientnet_lite0", 224, pretrained=False).eval()
    given_back = {size: photographs_a_second(backbone, size, num_photographs) for size in sizes}
    keep_freed_memory()
    print("batch  given back  kept  ratio")
    for size in sizes:
        kept = photographs_a_second(backbone, size, num_photographs)
        print(f"{size:5d}  {given_back[size]:8.1f}/s  {kept:5.1f}/s  {kept / given_back[size]:.2f}")
    compare_predict(*((5, 64, 1) if is_quick else (10, 512, 2)))


if __name__ == "__main__":
    main()
