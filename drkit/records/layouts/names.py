"""What the names of files and folders say: patient, eye, view, split."""

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
    return PhotographName(patient, _EYES[eye.lower()], _view(view))


def parse_names(names: Sequence[str], folders: Sequence[str]) -> list[PhotographName]:
    """What the names of a data set's photographs say, each as `parse_name` and, where the others bear it out, more.

    `P07-OD`, `A12_left_2` and `OD_0031` count where at least half of the names are of such a form and both eyes occur.
    A photograph called only by its eye (`OD`, `left_1`) belongs to the patient that its folder names.

    Args:
        names: Without suffix.
        folders: The name of each photograph's folder, empty where it is the data set's own.
    """
    strict = [parse_name(name) for name in names]
    loose = [_parse_loosely(name, folder) for name, folder in zip(names, folders, strict=True)]
    told = [one if one.eye else other for one, other in zip(strict, loose, strict=True)]
    eyes = [name.eye for name in told if name.eye]
    return told if 2 * len(eyes) >= len(told) and len(set(eyes)) > 1 else strict


def is_eye_alone(name: str) -> bool:
    """Whether a photograph is called only by its eye: `OD`, `left_1`."""
    return _EYE_ALONE.fullmatch(name) is not None


def _parse_loosely(name: str, folder: str) -> PhotographName:
    alone = _EYE_ALONE.fullmatch(name)
    if alone:
        is_patient = folder and split_of_name(folder) is None
        return PhotographName(folder, _EYES[alone[1].lower()], _view(alone[2])) if is_patient else PhotographName()
    found = next(filter(None, (pattern.fullmatch(name) for pattern in _LOOSE_PHOTOGRAPHS)), None)
    if not found:
        return PhotographName()
    return PhotographName(found["patient"], _EYES[found["eye"].lower()], _view(found["view"]))


def _view(digits: str | None) -> int | None:
    return int(digits) if digits else None


def parse_eye(text: str) -> Eye | None:
    """The eye that a cell names: left, l, OS; right, r, OD; in any case. None for other words."""
    return _EYES.get(re.sub(r"[\W_]+", "", text).lower())


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
