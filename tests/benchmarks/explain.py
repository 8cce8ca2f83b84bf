"""Class activation maps per second, compared with pytorch-grad-cam and the bare forward pass, batches of 16, 224 px.

pytorch-grad-cam is measured on a network as timm builds it (channels first) and on drkit's (channels last).

Run: python tests/benchmarks/explain.py
Needs pip install --no-deps grad-cam ttach (its dependencies would overwrite opencv-python).
"""

from collections.abc import Callable
from copy import deepcopy

import torch
from timing import build_parser, cpu_time
from torch import Tensor, nn
from training import build_network

from drkit.data.units import UnitIndex
from drkit.explaining.activations import AttributionInput
from drkit.explaining.cam import explain_gradcam
from drkit.explaining.targets import GradeTarget
from drkit.losses import build_loss
from drkit.machine import keep_freed_memory
from drkit.models.grader import Grader

BATCH, SIDE, ROUNDS = 16, 224, 3
BACKBONES = ("resnet18", "tf_efficientnet_lite0")


class Plain(nn.Module):
    """The grader as other libraries expect it, from images to logits."""

    def __init__(self, grader: Grader) -> None:
        super().__init__()
        self.grader = grader

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, 5)."""
        return self.grader(images)


def rates(jobs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Maximum rate per second at which one core does each job; the jobs alternate.

    CPU time is measured, so that other work on the machine affects the figures as little as possible.
    """
    best = dict.fromkeys(jobs, 0.0)
    for _ in range(rounds):
        for name, job in jobs.items():
            best[name] = max(best[name], 1 / cpu_time(job))
    return best


def build_library_jobs(grader: Grader, images: Tensor) -> dict[str, Callable[[], object]]:
    """Jobs of pytorch-grad-cam, with its defaults and with the fastest settings; empty if it is not installed."""
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError:
        return {}
    first = deepcopy(grader).to(memory_format=torch.contiguous_format)
    as_it_comes, at_its_best = (GradCAM(Plain(network), [network.backbone]) for network in (first, grader))
    channels_first, targets = images.contiguous(), [ClassifierOutputTarget(2)] * len(images)
    return {
        "grad-cam as it comes": lambda: as_it_comes(channels_first, targets),
        "grad-cam at its best": lambda: at_its_best(images, targets),
    }


def measure(name: str, batch_size: int, side: int, rounds: int) -> dict[str, float]:
    """Photographs per second of the bare forward pass, drkit's maps, and pytorch-grad-cam's."""
    grader = build_network(name, side, loss="cross-entropy").eval()
    images = torch.randn(batch_size, 3, side, side).contiguous(memory_format=torch.channels_last)
    target = GradeTarget(build_loss("cross-entropy"), 0.0, torch.full((batch_size,), 2))
    inputs = AttributionInput(
        grader=grader,
        images=images,
        baseline=images,
        discs=torch.ones(batch_size, side, side, dtype=torch.bool),
        index=UnitIndex.alone(batch_size),
        target=target,
    )

    def layer() -> Tensor:
        with torch.inference_mode():
            return grader(images)

    jobs = {"forward": layer, "drkit": lambda: explain_gradcam(inputs).upsampled(side)}
    jobs |= build_library_jobs(grader, images)
    for job in jobs.values():
        job()
    return {job: batch_size * rate for job, rate in rates(jobs, rounds).items()}


def main() -> None:
    """Print a row for each backbone and job."""
    quick = build_parser(__doc__).parse_args().quick
    keep_freed_memory()
    torch.set_num_threads(1)
    print("photographs a second of one core, and how many times as many drkit draws")
    for name in ("test_efficientnet",) if quick else BACKBONES:
        found = measure(name, 2, 64, 1) if quick else measure(name, BATCH, SIDE, ROUNDS)
        for job, rate in found.items():
            print(f"{name:22s} {job:21s} {rate:7.1f}/s {found['drkit'] / rate:6.2f}")
        if len(found) == 2:
            print("pytorch-grad-cam is not installed: not measured")


if __name__ == "__main__":
    main()
