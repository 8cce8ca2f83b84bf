"""Inputs of all photographs of a training, also of those that it only grades."""

from dataclasses import replace
from pathlib import Path

from drkit.data.bank import build_bank
from drkit.training.inputs import PhotographInputs
from drkit.training.setup import TrainingSetup


def bank_all(setup: TrainingSetup, folder: Path) -> PhotographInputs:
    """The inputs of the setup, but from a bank of all photographs of the plan."""
    plan = setup.plan
    bank = build_bank(plan.labels, plan.bank_side, folder, workers=1)
    return replace(setup.photographs, bank=bank, image_ids=plan.labels.rows["image_id"].tolist(), positions=None)
