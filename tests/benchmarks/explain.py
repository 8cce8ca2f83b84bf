"""Class activation maps a second, beside pytorch-grad-cam and the bare forward pass, batch 16 at 224 pixels.

pytorch-grad-cam is measured on a network as it comes (channels first), and on drkit's own, which is channels last.

Run: python tests/benchmarks/explain.py
Needs pip install --no-deps grad-cam ttach (its dependencies would overwrite opencv-python).
"""

import time
from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from drkit.data.units import UnitIndex
from drkit.explaining.activations import AttributionInput
from drkit.explaining.cam import explain_gradcam
from drkit.explaining.targets import GradeTarget
from drkit.losses import build_loss
from drkit.models.grader import Grader, build_grader
from drkit.records.checkpoint import Architecture
from drkit.training.runtime import keep_freed_memory

BATCH, SIDE, ROUNDS = 16, 224, 5
BACKBONES = ("resnet18", "tf_efficientnet_lite0")


class Plain(nn.Module):
    """The grader as other libraries want it: images to logits."""

    def __init__(self, grader: Grader) -> None:
        super().__init__()
        self.grader = grader

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, 5)."""
        return self.grader(images)


def build(name: str) -> Grader:
    """A grader of five classes, untrained."""
    architecture = Architecture(
        backbone=name,
        side=SIDE,
        unit="image",
        num_slots=1,
        fusion="mean-max",
        unshared=False,
        attention="",
        loss="cross-entropy",
        auxiliary=False,
        dropout=0.0,
    )
    return build_grader(architecture, pretrained=False).eval()


def rates(jobs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Best photographs a second of one core of each job, the jobs in turn.

    Counted is the processor's time, so that other work on the machine hits the figures as little as may be.
    """
    best = dict.fromkeys(jobs, 0.0)
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            start = time.process_time()
            job()
            best[name] = max(best[name], BATCH / (time.process_time() - start))
    return best


def measure(name: str) -> dict[str, float]:
    """Photographs a second: bare forward pass, drkit's maps, pytorch-grad-cam's maps as it comes and at its best."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    grader = build(name)
    images = torch.randn(BATCH, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    target = GradeTarget(build_loss("cross-entropy"), 0.0, torch.full((BATCH,), 2))
    inputs = AttributionInput(
        grader=grader,
        images=images,
        baseline=images,
        discs=torch.ones(BATCH, SIDE, SIDE, dtype=torch.bool),
        index=UnitIndex.alone(BATCH),
        target=target,
    )
    first = deepcopy(grader).to(memory_format=torch.contiguous_format)
    as_it_comes, at_its_best = (GradCAM(Plain(network), [network.backbone]) for network in (first, grader))
    channels_first = images.contiguous()
    targets = [ClassifierOutputTarget(2)] * BATCH

    def layer() -> Tensor:
        with torch.inference_mode():
            return grader(images)

    jobs = {
        "forward": layer,
        "drkit": lambda: explain_gradcam(inputs).upsampled(SIDE),
        "as it comes": lambda: as_it_comes(channels_first, targets),
        "at its best": lambda: at_its_best(images, targets),
    }
    for job in jobs.values():
        job()
    return rates(jobs)


def main() -> None:
    """Print a row a backbone."""
    keep_freed_memory()
    torch.set_num_threads(1)
    print("photographs a second of one core; in brackets how many times as many drkit draws")
    print(
        f"{'backbone':22s} {'forward':>10s} {'drkit':>9s} {'grad-cam as it comes':>23s} {'at its best':>15s}  of limit"
    )
    for name in BACKBONES:
        found = measure(name)
        forward, drkit, *library = found.values()
        told = [f"{rate:.1f} ({drkit / rate:.1f})" for rate in library]
        print(f"{name:22s} {forward:10.1f} {drkit:9.1f} {told[0]:>23s} {told[1]:>16s} {drkit / forward:13.2f}")


if __name__ == "__main__":
    main()
