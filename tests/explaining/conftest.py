"""Small networks with the grader's interface, and inputs for them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from drkit.data.units import UnitIndex
from drkit.explaining.activations import AttributionInput
from drkit.explaining.targets import AttributionTarget, ScoreTarget
from drkit.losses import build_loss


class SmallGrader(nn.Module):
    """Convolutions, mean pool, mean over the photographs of a unit, and linear head, all easy to compute by hand."""

    def __init__(self, num_outputs: int = 5, bends: bool = True) -> None:
        super().__init__()
        bend: list[nn.Module] = [nn.ReLU(inplace=True)] if bends else []
        first, second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1, stride=2)
        self.backbone = nn.Sequential(first, *bend, second, *bend)
        self.head = nn.Linear(8, num_outputs)

    def maps(self, images: Tensor, index: UnitIndex) -> Tensor:
        return self.backbone(images)

    def grade(self, maps: Tensor, index: UnitIndex) -> Tensor:
        pooled = maps.mean((2, 3))
        sums = pooled.new_zeros(index.num_units, pooled.shape[1]).index_add(0, index.unit, pooled)
        counts = torch.bincount(index.unit, minlength=index.num_units)[:, None]
        return self.head(sums / counts)

    def forward(self, images: Tensor, index: UnitIndex) -> Tensor:
        return self.grade(self.maps(images, index), index)


PAIRS = UnitIndex(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1]), 2, 2)


@pytest.fixture
def make_inputs() -> Callable[..., AttributionInput]:
    """Inputs of random images: `make_inputs(grader, target, index, side)`."""

    def build(
        grader: nn.Module,
        target: AttributionTarget | None = None,
        index: UnitIndex | None = None,
        side: int = 16,
        layer: str | None = None,
    ) -> AttributionInput:
        index = index or UnitIndex.alone(4)
        torch.manual_seed(1)
        images = torch.randn(len(index.unit), 3, side, side)
        discs = torch.zeros(len(images), side, side, dtype=torch.bool)
        discs[:, 1:-1, 1:-1] = True
        baseline = torch.where(discs[:, None], torch.zeros_like(images), images)
        target = target or ScoreTarget(build_loss("cross-entropy"), 0.0)
        return AttributionInput(
            grader=grader.eval(),
            images=images,
            baseline=baseline,
            discs=discs,
            index=index,
            target=target,
            layer=layer,
        )

    return build


@pytest.fixture
def make_grader() -> Callable[..., SmallGrader]:
    """Build a small grader from a seed: `make_grader(bends=False)`."""

    def build(seed: int = 0, num_outputs: int = 5, bends: bool = True) -> SmallGrader:
        torch.manual_seed(seed)
        return SmallGrader(num_outputs, bends).eval()

    return build


@pytest.fixture
def pairs() -> UnitIndex:
    """Two units of two photographs each."""
    return PAIRS
