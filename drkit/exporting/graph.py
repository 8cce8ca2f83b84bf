"""A run as one module, from photographs in grey levels to probabilities and scores."""

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
    """The mean of a run's networks, for units with a fixed number of slots.

    It contains all that `drkit predict` does with squared photographs: scaling, normalisation, the eight views of a run
    with `--tta`, the networks of all folds and seeds, and the fusion of a unit's photographs.

    Args:
        opened: The run, whose graders are converted to the contiguous memory format.
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
        """The probabilities (U, 5) and scores (U,) of U units.

        Args:
            photographs: uint8 or float32 (U, K, 3, S, S), RGB in 0-255, squared about the fundus disc.
            mask: bool (U, K), False for slots without a photograph, whose pixels are ignored; None if no slot is empty.
        """
        num_units, num_slots = photographs.shape[:2]
        if mask is None:
            mask = photographs.new_ones((num_units, num_slots), dtype=torch.bool)
        images = self._render(photographs.flatten(0, 1))
        views = list(dihedral_views(images)) if self.tta else [images]
        inputs = torch.cat([view.unflatten(0, (num_units, num_slots)) for view in views])  # (V * U, K, 3, s, s)
        outputs = [network(inputs, mask.repeat(len(views), 1)) for network in self.networks]
        probabilities, score = (torch.stack(each).mean(0) for each in zip(*outputs, strict=True))
        by_view = (len(views), num_units)
        return probabilities.unflatten(0, by_view).mean(0), score.unflatten(0, by_view).mean(0)

    def _render(self, pixels: Tensor) -> Tensor:
        """Convert pixels (P, 3, S, S) to normalised images (P, 3, s, s): a traceable `drkit.data.rendering.render`."""
        side = self.format.side
        scaled = pixels.float()
        if scaled.shape[2] != side:
            scaled = F.interpolate(scaled, (side, side), mode="bilinear", align_corners=True)
        mean, std = torch.tensor([self.format.mean, self.format.std])[:, :, None, None]
        return (scaled / 255 - mean) / std


class NetworkGraph(nn.Module):
    """One network of a run, for units with a fixed number of slots.

    Args:
        grader: The network, in evaluation mode.
        loss: Name of the loss in its checkpoint, which defines the meaning of the logits.
        sigma: Standard deviation of a regression's residuals, in grades.
    """

    def __init__(self, grader: Grader, loss: str, sigma: float) -> None:
        super().__init__()
        self.grader, self.loss, self.sigma = grader, build_loss(loss), sigma

    def forward(self, images: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The probabilities (U, 5) and scores (U,) of normalised images (U, K, 3, s, s) with a mask (U, K)."""
        grader = self.grader
        activations = grader.pool(grader.attention(self._maps(images)))  # (U * K, F)
        logits = grader.head(join(grader.fusion, activations.unflatten(0, images.shape[:2]), mask))
        probabilities = grade_probabilities(self.loss, logits, self.sigma)
        if isinstance(self.loss, Regression):
            return probabilities, logits[:, 0].clamp(0, MAX_GRADE)
        return probabilities, probabilities @ torch.arange(NUM_GRADES, dtype=probabilities.dtype)

    def _maps(self, images: Tensor) -> Tensor:
        """Feature maps (U * K, C, h, w) of images (U, K, 3, s, s); unshared networks have a backbone for each slot."""
        backbones = [self.grader.backbone, *self.grader.others]
        if len(backbones) == 1:
            return backbones[0](images.flatten(0, 1))
        return torch.stack([each(images[:, slot]) for slot, each in enumerate(backbones)], 1).flatten(0, 1)


@singledispatch
def join(fusion: Fusion, activations: Tensor, mask: Tensor) -> Tensor:
    """Apply a fusion to units with a fixed number of slots.

    Args:
        fusion: The fusion of a grader.
        activations: (U, K, F).
        mask: bool (U, K), with at least one True in each row.

    Returns:
        (U, F'), the fused activations of the slots with a photograph.
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
    """The probabilities (U, 5) that a loss defines for logits (U, num_outputs)."""
    return loss.log_probabilities(logits, sigma).exp()


@grade_probabilities.register
def _(loss: Regression, logits: Tensor, sigma: float) -> Tensor:
    """Use the error function, because ONNX has no logarithm of the normal distribution function."""
    edges = torch.arange(MAX_GRADE) + 0.5
    deviations = (logits.clamp(0, MAX_GRADE) - edges) / max(sigma, MIN_SIGMA)
    return _between((1 + torch.erf(deviations / 2**0.5)) / 2)


@grade_probabilities.register
def _(loss: CumulativeLink, logits: Tensor, sigma: float) -> Tensor:
    """Use differences of logistic functions, because ONNX has no cumulative minimum."""
    return _between(logits.sigmoid())


def _between(above: Tensor) -> Tensor:
    """The probabilities (U, 5) of the grades, from those (U, 4) of a grade above 0, 1, 2 and 3."""
    return F.pad(above, (1, 0), value=1.0) - F.pad(above, (0, 1))
