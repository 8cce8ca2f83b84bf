"""The ICDR scale, and the two things a grade can be of."""

from typing import Literal, get_args

Target = Literal["patient", "eye"]
Split = Literal["train", "val", "test"]
Eye = Literal["left", "right"]
Level = Literal["photograph", "eye", "patient"]  # what counts as one case

TARGETS: tuple[str, ...] = get_args(Target)
SPLITS: tuple[Split, ...] = get_args(Split)
EYES: tuple[str, ...] = get_args(Eye)

GRADE_NAMES = ("no DR", "mild", "moderate", "severe", "proliferative")
NUM_GRADES = len(GRADE_NAMES)
MAX_GRADE = NUM_GRADES - 1
UNGRADABLE = 5  # documented by DeepDRiD as "cannot be graded": counted, never trained on, never predicted
REFERABLE_FROM = 2  # moderate DR and worse is referred to an ophthalmologist


def grade_column(target: str) -> str:
    """The labels' and predictions' column that holds the reference grade of `target`."""
    return f"{target}_grade"
