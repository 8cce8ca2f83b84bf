"""The metadata of an exported run."""

from pathlib import Path
from typing import Any

import drkit
from drkit.errors import InputError, LeakageError
from drkit.evaluation import select_scorable
from drkit.evaluation.agreement import Agreement, measure_agreement
from drkit.grades import GRADE_NAMES, Split
from drkit.models.restoring import OpenedRun
from drkit.records.predictions import Predictions, read_predictions
from drkit.records.provenance import sha256_file
from drkit.records.runs import UNKNOWN_PHOTOGRAPHS, data_names

NO_DEVICE = (
    "For study and research only. This is not a medical device, and must not be used to diagnose or treat anybody."
)


def collect_facts(opened: OpenedRun, licence: str) -> dict[str, Any]:
    """Collect the metadata of an exported file, as JSON values.

    Args:
        opened: The run.
        licence: Licence of the exported network, as its owner states it.
    """
    header, record = opened.header, opened.record
    photographs = set(record["trained_on_photographs"])
    return {
        "run": opened.run.name,
        "grades": list(GRADE_NAMES),
        "target": header.target,
        "unit": header.architecture.unit,
        "photographs_a_unit": header.architecture.num_slots,
        "size": header.bank_side,
        "channels": "RGB, 0-255, squared about the fundus disc",
        "round_discs": header.round_discs,
        "steps": list(header.steps),
        "decision": header.decision,
        "cut_points": None if header.cut_points is None else list(header.cut_points),
        "networks": len(opened.graders),
        "backbone": header.architecture.backbone,
        "attention": header.architecture.attention,
        "loss": header.architecture.loss,
        "tta": header.tta,
        "training_data": data_names(record),
        "trained_on": len(photographs - {UNKNOWN_PHOTOGRAPHS}),
        "weights": Path(record["weights"]).name,
        "trained_on_unknown_photographs": UNKNOWN_PHOTOGRAPHS in photographs,
        "licence": licence,
        "checkpoints_sha256": [sha256_file(path) for path in opened.checkpoints],
        "drkit_version": drkit.__version__,
        "warning": NO_DEVICE,
    }


def own_agreement(opened: OpenedRun) -> Agreement | None:
    """Agreement of the run's predictions on val, by photograph; None without graded photographs of val."""
    try:
        return agreement_on(read_predictions(opened.run.predictions), "val")
    except (InputError, LeakageError):
        return None


def agreement_on(predictions: Predictions, split: Split) -> Agreement:
    """Agreement by photograph on the graded photographs of a split that the run was not trained on.

    Raises:
        InputError: the split has no such photographs.
        LeakageError: the run was trained on all photographs of the split.
    """
    cases = select_scorable(predictions, None, split=split, by="photograph").cases
    return measure_agreement(cases.reference, cases.predicted, cases.patients)
