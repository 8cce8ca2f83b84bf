"""The ICDR scale, and the targets, splits, eyes, levels and units of grades."""

from typing import Literal, get_args

Target = Literal["patient", "eye"]
Split = Literal["train", "val", "test"]
Eye = Literal["left", "right"]
Level = Literal["photograph", "eye", "patient"]  # of a case
Unit = Literal["image", "eye", "patient"]  # of a forward pass

TARGETS: tuple[str, ...] = get_args(Target)
SPLITS: tuple[Split, ...] = get_args(Split)
EYES: tuple[str, ...] = get_args(Eye)

GRADE_NAMES = ("no DR", "mild", "moderate", "severe", "proliferative")
NUM_GRADES = len(GRADE_NAMES)
MAX_GRADE = NUM_GRADES - 1
UNGRADABLE = 5  # in DeepDRiD "cannot be graded": counted, but never trained on and never predicted
REFERABLE_FROM = 2  # moderate DR and worse is referred to an ophthalmologist


def grade_column(target: str) -> str:
    """Name of the column with the reference grades of `target`, in labels and predictions."""
    return f"{target}_grade"
