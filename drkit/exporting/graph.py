"""A run as one module: from photographs in grey levels to probabilities and a score, everything inside."""

from functools import singledispatch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drkit.data.rendering import InputFormat, dihedral_views
from drkit.decisions import MIN_SIGMA
from drkit.grades import MAX_GRADE, NUM_GRADES
from drkit.losses import Loss, build_loss
from drkit.losses.ordinal import CumulativeLink
from drkit.losses.regression import Regression
from drkit.models.fusion import AttentionFusion, Concatenation, Fusion, MeanMaxFusion, SinglePhotograph
from drkit.models.grader import Grader
from drkit.models.restoring import OpenedRun


class RunGraph(nn.Module):
    """The mean of a run's networks, for units of a fixed number of places.

    What `drkit predict` does after it has squared the photographs: scaling, normalisation, the eight views of a run
    with `--tta`, every fold and seed, the photographs of a unit joined.

    Args:
        opened: The run; its graders are moved to the contiguous memory format.
    """

    def __init__(self, opened: OpenedRun) -> None:
        super().__init__()
        self.format = InputFormat(opened.header.architecture.side, opened.header.mean, opened.header.std)
        self.tta = opened.header.tta
        self.networks = nn.ModuleList(
            NetworkGraph(grader.to(memory_format=torch.contiguous_format), header.architecture.loss, header.sigma)
            for grader, header in zip(opened.graders, opened.headers, strict=True)
        )

    def forward(self, photographs: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Photographs (U, K, 3, S, S), RGB in 0-255, to probabilities (U, 5) and score (U,).

        Args:
            photographs: uint8 or float32, squared about the fundus disc.
            mask: bool (U, K), False for places without a photograph, whatever stands there; None: all are there.
        """
        num_units, num_places = photographs.shape[:2]
        if mask is None:
            mask = photographs.new_ones((num_units, num_places), dtype=torch.bool)
        images = self._render(photographs.flatten(0, 1))
        views = list(dihedral_views(images)) if self.tta else [images]
        seen = torch.cat([view.unflatten(0, (num_units, num_places)) for view in views])  # (V * U, K, 3, s, s)
        answers = [network(seen, mask.repeat(len(views), 1)) for network in self.networks]
        probabilities, score = (torch.stack(each).mean(0) for each in zip(*answers, strict=True))
        by_view = (len(views), num_units)
        return probabilities.unflatten(0, by_view).mean(0), score.unflatten(0, by_view).mean(0)

    def _render(self, pixels: Tensor) -> Tensor:
        """(P, 3, S, S) in grey levels to normalised images (P, 3, s, s): `drkit.data.rendering.render`, traceable."""
        side = self.format.side
        scaled = pixels.float()
        if scaled.shape[2] != side:
            scaled = F.interpolate(scaled, (side, side), mode="bilinear", align_corners=True)
        mean, std = torch.tensor([self.format.mean, self.format.std])[:, :, None, None]
        return (scaled / 255 - mean) / std


class NetworkGraph(nn.Module):
    """One of a run's networks, for units of a fixed number of places.

    Args:
        grader: In evaluation mode.
        loss: As its checkpoint holds it: says what the logits are.
        sigma: Residual of a regression, in grades.
    """

    def __init__(self, grader: Grader, loss: str, sigma: float) -> None:
        super().__init__()
        self.grader, self.loss, self.sigma = grader, build_loss(loss), sigma

    def forward(self, images: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised images (U, K, 3, s, s) and mask (U, K) to probabilities (U, 5) and score (U,)."""
        grader = self.grader
        activations = grader.pool(grader.attention(self._maps(images)))  # (U * K, F)
        logits = grader.head(join(grader.fusion, activations.unflatten(0, images.shape[:2]), mask))
        probabilities = grade_probabilities(self.loss, logits, self.sigma)
        if isinstance(self.loss, Regression):
            return probabilities, logits[:, 0].clamp(0, MAX_GRADE)
        return probabilities, probabilities @ torch.arange(NUM_GRADES, dtype=probabilities.dtype)

    def _maps(self, images: Tensor) -> Tensor:
        """(U, K, 3, s, s) to feature maps (U * K, C, h, w), each place through its own backbone where it has one."""
        backbones = [self.grader.backbone, *self.grader.others]
        if len(backbones) == 1:
            return backbones[0](images.flatten(0, 1))
        return torch.stack([each(images[:, place]) for place, each in enumerate(backbones)], 1).flatten(0, 1)


@singledispatch
def join(fusion: Fusion, activations: Tensor, mask: Tensor) -> Tensor:
    """What a fusion makes of units with a fixed number of places.

    Args:
        fusion: Of a grader.
        activations: (U, K, F).
        mask: bool (U, K), at least one True a row.

    Returns:
        (U, F') as the fusion gives it for the photographs that are there.
    """
    raise NotImplementedError(type(fusion).__name__)


@join.register
def _(fusion: SinglePhotograph, activations: Tensor, mask: Tensor) -> Tensor:
    return activations[:, 0]


@join.register
def _(fusion: MeanMaxFusion, activations: Tensor, mask: Tensor) -> Tensor:
    shares = mask.to(activations) / mask.to(activations).sum(1, keepdim=True)  # (U, K)
    highest = activations.masked_fill(~mask[:, :, None], -torch.inf).amax(1)
    return torch.cat([(activations * shares[:, :, None]).sum(1), highest], 1)


@join.register
def _(fusion: AttentionFusion, activations: Tensor, mask: Tensor) -> Tensor:
    hidden = torch.tanh(fusion.content(activations)) * torch.sigmoid(fusion.gate(activations))
    shares = fusion.rating(hidden)[:, :, 0].masked_fill(~mask, -torch.inf).softmax(1)
    return (activations * shares[:, :, None]).sum(1)


@join.register
def _(fusion: Concatenation, activations: Tensor, mask: Tensor) -> Tensor:
    return (activations * mask.to(activations)[:, :, None]).flatten(1)


@singledispatch
def grade_probabilities(loss: Loss, logits: Tensor, sigma: float) -> Tensor:
    """Logits (U, num_outputs) to probabilities (U, 5), as the loss defines them."""
    return loss.log_probabilities(logits, sigma).exp()


@grade_probabilities.register
def _(loss: Regression, logits: Tensor, sigma: float) -> Tensor:
    """By the error function: ONNX has no logarithm of the normal distribution function."""
    edges = torch.arange(MAX_GRADE) + 0.5
    deviations = (logits.clamp(0, MAX_GRADE) - edges) / max(sigma, MIN_SIGMA)
    return _between((1 + torch.erf(deviations / 2**0.5)) / 2)


@grade_probabilities.register
def _(loss: CumulativeLink, logits: Tensor, sigma: float) -> Tensor:
    """By differences of logistic functions: ONNX has no cumulative minimum."""
    return _between(logits.sigmoid())


def _between(above: Tensor) -> Tensor:
    """Probabilities of a grade above 0, 1, 2, 3, (U, 4), to those of each grade (U, 5)."""
    return F.pad(above, (1, 0), value=1.0) - F.pad(above, (0, 1))
