"""Masks of lesions, and how much of an attribution lies on them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drkit.catalogue import FILTERS
from drkit.errors import InputError, UsageError
from drkit.images.disc import Box, cut_square
from drkit.images.files import Photograph, read_photograph
from drkit.records.labels import PHOTOGRAPH_SUFFIXES

ANY = "lesion"  # what a mask that names no kind of lesion shows
MOST_MARKED = 0.5  # of a photograph: what marks more is no mask of lesions
ANATOMY = re.compile(r"optic|dis[ck]\b|\bod\b|macula|fovea|vessel", re.IGNORECASE)  # kinds of mask that show no lesion

Mask = NDArray[np.bool_]  # (S, S)


def find_masks(folder: Path, image_ids: Sequence[str], steps: Sequence[str] = ()) -> dict[str, dict[str, list[Path]]]:
    """The files with masks of each photograph, by kind of lesion.

    `FOLDER/ID.png`, `FOLDER/ID_KIND.png` and `FOLDER/KIND/ID*.png` are understood, in any photographic format.

    Args:
        folder: Of the masks.
        image_ids: Whose masks are looked for.
        steps: Preprocessing that the run still applies to the photographs, and not to their masks.

    Raises:
        UsageError: a step cuts the photographs, so that masks no longer fit.
        InputError: no such folder, or no mask of any of the photographs.
    """
    if cutting := [step for step in steps if FILTERS[step.partition(":")[0]].changes_frame]:
        raise UsageError(
            f"--lesions: the run still has to cut these photographs ({', '.join(cutting)}), and masks cannot follow:"
            " preprocess photographs and masks alike, and explain those"
        )
    if not folder.is_dir():
        raise InputError(f"--lesions {folder} is no folder")
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in PHOTOGRAPH_SUFFIXES]
    masks: dict[str, dict[str, list[Path]]] = {}
    known = set(image_ids)
    for path in files:
        owner = _owner(path.stem, known)
        if owner is not None:
            named = path.stem[len(owner) :].strip("_") or ANY
            kind = named if path.parent == folder else path.parent.name
            masks.setdefault(owner, {}).setdefault(kind, []).append(path)
    if not masks:
        raise InputError(
            f"--lesions {folder} has no mask of any of the {len(known)} photographs: expected names such as"
            f" {image_ids[0]}.png, {image_ids[0]}_haemorrhages.png, or haemorrhages/{image_ids[0]}.png"
        )
    return masks


def choose_lesions(masks: Mapping[str, Mapping[str, Sequence[Path]]], words: Sequence[str] = ()) -> frozenset[str]:
    """The kinds of mask that count as lesions.

    Args:
        masks: Of `find_masks`.
        words: Words, each of which must stand in the name of a kind, in any case; empty: every kind but those named
            after the optic disc, the macula, the fovea or vessels.

    Raises:
        UsageError: a word that stands in no kind's name.
    """
    kinds = sorted({kind for of_photograph in masks.values() for kind in of_photograph})
    if not words:
        return frozenset(kind for kind in kinds if not ANATOMY.search(kind))
    for word in words:
        if not any(word.lower() in kind.lower() for kind in kinds):
            raise UsageError(f"--lesion-kinds {word}: there are masks of {', '.join(kinds)}")
    return frozenset(kind for kind in kinds if any(word.lower() in kind.lower() for word in words))


def read_mask(paths: Sequence[Path], shape: tuple[int, int], frame: Box, side: int) -> Mask:
    """Masks of one photograph, joined, cut as the photograph was; a pixel that a lesion touches belongs to it.

    Args:
        paths: Files whose pixels are 0 where nothing is marked.
        shape: Height and width of the photograph's file.
        frame: What was cut from the photograph.
        side: Of the result in pixels.

    Raises:
        InputError: a mask that is not of the photograph's size, or marks most of it.
    """
    joined = np.zeros((side, side), dtype=bool)
    for path in paths:
        marks = read_photograph(path)
        if marks.shape[:2] != shape:
            raise InputError(
                f"{path} has {marks.shape[1]} x {marks.shape[0]} pixels, its photograph {shape[1]} x {shape[0]}:"
                " masks must lie on the photograph as the data set has it"
            )
        marked = (marks > 0).any(2, keepdims=True)
        if marked.mean() > MOST_MARKED:
            raise InputError(f"{path} marks {marked.mean():.0%} of its photograph: a mask is 0 where nothing is marked")
        white: Photograph = (marked * np.full(3, 255)).astype(np.uint8)
        joined |= cut_square(white, frame, side)[..., 0] > 0
    return joined


def points_at(weights: NDArray[np.floating], mask: Mask) -> float:
    """The pointing game: 1 where the strongest attribution (S, S) lies in the mask, 0 elsewhere, NaN where it is 0.

    Source: Zhang et al. 2018, IJCV 126, section 4.2, without their tolerance of 15 pixels.
    """
    if not weights.max() > 0:
        return float("nan")
    return float(mask.flat[weights.argmax()])


def mass_inside(weights: NDArray[np.floating], mask: Mask) -> float:
    """Share of the attribution (S, S) in the mask; NaN where it is 0 everywhere."""
    total = weights.sum()
    return float((weights * mask).sum() / total) if total > 0 else float("nan")


def _owner(stem: str, known: set[str]) -> str | None:
    """The longest known id that the stem is, or begins with before a `_`."""
    while stem:
        if stem in known:
            return stem
        stem, sign, _ = stem.rpartition("_")
        if not sign:
            return None
    return None
