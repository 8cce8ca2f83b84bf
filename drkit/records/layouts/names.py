"""What the names of files and folders say: patient, eye, view, split."""

import re
from dataclasses import dataclass

from drkit.grades import Eye, Split

_PHOTOGRAPH = re.compile(r"([0-9]+)_(left|right|l|r)([0-9]{0,3})", re.IGNORECASE)
_PAIRS = re.compile(r"messidor[-_ ]?2\.csv|.*\bpairs?\b.*\.csv", re.IGNORECASE)
_NO_PHOTOGRAPHS = re.compile(r"mask|lesion|ground.?truth|annotation|label|vessel", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_EYES: dict[str, Eye] = {
    "left": "left", "l": "left", "os": "left", "left_eye": "left",
    "right": "right", "r": "right", "od": "right", "right_eye": "right",
}  # fmt: skip
_SPLITS: dict[str, Split] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test", "evaluation": "test",
}  # fmt: skip


@dataclass(frozen=True)
class PhotographName:
    """What `347_l1` or `10_left` says; all null for any other name."""

    patient_id: str | None = None
    eye: Eye | None = None
    view: int | None = None


def parse_name(image_id: str) -> PhotographName:
    """Patient, eye and view of DeepDRiD's `347_l1` and EyePACS's `10_left`."""
    found = _PHOTOGRAPH.fullmatch(image_id)
    if not found:
        return PhotographName()
    patient, eye, view = found.groups()
    return PhotographName(patient, _EYES[eye.lower()], int(view) if view else None)


def parse_eye(text: str) -> Eye | None:
    """The eye that a cell names: left, l, OS; right, r, OD; in any case. None for other words."""
    return _EYES.get(text.strip().lower())


def split_of_name(text: str) -> Split | None:
    """The one split among the words of a name: `trainLabels_cropped`, `a. Training Set`, `val_images`."""
    words = {word.lower() for word in _WORD.findall(text)}
    splits = {_SPLITS[word] for word in words & _SPLITS.keys()}
    return splits.pop() if len(splits) == 1 else None


def split_folders(split: Split) -> tuple[str, ...]:
    """How folders of a split are called."""
    return tuple(word for word, meant in _SPLITS.items() if meant == split)


def is_pairs_file(name: str) -> bool:
    """Whether a file's name is that of Messidor-2's pairs of eyes."""
    return _PAIRS.fullmatch(name) is not None


def holds_masks(folder: str) -> bool:
    """Whether a folder's name says that its pictures are masks or drawings, not photographs."""
    return _NO_PHOTOGRAPHS.search(folder) is not None
