"""Weights that a backbone starts from: those a package brings, and foreign files that load or say why not."""

from drkit.models.weights.foreign import ForeignWeights, read_foreign
from drkit.models.weights.hub import cached_weights, check_hub
from drkit.models.weights.matching import load_foreign
from drkit.models.weights.packaged import PACKAGED, load_packaged, packaged_weights
from drkit.models.weights.report import MisfitError, WeightsReport

__all__ = [
    "PACKAGED",
    "ForeignWeights",
    "MisfitError",
    "WeightsReport",
    "cached_weights",
    "check_hub",
    "load_foreign",
    "load_packaged",
    "packaged_weights",
    "read_foreign",
]
