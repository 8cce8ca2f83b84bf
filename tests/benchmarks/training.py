"""CPU time of a training step compared with the bare network's step, and of feeding batches to a GPU.

The bare step is an eager PyTorch loop on one batch that is ready: forward pass, loss, backward pass and AdamW. The
second loop also augments a new batch before each step, which every training on a CPU has to do. drkit's step adds the
photograph bank, loss weights, the running average and the epoch's figures. All loops run in one process and take turns;
of each, the round with the least CPU time of all threads counts. A ratio of 1 means that the rest costs nothing.

Measured alone, where the bare step took 620 ms, a batch of 16 took 13 ms to render with `medium`, 1.1 ms to draw and
gather, and 1.4 ms for the running average, so 0.975 is the highest ratio to expect there. Higher ratios are noise of a
shared machine.

The feed is the CPU's work on a batch when a GPU renders it: units, drawing of parameters, gathering, packing.

    python tests/benchmarks/training.py [--quick]
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from timing import build_parser, cpu_time
from torch import Tensor

from drkit.config.training import TrainingConfig
from drkit.data.augmentation import load_policy
from drkit.data.bank import PhotographBank, bank_side
from drkit.data.rendering import InputFormat
from drkit.data.units import build_units
from drkit.losses import build_loss
from drkit.machine import keep_freed_memory
from drkit.models.grader import Grader, build_grader
from drkit.records.labels import Labels, build_rows
from drkit.training.feed import Feed
from drkit.training.inputs import PhotographInputs
from drkit.training.learner import Learner, TrainingData, read_steps

sys.path.append(str(Path(__file__).parents[1] / "support"))
from architectures import make_architecture

CPU = torch.device("cpu")
STEPS = 2  # a round


def build_inputs(num: int, side: int, policy: str) -> PhotographInputs:
    """Random photographs in a bank."""
    extent = bank_side(side)
    pixels = np.random.default_rng(0).integers(0, 256, (num, extent, extent, 3), np.uint8)
    names = [f"eye{number}" for number in range(num)]
    input_format = InputFormat(side, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return PhotographInputs(
        bank=PhotographBank(pixels, tuple(names)),
        image_ids=names,
        input_format=input_format,
        policy=load_policy(policy),
        seed=0,
        device=CPU,
    )


def build_data(inputs: PhotographInputs) -> TrainingData:
    """Grades of single photographs."""
    names = list(inputs.image_ids)
    labels = Labels(build_rows(image_id=names, path=names, split=["train"] * len(names)), Path(), "made up", ("eye",))
    grades = np.arange(len(names)) % 5
    return TrainingData(
        inputs=inputs,
        units=build_units(labels, "image"),
        grades=grades,
        auxiliary_grades=grades,
        grade_weights=np.ones(5),
        loss=build_loss("regression"),
    )


def build_network(backbone: str, side: int, **fields: Any) -> Grader:
    """The same untrained network each time."""
    torch.manual_seed(0)
    return build_grader(make_architecture(backbone, side=side, **fields)).train()


def build_learner(backbone: str, side: int, batch_size: int, inputs: PhotographInputs) -> Learner:
    """A network in training on a CPU."""
    config = TrainingConfig(batch_size=batch_size)
    return Learner(
        build_network(backbone, side),
        build_data(inputs),
        config,
        Fabric(accelerator="cpu", devices=1),
        STEPS,
    )


def compare_steps(backbone: str, side: int, batch_size: int, policy: str, rounds: int) -> None:
    """Print the milliseconds of the three steps, and the ratios of drkit's step to the two others."""
    inputs = build_inputs(2 * batch_size, side, policy)
    data, learner = build_data(inputs), build_learner(backbone, side, batch_size, inputs)
    halves = np.arange(2 * batch_size).reshape(2, -1)
    bare = build_network(backbone, side)
    optimizer = torch.optim.AdamW(bare.parameters(), lr=3e-4)
    images, grades = inputs.eval_batch(halves[0]), torch.from_numpy(data.grades[halves[0]])

    def train_on(batch: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        data.loss(bare(batch), grades).mean().backward()
        optimizer.step()

    loops = {
        "bare": lambda: [train_on(images) for _ in range(STEPS)],
        "augmented": lambda: [train_on(inputs.prepare(halves[0], step)()) for step in range(STEPS)],
        "drkit": lambda: read_steps(
            [learner.step(halves[step % 2], 1, halves[(step + 1) % 2]) for step in range(STEPS)]
        ),
    }
    times = [{name: cpu_time(loop) for name, loop in loops.items()} for _ in range(rounds + 1)][1:]
    best = {name: min(each[name] for each in times) / STEPS * 1000 for name in loops}
    print(
        f"{backbone}, {side} px, batches of {batch_size}, {policy}: bare step {best['bare']:.1f} ms, with augmentation"
        f" {best['augmented']:.1f} ms, drkit {best['drkit']:.1f} ms; ratio {best['bare'] / best['drkit']:.3f}, with"
        f" augmentation {best['augmented'] / best['drkit']:.3f}"
    )


def measure_feed(side: int, batch_size: int, policy: str, rounds: int) -> None:
    """Print this thread's CPU time per batch in milliseconds, and photographs per second."""
    inputs = build_inputs(4 * batch_size, side, policy)
    feed, times = Feed(inputs, build_data(inputs).units), []
    for number in range(rounds + 1):
        numbers = np.random.default_rng(number).permutation(4 * batch_size)[:batch_size]
        start = time.thread_time()
        feed.take(numbers, number)
        times.append(time.thread_time() - start)
    milliseconds = float(np.median(times[1:])) * 1000
    rate = batch_size / milliseconds * 1000
    print(
        f"feed, {side} px, batches of {batch_size}, {policy}: {milliseconds:.2f} ms, {rate:,.0f} photographs/s a core"
    )


def main() -> None:
    """Measure."""
    quick = build_parser(__doc__).parse_args().quick
    keep_freed_memory()
    if quick:
        compare_steps("test_efficientnet", 64, 4, "medium", 1)
        measure_feed(64, 4, "strong", 1)
        return
    for policy in ("none", "medium"):
        compare_steps("tf_efficientnet_lite0", 224, 16, policy, 12)
    for side, policy in ((224, "medium"), (512, "medium"), (224, "strong"), (512, "strong")):
        measure_feed(side, 64, policy, 20)


if __name__ == "__main__":
    main()
