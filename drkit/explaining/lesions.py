"""Masks of lesions, and the share of an attribution inside them."""

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

ANY = "lesion"  # the kind of a mask whose name has none
MAX_MARKED = 0.5  # share of a photograph; a file that marks more is not a mask of lesions
ANATOMY = re.compile(r"optic|dis[ck]\b|\bod\b|macula|fovea|vessel", re.IGNORECASE)  # kinds of mask that show no lesion

Mask = NDArray[np.bool_]  # (S, S)


def find_masks(folder: Path, image_ids: Sequence[str], steps: Sequence[str] = ()) -> dict[str, dict[str, list[Path]]]:
    """Find the files of the masks, by image id and kind of lesion.

    The names may be `FOLDER/ID.png`, `FOLDER/ID_KIND.png` or `FOLDER/KIND/ID*.png`, in any photographic format.

    Args:
        folder: Folder of the masks.
        image_ids: Ids of the photographs whose masks are needed.
        steps: Preprocessing that the run still applies to the photographs, but not to their masks.

    Raises:
        UsageError: a step crops the photographs, so that the masks no longer fit.
        InputError: there is no such folder, or no mask of any of the photographs.
    """
    if cropping := [step for step in steps if FILTERS[step.partition(":")[0]].changes_frame]:
        raise UsageError(
            f"--lesions: the run still crops these photographs ({', '.join(cropping)}), but not their masks: preprocess"
            " the photographs and the masks alike, and explain those photographs"
        )
    if not folder.is_dir():
        raise InputError(f"--lesions {folder} is not a folder: give the folder of the masks")
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in PHOTOGRAPH_SUFFIXES]
    masks: dict[str, dict[str, list[Path]]] = {}
    known = set(image_ids)
    for path in files:
        owner = _owner(path.stem, known)
        if owner is not None:
            suffix = path.stem[len(owner) :].strip("_")
            kind = suffix or ANY if path.parent == folder else path.parent.name
            masks.setdefault(owner, {}).setdefault(kind, []).append(path)
    if not masks:
        raise InputError(
            f"--lesions {folder} has no mask of any of the {len(known)} photographs: expected names such as"
            f" {image_ids[0]}.png, {image_ids[0]}_haemorrhages.png, or haemorrhages/{image_ids[0]}.png"
        )
    return masks


def choose_lesions(masks: Mapping[str, Mapping[str, Sequence[Path]]], words: Sequence[str] = ()) -> frozenset[str]:
    """Choose the kinds of mask that count as lesions.

    Args:
        masks: The result of `find_masks`.
        words: Parts of the names of the kinds that count, in upper or lower case. Without words all kinds count except
            those named after the optic disc, the macula, the fovea or vessels.

    Raises:
        UsageError: a word that is in no kind's name.
    """
    kinds = sorted({kind for by_kind in masks.values() for kind in by_kind})
    if not words:
        return frozenset(kind for kind in kinds if not ANATOMY.search(kind))
    for word in words:
        if not any(word.lower() in kind.lower() for kind in kinds):
            raise UsageError(f"--lesion-kinds {word}: there are masks of {', '.join(kinds)}")
    return frozenset(kind for kind in kinds if any(word.lower() in kind.lower() for word in words))


def read_mask(paths: Sequence[Path], shape: tuple[int, int], frame: Box, side: int) -> Mask:
    """Read the masks of one photograph as their union, cropped like the photograph.

    Args:
        paths: Files whose pixels are 0 outside lesions.
        shape: Height and width of the photograph's file in pixels.
        frame: The square of the photograph that the network sees.
        side: Side of the result in pixels; a pixel is true if a lesion touches it.

    Raises:
        InputError: a mask that differs from the photograph in size, or that marks most of it.
    """
    union = np.zeros((side, side), dtype=bool)
    for path in paths:
        marks = read_photograph(path)
        if marks.shape[:2] != shape:
            raise InputError(
                f"{path} has {marks.shape[1]} x {marks.shape[0]} pixels, but its photograph {shape[1]} x {shape[0]}:"
                " expected masks with the size of the photographs"
            )
        marked = (marks > 0).any(2, keepdims=True)
        if marked.mean() > MAX_MARKED:
            raise InputError(
                f"{path} marks {marked.mean():.0%} of its photograph: expected a mask that is 0 outside lesions"
            )
        white: Photograph = (marked * np.full(3, 255)).astype(np.uint8)
        union |= cut_square(white, frame, side)[..., 0] > 0
    return union


def points_at(weights: NDArray[np.floating], mask: Mask) -> float:
    """The pointing game: 1 if the highest attribution (S, S) is inside the mask, else 0; NaN without attribution.

    Source: Zhang et al. 2018, IJCV 126, section 4.2, without the tolerance of 15 pixels.
    """
    if not weights.max() > 0:
        return float("nan")
    return float(mask.flat[weights.argmax()])


def mass_inside(weights: NDArray[np.floating], mask: Mask) -> float:
    """Share of the attribution (S, S) inside the mask; NaN without attribution."""
    total = weights.sum()
    return float((weights * mask).sum() / total) if total > 0 else float("nan")


def _owner(stem: str, known: set[str]) -> str | None:
    """The longest known id that is the stem, or its beginning up to a `_`."""
    while stem:
        if stem in known:
            return stem
        stem, sign, _ = stem.rpartition("_")
        if not sign:
            return None
    return None
