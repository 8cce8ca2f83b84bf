"""Faithfulness of an attribution: deletion and insertion, against noise and a randomised network."""

from collections.abc import Callable, Hashable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from drkit.data.units import UnitIndex
from drkit.explaining.activations import AttributionInput
from drkit.explaining.attribution import Attribution, random_attribution, unit_scale
from drkit.models.grader import Grader

NUM_STEPS = 16  # in which the discs' pixels are blurred or restored
CELLS = 14  # a side, on which two maps are compared
MIN_INSIDE = 0.5  # of a cell that must lie in the disc

FloatArray = NDArray[np.float64]
AttributionMethod = Callable[[AttributionInput], Attribution]


@dataclass(frozen=True)
class PerturbationScores:
    """How the target of each unit, scaled to [0, 1], changes with what is shown of the photographs; all (B,).

    Args:
        deletion: Mean target while the discs' pixels are blurred, highest attribution first: low is good.
        insertion: Mean target while they are restored, highest attribution first: high is good.
        drop: Share of the target, 0 to 1, lost where only pixels of positive attribution are shown: low is good.
        increase: 1 where the target is higher then, else 0.
    """

    deletion: FloatArray
    insertion: FloatArray
    drop: FloatArray
    increase: FloatArray


def perturbation_scores(inputs: AttributionInput, attribution: Attribution) -> PerturbationScores:
    """Blur pixels and restore them, inside the fundus discs only.

    Args:
        inputs: B units of P photographs; all photographs of a unit are ranked together.
        attribution: (P, S, S), at the size of the images.

    Source: Petsiuk et al. 2018, BMVC, section 3.3 (deletion, insertion); Chattopadhay et al. 2018, WACV, section
    4.1 (average drop and increase).
    """
    ranks = rank_pixels(attribution.signed, inputs)
    whole = inputs.normalised(inputs.images)
    shares = torch.arange(1, NUM_STEPS) / NUM_STEPS
    nothing = inputs.normalised(_blurred(inputs, ranks < 2))
    deleted = [whole, *(inputs.normalised(_blurred(inputs, ranks < float(share))) for share in shares), nothing]
    inserted = [nothing, *(inputs.normalised(_blurred(inputs, ranks >= float(share))) for share in shares), whole]
    # Show only positive attribution: the lower it is, the more a pixel is blurred; the surround stays as it is.
    weight = attribution.positive / unit_scale(attribution, inputs.places)[:, None, None]
    weight = torch.where(inputs.discs, weight, torch.ones_like(weight))[:, None]
    shown = inputs.normalised(inputs.baseline + weight * (inputs.images - inputs.baseline))
    lost = (whole - shown).clamp(min=0) / whole.clamp(min=1e-6)
    return PerturbationScores(_area(deleted), _area(inserted), _figures(lost), _figures(shown > whole))


def rank_pixels(signed: Tensor, inputs: AttributionInput) -> Tensor:
    """Share (P, S, S) of a unit's disc pixels with a higher attribution than the pixel, in [0, 1); infinite outside.

    Ties are broken at random, with a fixed seed.
    """
    values, discs = signed.cpu().numpy().astype(np.float64), inputs.discs.cpu().numpy()
    ranks = np.full(values.shape, np.inf)
    unit = inputs.places.unit.cpu().numpy()
    for number in range(inputs.places.num_units):
        members = np.flatnonzero(unit == number)
        inside = np.zeros_like(discs)
        inside[members] = discs[members]
        num_pixels = int(inside.sum())
        ties = np.random.default_rng(0).random(num_pixels)
        rank = np.empty(num_pixels)
        rank[np.lexsort((ties, -values[inside]))] = np.arange(num_pixels) / max(1, num_pixels)
        ranks[inside] = rank
    return torch.from_numpy(ranks).to(signed.device, signed.dtype)


def _blurred(inputs: AttributionInput, where: Tensor) -> Tensor:
    """Images that are blurred at the disc pixels `where` (P, S, S)."""
    return torch.where((where & inputs.discs)[:, None], inputs.baseline, inputs.images)


def _area(values: list[Tensor]) -> FloatArray:
    """Under the curve of NUM_STEPS + 1 values (B,), by trapezoids."""
    curve = np.stack([_figures(value) for value in values])
    return (curve[1:] + curve[:-1]).mean(0) / 2


def _figures(values: Tensor) -> FloatArray:
    return values.detach().cpu().numpy().astype(np.float64)


def randomise(grader: Grader, images: Tensor, places: UnitIndex, seed: int) -> Grader:
    """A copy with random weights, whose batch norms have the statistics of `images`.

    Without these statistics the activations of a network with random weights vanish with depth.

    Source: Adebayo et al. 2018, NeurIPS, section 3.1: all layers at once.
    """
    randomised = deepcopy(grader)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in randomised.modules():
            _reset(module)
    norms = [module for module in randomised.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None  # cumulative mean
        norm.train()
    with torch.no_grad():
        randomised.maps(images, places)
    return randomised.eval()


def rank_correlation(first: Tensor, second: Tensor, discs: Tensor) -> np.ndarray:
    """Spearman's correlation (P,) of two maps (P, S, S) inside the discs (P, S, S) bool, 0 where one is constant.

    The maps are averaged over cells first, because neighbouring pixels are not independent.
    """
    inside = _cells(discs.float()) >= MIN_INSIDE
    pairs = zip(_cells(first), _cells(second), inside, strict=True)
    return np.array([_spearman(one[mask].numpy(), other[mask].numpy()) for one, other, mask in pairs])


def _reset(module: nn.Module) -> None:
    """Call `reset_parameters` where a module has it; draw its own parameters (tokens, positions) from a normal."""
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


@dataclass(frozen=True)
class Faithfulness:
    """Faithfulness of a method's attributions, unit by unit.

    Args:
        own: Scores of the attribution.
        noise: Scores of noise of the same resolution in its place.
        after_randomising: (B,) rank correlation with the attribution of a network with random weights.
    """

    own: PerturbationScores
    noise: PerturbationScores
    after_randomising: FloatArray


@dataclass
class FaithfulnessEvaluator:
    """Measures methods; noise is measured once a batch and resolution, for all methods with the same target.

    Args:
        seed: Of the noise and of the random weights.
    """

    seed: int
    _noise: dict[Hashable, PerturbationScores] = field(default_factory=dict)

    def evaluate(
        self,
        by_network: Sequence[AttributionInput],
        raws: Sequence[Attribution],
        attribute: AttributionMethod,
        batch: Hashable,
    ) -> Faithfulness:
        """Measure one method, each network with its own attribution; scores are means over networks.

        Args:
            by_network: The same photographs and target for each network.
            raws: The method's attribution for each.
            attribute: The method.
            batch: Identifies the photographs.
        """
        pairs = list(zip(by_network, raws, strict=True))
        return Faithfulness(
            _mean_scores([perturbation_scores(inputs, raw.upsampled(inputs.side)) for inputs, raw in pairs]),
            _mean_scores([self._measure_noise(*pair, (batch, number)) for number, pair in enumerate(pairs)]),
            np.mean([_compare_with_randomised(*pair, attribute, self.seed) for pair in pairs], axis=0),
        )

    def _measure_noise(self, inputs: AttributionInput, raw: Attribution, network: Hashable) -> PerturbationScores:
        key = network, raw.signed.shape
        if key not in self._noise:
            noise = random_attribution(raw, torch.Generator().manual_seed(self.seed))
            self._noise[key] = perturbation_scores(inputs, noise.upsampled(inputs.side))
        return self._noise[key]


def _compare_with_randomised(
    inputs: AttributionInput, raw: Attribution, attribute: AttributionMethod, seed: int
) -> FloatArray:
    """(B,) rank correlation with the attribution of a network with random weights."""
    randomised = inputs.with_grader(randomise(inputs.grader, inputs.images, inputs.places, seed))
    own, other = (each.upsampled(inputs.side).signed for each in (raw, attribute(randomised)))
    unit = inputs.places.unit.cpu().numpy()
    return np.bincount(unit, rank_correlation(own, other, inputs.discs)) / np.bincount(unit)


def _mean_scores(scores: Sequence[PerturbationScores]) -> PerturbationScores:
    names = ("deletion", "insertion", "drop", "increase")
    return PerturbationScores(*(np.mean([getattr(each, name) for each in scores], axis=0) for name in names))
