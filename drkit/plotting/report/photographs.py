"""The sections that show photographs: where runs err, and what their decisions rest on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from drkit.agreement import with_interval
from drkit.errors import InputError, first_few
from drkit.images.files import Photograph, read_photograph
from drkit.plotting.gallery import show_errors
from drkit.plotting.report.page import Block, Grid, Paragraph, Picture, Pictures, Section, embed_photograph
from drkit.plotting.report.sources import Source
from drkit.records.explanations import ExplainedPhotograph, Explanations, read_explanations
from drkit.records.labels import Labels
from drkit.reporting import Table
from drkit.talk import warn

MOST_ERRORS = 8  # photographs
MOST_EXPLAINED = 12  # of a folder
SIDE = 200  # pixels of a thumbnail
STRIP = 620  # CSS pixels of a strip: photograph, for, against
SHARPNESS = 1.5  # pixels of a strip for a CSS pixel


def tell_errors(sources: Sequence[Source], labels: Labels) -> list[Section]:
    """The worst graded photographs of the first run that can be scored."""
    source = next(source for source in sources if source.drawn)
    assert source.drawn is not None
    try:
        shown = show_errors(source.drawn, labels, MOST_ERRORS, side=SIDE)
    except InputError as error:
        warn(f"no errors are shown: {error}")
        return []
    told = f"{source.name}: the scores farthest from the reference grade, worst first; the score is in brackets."
    pictures = [
        embed_photograph(item.photograph, f"photograph {item.image_id}", *item.lines, width=SIDE) for item in shown
    ]
    return [Section("errors", "Errors", [Paragraph(told), Pictures(pictures)])]


def read_explained(folders: Sequence[Path]) -> dict[Path, Explanations]:
    """What stands in folders that `drkit explain` wrote.

    Raises:
        InputError: a folder without a manifest, or one that names a picture that is not there.
    """
    explained = {folder: read_explanations(folder) for folder in folders}
    for folder, found in explained.items():
        missing = [row.picture for row in found.photographs if not (folder / row.picture).is_file()]
        if missing:
            raise InputError(f"{folder} lacks {len(missing)} pictures that its manifest names: {first_few(missing)}")
    return explained


def tell_explanations(explained: Mapping[Path, Explanations], *, with_photographs: bool) -> list[Section]:
    """What was asked, how faithful the maps are, and the maps.

    Args:
        explained: As `read_explained` gives.
        with_photographs: Whether photographs may be shown; else only figures are told.
    """
    blocks: list[Block] = []
    for folder, found in explained.items():
        blocks += _tell_explained(found, folder, with_photographs=with_photographs)
    return [Section("explanations", "Explanations: task (e)", blocks)] if blocks else []


def _tell_explained(found: Explanations, folder: Path, *, with_photographs: bool) -> list[Block]:
    parts = ["the photograph", *(f"what {words}" for words in (found.speaks_for, found.speaks_against) if words)]
    told = (
        f"{found.run} by {found.method}; asked: {found.asked}, of the {found.target}'s grade."
        f" Photographs: {found.reason}. From left to right {', '.join(parts)}."
    )
    blocks: list[Block] = [Paragraph(told)]
    alarmed = [row.image_id for row in found.photographs if row.alarm]
    if alarmed:
        outside = f"The evidence is denser outside the fundus disc than inside in {', '.join(alarmed)}."
        blocks.append(Paragraph(outside, "warning"))
    for title, figures in (("Faithfulness", found.faithfulness), ("Lesions", found.lesions)):
        if figures:
            blocks.append(Grid(Table(f"{title} of {found.method}", ("measure", "value"), _flatten(figures))))
    if with_photographs:
        blocks.append(Pictures([_embed(row, folder) for row in found.photographs[:MOST_EXPLAINED]]))
    return blocks


def _flatten(figures: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Rows of name and value; a value with low and high is one row."""
    rows = []
    for name, value in figures.items():
        words = f"{before}{name.replace('_', ' ')}"
        if isinstance(value, dict) and {"value", "low", "high"} <= set(value):
            rows.append((words, with_interval(value["value"], (value["low"], value["high"]))))
        elif isinstance(value, dict):
            rows += _flatten(value, f"{words}: ")
        else:
            rows.append((words, f"{value:.3f}" if isinstance(value, float) else str(value)))
    return rows


def _embed(row: ExplainedPhotograph, folder: Path) -> Picture:
    reference = "unknown" if row.reference_grade is None else row.reference_grade
    told = f"is {reference}, graded {row.predicted_grade} ({row.score:.1f})"
    picture = _shrink(read_photograph(folder / row.picture))
    return embed_photograph(picture, f"evidence in {row.image_id}", row.image_id, told, width=STRIP)


def _shrink(picture: Photograph) -> Photograph:
    """The picture, at most `STRIP` * `SHARPNESS` pixels wide."""
    height, width = picture.shape[:2]
    scale = STRIP * SHARPNESS / width
    if scale >= 1:
        return picture
    size = (round(width * scale), round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
