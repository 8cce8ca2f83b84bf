"""What a training step costs beside the bare network's, and what the feed costs the CPU.

The bare step is an eager PyTorch loop on one batch that is ready: forward, loss, backward, AdamW, nothing else.
drkit's step has that and the bank, augmentation, loss weights, the running average and the epoch's figures. Both run in
one process, round by round in turns; the round of each that took least of the CPU, all threads together, counts. The
ratio is bare / drkit: 1 is free.

The feed's milliseconds are what the CPU does for a batch when a GPU renders: units, drawing, gathering, packing.

    python tests/benchmarks/training.py [--quick]
"""

import time
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from timing import build_parser, cpu_time

from drkit.config.training import TrainingConfig
from drkit.data.augmentation import load_policy
from drkit.data.bank import PhotographBank, bank_side
from drkit.data.rendering import InputFormat
from drkit.data.units import build_units
from drkit.losses import build_loss
from drkit.models.grader import Grader, build_grader
from drkit.records.checkpoint import Architecture
from drkit.records.labels import Labels, build_rows
from drkit.training.feed import Feed
from drkit.training.inputs import PhotographInputs
from drkit.training.learner import Learner, TrainingData, read_steps
from drkit.training.runtime import keep_freed_memory

CPU = torch.device("cpu")
STEPS = 2  # a round


def build_inputs(num: int, side: int, policy: str) -> PhotographInputs:
    """Random photographs in a bank."""
    extent = bank_side(side)
    pixels = np.random.default_rng(0).integers(0, 256, (num, extent, extent, 3), np.uint8)
    names = [f"eye{number}" for number in range(num)]
    wanted = InputFormat(side, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return PhotographInputs(
        bank=PhotographBank(pixels, tuple(names)),
        image_ids=names,
        input_format=wanted,
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
        eye_grades=grades,
        grade_weights=np.ones(5),
        loss=build_loss("regression"),
    )


def build_network(backbone: str, side: int) -> Grader:
    """The same network each time."""
    torch.manual_seed(0)
    made_of = Architecture(
        backbone=backbone,
        side=side,
        unit="image",
        num_slots=1,
        fusion="mean-max",
        unshared=False,
        attention="",
        loss="regression",
        auxiliary=False,
        dropout=0.2,
    )
    return build_grader(made_of).train()


def build_learner(backbone: str, side: int, batch_size: int, inputs: PhotographInputs) -> Learner:
    """A network in training on a CPU."""
    config = TrainingConfig(batch_size=batch_size)
    return Learner(
        build_network(backbone, side), build_data(inputs), config, Fabric(accelerator="cpu", devices=1), STEPS
    )


def compare_steps(backbone: str, side: int, batch_size: int, policy: str, rounds: int) -> None:
    """Print milliseconds of both steps, and their ratio."""
    inputs = build_inputs(2 * batch_size, side, policy)
    data, learner = build_data(inputs), build_learner(backbone, side, batch_size, inputs)
    halves = np.arange(2 * batch_size).reshape(2, -1)
    bare = build_network(backbone, side)
    optimizer = torch.optim.AdamW(bare.parameters(), lr=3e-4)
    images, grades = inputs.eval_batch(halves[0]), torch.from_numpy(data.grades[halves[0]])

    def step_bare() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            data.loss(bare(images), grades).mean().backward()
            optimizer.step()

    def step_drkit() -> None:
        read_steps([learner.step(halves[step % 2], 1, halves[(step + 1) % 2]) for step in range(STEPS)])

    times = np.array([[cpu_time(step_bare), cpu_time(step_drkit)] for _ in range(rounds + 1)])[1:].min(0)
    bare_ms, drkit_ms = times / STEPS * 1000
    print(
        f"{backbone}, {side} px, batches of {batch_size}, {policy}: bare step {bare_ms:.1f} ms,"
        f" drkit {drkit_ms:.1f} ms, ratio {bare_ms / drkit_ms:.3f}"
    )


def measure_feed(side: int, batch_size: int, policy: str, rounds: int) -> None:
    """Print milliseconds of this thread's CPU for a batch, and photographs a second."""
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
        compare_steps("tf_efficientnet_lite0", 224, 16, policy, 3)
    for side, policy in ((224, "medium"), (512, "medium"), (224, "strong"), (512, "strong")):
        measure_feed(side, 64, policy, 20)


if __name__ == "__main__":
    main()
