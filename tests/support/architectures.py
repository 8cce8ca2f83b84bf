"""Architectures for tests: those of a tiny network, except for the given fields."""

from typing import Any

from drkit.records.checkpoint import Architecture

TINY = {
    "backbone": "test_efficientnet", "side": 64, "unit": "image", "num_slots": 1, "fusion": "mean-max",
    "unshared": False, "attention": "", "loss": "regression", "auxiliary": False, "dropout": 0.0,
}  # fmt: skip


def make_architecture(backbone: str = "test_efficientnet", **fields: Any) -> Architecture:
    """An architecture whose other fields are those of a network of single photographs with a regression head."""
    return Architecture(**{**TINY, "backbone": backbone, **fields})
