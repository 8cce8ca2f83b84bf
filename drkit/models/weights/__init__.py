"""The weights that a backbone starts from: ImageNet weights, and files, folders, repositories and runs."""

from drkit.models.weights.loading import WeightsMismatchError, WeightsReport, load_foreign
from drkit.models.weights.pretrained import (
    PACKAGED,
    advise,
    cached_weights,
    check_weights,
    fetch_weights,
    load_packaged,
    packaged_weights,
)
from drkit.models.weights.repository import parse_address
from drkit.models.weights.state_dict import ForeignWeights, read_foreign

__all__ = [
    "PACKAGED",
    "ForeignWeights",
    "WeightsMismatchError",
    "WeightsReport",
    "advise",
    "cached_weights",
    "check_weights",
    "fetch_weights",
    "load_foreign",
    "load_packaged",
    "packaged_weights",
    "parse_address",
    "read_foreign",
]
