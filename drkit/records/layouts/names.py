"""Patient, eye, view and split in the names of files and folders."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drkit.grades import Eye, Split

_PHOTOGRAPH = re.compile(r"([0-9]+)_(left|right|l|r)([0-9]{0,3})", re.IGNORECASE)
_LOOSE_PHOTOGRAPHS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<patient>.*[0-9].*?)[_\-. ]+(?P<eye>left|right|os|od|le|re|l|r)(?:[_\-. ]?(?P<view>[0-9]{1,3}))?",
        r"(?P<eye>left|right|os|od)[_\-. ]+(?P<patient>.*[0-9].*?)(?P<view>)",
    )
)
_EYE_ALONE = re.compile(r"(left|right|os|od|le|re|l|r)(?:[_\-. ]?eye)?[_\-. ]?([0-9]{0,3})", re.IGNORECASE)
_PAIRS = re.compile(r"messidor[-_ ]?2\.csv|.*\bpairs?\b.*\.csv", re.IGNORECASE)
_NO_PHOTOGRAPHS = re.compile(r"mask|lesion|ground.?truth|annotation|vessel|(?<![a-z])labels?(?![a-z])", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_EYES: dict[str, Eye] = {
    "left": "left", "l": "left", "os": "left", "le": "left", "lefteye": "left",
    "right": "right", "r": "right", "od": "right", "re": "right", "righteye": "right",
}  # fmt: skip
_SPLITS: dict[str, Split] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test", "evaluation": "test",
}  # fmt: skip


@dataclass(frozen=True)
class PhotographName:
    """Patient, eye and view in a name such as `347_l1` or `10_left`; None if the name does not state them."""

    patient_id: str | None = None
    eye: Eye | None = None
    view: int | None = None


def parse_name(image_id: str) -> PhotographName:
    """Parse DeepDRiD's `347_l1` and EyePACS's `10_left`; any other name gives an empty result."""
    match = _PHOTOGRAPH.fullmatch(image_id)
    if not match:
        return PhotographName()
    patient, eye, view = match.groups()
    return PhotographName(patient, _EYES[eye.lower()], _view(view))


def parse_names(names: Sequence[str], folders: Sequence[str]) -> list[PhotographName]:
    """Parse the names of a data set's photographs, like `parse_name` and, if the names agree, in more forms.

    `P07-OD`, `A12_left_2` and `OD_0031` are parsed if at least half of the names have such a form and both eyes occur.
    A photograph whose name is only an eye (`OD`, `left_1`) belongs to the patient after whom its folder is named.

    Args:
        names: File names without suffix.
        folders: Name of each photograph's folder; empty for the data set's own folder.
    """
    strict = [parse_name(name) for name in names]
    loose = [_parse_loosely(name, folder) for name, folder in zip(names, folders, strict=True)]
    parsed = [first if first.eye else second for first, second in zip(strict, loose, strict=True)]
    eyes = [name.eye for name in parsed if name.eye]
    return parsed if 2 * len(eyes) >= len(parsed) and len(set(eyes)) > 1 else strict


def is_eye_alone(name: str) -> bool:
    """Whether a photograph's name is only an eye: `OD`, `left_1`."""
    return _EYE_ALONE.fullmatch(name) is not None


def _parse_loosely(name: str, folder: str) -> PhotographName:
    alone = _EYE_ALONE.fullmatch(name)
    if alone:
        is_patient = folder and split_of_name(folder) is None
        return PhotographName(folder, _EYES[alone[1].lower()], _view(alone[2])) if is_patient else PhotographName()
    match = next(filter(None, (pattern.fullmatch(name) for pattern in _LOOSE_PHOTOGRAPHS)), None)
    if not match:
        return PhotographName()
    return PhotographName(match["patient"], _EYES[match["eye"].lower()], _view(match["view"]))


def _view(digits: str | None) -> int | None:
    return int(digits) if digits else None


def parse_eye(text: str) -> Eye | None:
    """Parse the eye that a cell states (left, l, OS; right, r, OD; case is ignored); None for other words."""
    return _EYES.get(re.sub(r"[\W_]+", "", text).lower())


def split_of_name(text: str) -> Split | None:
    """The split in a name such as `trainLabels_cropped` or `a. Training Set`; None without one or with several."""
    words = {word.lower() for word in _WORD.findall(text)}
    splits = {_SPLITS[word] for word in words & _SPLITS.keys()}
    return splits.pop() if len(splits) == 1 else None


def split_folders(split: Split) -> tuple[str, ...]:
    """Common names for the folder of a split."""
    return tuple(word for word, meaning in _SPLITS.items() if meaning == split)


def is_pairs_file(name: str) -> bool:
    """Whether a file's name is that of Messidor-2's table of eye pairs."""
    return _PAIRS.fullmatch(name) is not None


def holds_masks(folder: str) -> bool:
    """Whether a folder's name says that it contains masks or annotations rather than photographs."""
    return _NO_PHOTOGRAPHS.search(folder) is not None
