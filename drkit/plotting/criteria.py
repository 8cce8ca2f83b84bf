"""Criteria of the grades on the International Clinical Diabetic Retinopathy scale."""

from drkit.grades import GRADE_NAMES

# Source: Wilkinson et al. 2003, Ophthalmology 110(9), table 1: the International Clinical Diabetic Retinopathy scale.
CRITERIA = (
    "nothing to be seen: no microaneurysms, no haemorrhages",
    "microaneurysms only: a few small round red dots",
    "more than microaneurysms, less than severe: dot and blot haemorrhages, hard exudates (yellow, sharp), cotton wool"
    " spots (white, soft)",
    "any of: over 20 haemorrhages in each quadrant, veins beaded in two quadrants, abnormal small vessels within the"
    " retina in one; no new vessels",
    "new vessels at the optic disc or elsewhere, or blood before the retina or in the vitreous",
)


def describe_grade(grade: int) -> str:
    """Number, name and criteria of a grade: `2 moderate: more than microaneurysms, ...`."""
    return f"{grade} {GRADE_NAMES[grade]}: {CRITERIA[grade]}"
