"""Faithfulness of an attribution: deletion and insertion, against noise and a randomised network."""

from collections.abc import Callable, Hashable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, fields

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from drkit.data.units import UnitIndex
from drkit.explaining.activations import AttributionInput
from drkit.explaining.attribution import Attribution, random_attribution, unit_scale
from drkit.models.grader import Grader

NUM_STEPS = 16  # steps in which the discs' pixels are blurred or restored
CELLS = 14  # per side, for the comparison of two maps
MIN_INSIDE = 0.5  # share of a cell that must lie in the disc

FloatArray = NDArray[np.float64]
AttributionMethod = Callable[[AttributionInput], Attribution]


@dataclass(frozen=True)
class PerturbationScores:
    """Changes of each unit's target, scaled to [0, 1], when pixels of its photographs are blurred.

    Args:
        deletion: (B,) mean target while the discs' pixels are blurred, highest attribution first; low is good.
        insertion: (B,) mean target while they are restored, highest attribution first; high is good.
        drop: (B,) share of the target, 0 to 1, lost if only pixels of positive attribution are shown; low is good.
        increase: (B,) 1 if the target is higher with only these pixels, else 0.
    """

    deletion: FloatArray
    insertion: FloatArray
    drop: FloatArray
    increase: FloatArray


PERTURBATION_SCORES = tuple(item.name for item in fields(PerturbationScores))


def perturbation_scores(inputs: AttributionInput, attribution: Attribution) -> PerturbationScores:
    """Measure the target while pixels inside the fundus discs are blurred and restored.

    Args:
        inputs: P photographs of B units; the pixels of all photographs of a unit are ranked together.
        attribution: (P, S, S), with the size of the images.

    Source: Petsiuk et al. 2018, BMVC, section 3.3 (deletion, insertion); Chattopadhay et al. 2018, WACV, section
    4.1 (average drop and increase).
    """
    # Outside the discs the baseline equals the images, so that nothing changes there.
    ranks = rank_pixels(attribution.signed, inputs)
    full, empty = inputs.normalised(inputs.images), inputs.normalised(inputs.baseline)
    shares = [step / NUM_STEPS for step in range(1, NUM_STEPS)]
    deleted = [full, *(inputs.normalised(_blurred(inputs, ranks < share)) for share in shares), empty]
    inserted = [empty, *(inputs.normalised(_blurred(inputs, ranks >= share)) for share in shares), full]
    # Blur each pixel the more, the lower its positive attribution is.
    weight = (attribution.positive / unit_scale(attribution, inputs.index)[:, None, None])[:, None]
    shown = inputs.normalised(torch.lerp(inputs.baseline, inputs.images, weight))
    lost = (full - shown).clamp(min=0) / full.clamp(min=1e-6)
    return PerturbationScores(
        deletion=_area(deleted), insertion=_area(inserted), drop=_to_numpy(lost), increase=_to_numpy(shown > full)
    )


def rank_pixels(signed: Tensor, inputs: AttributionInput) -> Tensor:
    """Compute the share (P, S, S) of a unit's disc pixels with higher attribution than the pixel; infinite outside.

    Ties are broken at random, with a fixed seed.
    """
    values, discs = signed.cpu().numpy().astype(np.float64), inputs.discs.cpu().numpy()
    ranks = np.full(values.shape, np.inf)
    unit = inputs.index.unit.cpu().numpy()
    for number in range(inputs.index.num_units):
        inside = discs & (unit == number)[:, None, None]
        num_pixels = int(inside.sum())
        ties = np.random.default_rng(0).random(num_pixels)
        rank = np.empty(num_pixels)
        rank[np.lexsort((ties, -values[inside]))] = np.arange(num_pixels) / max(1, num_pixels)
        ranks[inside] = rank
    return torch.from_numpy(ranks).to(signed.device, signed.dtype)


def _blurred(inputs: AttributionInput, where: Tensor) -> Tensor:
    """The images, blurred at the pixels for which `where` (P, S, S) is true."""
    return torch.where(where[:, None], inputs.baseline, inputs.images)


def _area(values: list[Tensor]) -> FloatArray:
    """Area (B,) under a curve of NUM_STEPS + 1 values (B,), by the trapezoidal rule."""
    curve = np.stack([_to_numpy(value) for value in values])
    return (curve[1:] + curve[:-1]).mean(0) / 2


def _to_numpy(values: Tensor) -> FloatArray:
    return values.detach().cpu().numpy().astype(np.float64)


def randomise(grader: Grader, images: Tensor, index: UnitIndex, seed: int) -> Grader:
    """Copy a network with random weights, and with batch statistics of `images`.

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
        norm.momentum = None  # average over all batches
        norm.train()
    with torch.no_grad():
        randomised.maps(images, index)
    return randomised.eval()


def rank_correlation(first: Tensor, second: Tensor, discs: Tensor) -> np.ndarray:
    """Spearman's rank correlation (P,) of two maps (P, S, S) inside the discs (P, S, S) bool; 0 if one is constant.

    The maps are averaged over cells first, because neighbouring pixels are not independent.
    """
    inside = _cells(discs.float()) >= MIN_INSIDE
    pairs = zip(_cells(first), _cells(second), inside, strict=True)
    return np.array([_spearman(one[mask].numpy(), other[mask].numpy()) for one, other, mask in pairs])


def _reset(module: nn.Module) -> None:
    """Draw new parameters: by `reset_parameters` if a module has it, else (tokens, positions) from a normal."""
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    with torch.no_grad():
        for parameter in module.parameters(recurse=False):
            parameter.copy_(0.02 * torch.randn(parameter.shape))


def _cells(maps: Tensor) -> Tensor:
    """Averages (P, CELLS, CELLS) of maps (P, S, S), on the CPU."""
    return F.adaptive_avg_pool2d(maps[:, None].float().cpu(), min(CELLS, maps.shape[-1]))[:, 0]


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    ranks = pd.DataFrame({"first": first, "second": second}).rank()  # tied values have their mean rank
    correlation = float(ranks.corr().loc["first", "second"])
    return 0.0 if np.isnan(correlation) else correlation


@dataclass(frozen=True)
class Faithfulness:
    """Faithfulness of a method's attribution of B units.

    Args:
        own: Scores of the attribution.
        noise: Scores of noise with the same resolution.
        after_randomising: (B,) rank correlation with the attribution of a network with random weights.
    """

    own: PerturbationScores
    noise: PerturbationScores
    after_randomising: FloatArray


@dataclass
class FaithfulnessEvaluator:
    """Measures methods; noise is measured once per batch and resolution, for all methods with the same target.

    Args:
        seed: Random seed of the noise and of the random weights.
    """

    seed: int
    _noise: dict[Hashable, PerturbationScores] = field(default_factory=dict)

    def evaluate(
        self,
        by_network: Sequence[AttributionInput],
        raws: Sequence[Attribution],
        attribute: AttributionMethod,
        photographs: Sequence[int],
    ) -> Faithfulness:
        """Measure one method; the scores are means over networks, each with its own attribution.

        Args:
            by_network: The input of each network, with the same photographs and target.
            raws: The attribution of each network.
            attribute: The method.
            photographs: P numbers that identify the photographs, in the order of the inputs.
        """
        pairs = list(zip(by_network, raws, strict=True))
        return Faithfulness(
            own=_mean_scores([perturbation_scores(inputs, raw.upsampled(inputs.side)) for inputs, raw in pairs]),
            noise=_mean_scores([self._measure_noise(*pair, photographs, number) for number, pair in enumerate(pairs)]),
            after_randomising=np.mean(
                [_compare_with_randomised(*pair, attribute, self.seed) for pair in pairs], axis=0
            ),
        )

    def _measure_noise(
        self, inputs: AttributionInput, raw: Attribution, photographs: Sequence[int], network: int
    ) -> PerturbationScores:
        key = tuple(photographs), network, raw.signed.shape
        if key not in self._noise:
            noise = random_attribution(raw, self.seed, photographs)
            self._noise[key] = perturbation_scores(inputs, noise.upsampled(inputs.side))
        return self._noise[key]


def _compare_with_randomised(
    inputs: AttributionInput, raw: Attribution, attribute: AttributionMethod, seed: int
) -> FloatArray:
    """Compute the rank correlation (B,) with the attribution of a network with random weights."""
    randomised = inputs.with_grader(randomise(inputs.grader, inputs.images, inputs.index, seed))
    own, other = (each.upsampled(inputs.side).signed for each in (raw, attribute(randomised)))
    unit = inputs.index.unit.cpu().numpy()
    return np.bincount(unit, rank_correlation(own, other, inputs.discs)) / np.bincount(unit)


def _mean_scores(scores: Sequence[PerturbationScores]) -> PerturbationScores:
    means = (np.mean([getattr(each, name) for each in scores], axis=0) for name in PERTURBATION_SCORES)
    return PerturbationScores(*means)
