"""The model card states how the logits of every loss are read."""

from typing import Any

import pytest

from drkit.catalogue import OWN_LOSSES
from drkit.exporting.card import READINGS, write_card

FACTS: dict[str, Any] = {
    "run": "eyes", "backbone": "resnet18", "drkit_version": "1.0", "target": "eye", "warning": "Not a device.",
    "trained_on": 12, "weights": "imagenet", "photographs_a_unit": 1, "licence": "mit", "steps": [],
    "trained_on_unknown_photographs": False, "cut_points": None, "decision": "argmax", "training_data": ["eyes"],
}  # fmt: skip


@pytest.mark.parametrize("loss", OWN_LOSSES)
def test_how_the_logits_of_a_loss_are_read(loss: str) -> None:
    assert READINGS[loss] in write_card({**FACTS, "loss": f"{loss}:smoothing=0.1"}, 224, None, "last")


def test_logits_of_a_loss_of_another_package_are_read_by_the_loss() -> None:
    card = write_card({**FACTS, "loss": "focal:gamma=1.5"}, 224, None, "last")
    assert "- Output: Logits, whose probabilities `drkit.losses.build_loss('focal:gamma=1.5').probabilities`" in card
