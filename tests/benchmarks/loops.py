"""CPU time of the training loops of drkit, timm and a plain torchvision script, each compared with its bare step.

All train ResNet18 in one process on JPEG photographs of 512 px. timm's loop has its loader, transforms, optimiser and
running average of the weights; the plain script has torchvision's ImageFolder and transforms and a DataLoader. Both
decode each photograph in every epoch; drkit decodes it once before, which is not counted. The bare step is forward
pass, loss, backward pass and AdamW on a batch that is ready. All loops take turns, and the best of several rounds
counts. The ratio is bare / loop: 1 means that the loop costs nothing.

    python tests/benchmarks/loops.py [--quick]
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
import torchvision
from timing import build_parser, cpu_time
from timm import create_model
from timm.data import create_loader
from timm.optim import create_optimizer_v2
from timm.utils import AverageMeter, ModelEmaV3
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchvision import transforms
from torchvision.datasets import ImageFolder
from training import build_data, build_inputs, build_learner

from drkit.config.synth import SynthConfig
from drkit.machine import keep_freed_memory
from drkit.recipes.synth import run_synth
from drkit.records.layouts import read_dataset
from drkit.training.learner import read_steps

BATCH_SIZE = 16
Step = Callable[[], object]


def write_folders(folder: Path, patients: int, size: int) -> Path:
    """Synthetic eyes, in a folder for each grade."""
    run_synth(SynthConfig(out=folder / "eyes", patients=patients, size=size))
    graded = read_dataset(folder / "eyes").rows.dropna(subset="eye_grade")
    for path, grade in zip(graded["path"], graded["eye_grade"], strict=True):
        target = folder / "graded" / str(grade) / Path(path).name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    return folder / "graded"


def endless(loader: Iterable[tuple[Tensor, Tensor]]) -> Iterable[tuple[Tensor, Tensor]]:
    """The batches of one epoch after another."""
    while True:
        yield from loader


def build_bare(network: nn.Module, batch: Tensor) -> Step:
    """Forward, loss, backward and AdamW."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-4)
    grades = torch.arange(len(batch)) % 5

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(network(batch), grades).backward()
        optimizer.step()

    return step


def build_drkit(side: int) -> tuple[Step, Step]:
    """Bare step and loop of drkit, with bank, augmentation, loss weights, running average and metrics of the epoch."""
    inputs = build_inputs(2 * BATCH_SIZE, side, "medium")
    learner, halves = build_learner("resnet18", side, BATCH_SIZE, inputs), np.arange(2 * BATCH_SIZE).reshape(2, -1)
    data, network, numbers = build_data(inputs), build_learner("resnet18", side, BATCH_SIZE, inputs).grader, halves[0]
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-4)
    images, grades, calls = inputs.eval_batch(numbers), torch.from_numpy(data.grades[numbers]), [0]

    def bare() -> None:
        optimizer.zero_grad(set_to_none=True)
        data.loss(network(images), grades).mean().backward()
        optimizer.step()

    def loop() -> None:
        calls[0] += 1
        read_steps([learner.step(halves[calls[0] % 2], 1, halves[(calls[0] + 1) % 2])])

    return bare, loop


def build_timm(folder: Path, side: int) -> tuple[Step, Step]:
    """Bare step and loop of timm, as its train.py has it for one device."""
    network = create_model("resnet18", num_classes=5).train()
    average, losses = ModelEmaV3(network), AverageMeter()
    optimizer = create_optimizer_v2(network, opt="adamw", lr=3e-4, weight_decay=0.02)
    loader = create_loader(
        ImageFolder(folder), (3, side, side), BATCH_SIZE, is_training=True, use_prefetcher=False, num_workers=0,
        scale=(0.8, 1.0), vflip=0.5, color_jitter=0.15,
    )  # fmt: skip
    batches = iter(endless(loader))

    def loop() -> None:
        images, grades = next(batches)
        loss = cross_entropy(network(images), grades)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update(network)
        losses.update(loss.item(), len(images))

    return build_bare(create_model("resnet18", num_classes=5).train(), torch.randn(BATCH_SIZE, 3, side, side)), loop


def build_plain(folder: Path, side: int) -> tuple[Step, Step]:
    """Bare step and loop of a plain torchvision script."""
    change = transforms.Compose(
        [
            transforms.Resize((side, side)),
            transforms.RandomHorizontalFlip(),
            transforms.RandomVerticalFlip(),
            transforms.RandomRotation(180),
            transforms.ColorJitter(0.15, 0.15, 0.15),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    network = torchvision.models.resnet18(num_classes=5).train()
    optimizer, totals = torch.optim.AdamW(network.parameters(), lr=3e-4), [0.0, 0.0]
    data = ImageFolder(folder, change)
    batches = iter(endless(torch.utils.data.DataLoader(data, BATCH_SIZE, shuffle=True, drop_last=True)))

    def loop() -> None:
        images, grades = next(batches)
        optimizer.zero_grad()
        logits = network(images)
        loss = cross_entropy(logits, grades)
        loss.backward()
        optimizer.step()
        totals[0] += loss.item()
        totals[1] += (logits.argmax(1) == grades).sum().item()

    bare = build_bare(torchvision.models.resnet18(num_classes=5).train(), torch.randn(BATCH_SIZE, 3, side, side))
    return bare, loop


def best_times(steps: Mapping[str, tuple[Step, Step]], rounds: int) -> dict[str, list[float]]:
    """Seconds of CPU time of a bare step and of a step of the loop, after a warm-up."""
    best = {name: [np.inf, np.inf] for name in steps}
    for _ in range(rounds + 1):
        for name, pair in steps.items():
            times = [cpu_time(step) for step in pair]
            best[name] = times if np.isinf(best[name][0]) else [*map(min, best[name], times)]
    return best


def main() -> None:
    """Print a row for each loop."""
    quick = build_parser(__doc__).parse_args().quick
    keep_freed_memory()
    side, rounds = (32, 1) if quick else (224, 6)
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_folders(Path(temporary), *((12, 64) if quick else (12, 512)))
        steps = {
            "drkit": build_drkit(side),
            "timm": build_timm(folder, side),
            "plain torchvision": build_plain(folder, side),
        }
        print(f"ResNet18, {side} px, batches of {BATCH_SIZE}: milliseconds of CPU a step")
        print(f"{'loop':18s} {'bare':>7s} {'loop':>7s}  ratio")
        for name, (bare, loop) in best_times(steps, rounds).items():
            print(f"{name:18s} {bare * 1000:7.0f} {loop * 1000:7.0f}  {bare / loop:.3f}")


if __name__ == "__main__":
    main()
