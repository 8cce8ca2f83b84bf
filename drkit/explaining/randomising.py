"""The sanity check: a network that has learned nothing, and how alike its maps are."""

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drkit.data.units import UnitIndex
from drkit.models.grader import Grader

CELLS = 14  # a side, on which two maps are compared
MIN_INSIDE = 0.5  # of a cell that must lie in the disc


def randomise(grader: Grader, images: Tensor, places: UnitIndex, seed: int) -> Grader:
    """A copy whose every layer is drawn anew, and whose batch norms have seen `images` once.

    Without the latter the activations of an untrained network die out on their way up.

    Source: Adebayo et al. 2018, NeurIPS, section 3.1: all layers at once.
    """
    blank = deepcopy(grader)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in blank.modules():
            _draw_anew(module)
    norms = [module for module in blank.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None  # the plain mean of what it sees
        norm.train()
    with torch.no_grad():
        blank.maps(images, places)
    return blank.eval()


def rank_correlation(first: Tensor, second: Tensor, discs: Tensor) -> np.ndarray:
    """Spearman's correlation (P,) of two maps (P, S, S) inside the discs (P, S, S) bool, 0 where one is constant.

    The maps are compared on cells, lest neighbouring pixels count each.
    """
    inside = _cells(discs.float()) >= MIN_INSIDE
    pairs = zip(_cells(first), _cells(second), inside, strict=True)
    return np.array([_spearman(one[mask].numpy(), other[mask].numpy()) for one, other, mask in pairs])


def _draw_anew(module: nn.Module) -> None:
    """Reset a layer that knows how; draw the parameters it holds itself (tokens, positions) from a normal."""
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    with torch.no_grad():
        for parameter in module.parameters(recurse=False):
            parameter.copy_(0.02 * torch.randn(parameter.shape))


def _cells(maps: Tensor) -> Tensor:
    """(P, S, S) to (P, CELLS, CELLS) on the CPU."""
    return F.adaptive_avg_pool2d(maps[:, None].float().cpu(), min(CELLS, maps.shape[-1]))[:, 0]


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    ranks = [np.unique(values, return_inverse=True)[1].astype(np.float64) for values in (first, second)]
    if any(len(rank) < 2 or rank.std() == 0 for rank in ranks):
        return 0.0
    return float(np.asarray(np.corrcoef(ranks))[0, 1])
