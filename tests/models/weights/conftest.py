"""A checkpoint of drkit's, made without a training."""

from collections.abc import Callable
from pathlib import Path

import pytest

from drkit.models.grader import build_grader
from drkit.records.checkpoint import Architecture, CheckpointHeader, write_checkpoint


def make_header(backbone: str, *, unshared: bool = False) -> CheckpointHeader:
    """The header of a run that nobody trained."""
    architecture = Architecture(
        backbone=backbone,
        side=64,
        unit="eye" if unshared else "image",
        num_slots=2 if unshared else 1,
        fusion="mean-max",
        unshared=unshared,
        attention="",
        loss="regression",
        auxiliary=False,
        dropout=0.0,
    )
    values = {
        "bank_side": 64, "steps": (), "mean": (0.5,) * 3, "std": (0.5,) * 3, "sigma": 0.5, "decision": "round",
        "cut_points": None, "target": "eye", "fold": None, "folds": 0, "tta": False, "chosen_on": "last", "epoch": 1,
        "labels_sha256": "0" * 64, "provenance": {},
    }  # fmt: skip
    return CheckpointHeader(architecture=architecture, **values)


@pytest.fixture
def write_own() -> Callable[..., dict]:
    """Writes a checkpoint to a path; gives its tensors."""

    def write(path: Path, backbone: str, *, unshared: bool = False) -> dict:
        header = make_header(backbone, unshared=unshared)
        tensors = build_grader(header.architecture, pretrained=False).state_dict()
        write_checkpoint(path, tensors, header, force=False)
        return tensors

    return write
