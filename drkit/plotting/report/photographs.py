"""The sections that show photographs: where runs err, and what their decisions rest on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from drkit.errors import InputError, first_few
from drkit.explaining.metrics import HOW_TO_READ, Means, MeanWithInterval, faithfulness_table, lesion_table
from drkit.images.files import Photograph, read_photograph
from drkit.plotting.gallery import show_errors
from drkit.plotting.report.page import Block, Paragraph, Picture, Pictures, Section, TableBlock, embed_photograph
from drkit.plotting.report.sources import ReportSource
from drkit.progress import warn
from drkit.records.explanations import ExplainedPhotograph, Explanations, find_explanations, read_explanations
from drkit.records.labels import Labels

MOST_ERRORS = 8  # photographs
MOST_EXPLAINED = 12  # photographs of a folder
MOST_STRIPS = 24  # of all folders
SIDE = 200  # pixels of a thumbnail
STRIP = 584  # CSS pixels of a strip: photograph, for, against
SHARPNESS = 1.5  # pixels of a strip for a CSS pixel


def tell_errors(sources: Sequence[ReportSource], labels: Labels) -> list[Section]:
    """The worst graded photographs of the first run that can be scored."""
    source = next(source for source in sources if source.drawn)
    assert source.drawn is not None
    try:
        shown = show_errors(source.drawn, labels, MOST_ERRORS, side=SIDE)
    except InputError as error:
        warn(f"no errors are shown: {error}")
        return []
    text = f"{source.name}: the scores farthest from the reference grade, worst first; the score is in brackets."
    pictures = [
        embed_photograph(item.photograph, f"photograph {item.image_id}", *item.lines, width=SIDE) for item in shown
    ]
    return [Section("errors", "Errors", [Paragraph(text), Pictures(pictures)])]


def read_explained(folders: Sequence[Path]) -> dict[Path, Explanations]:
    """What stands in folders that `drkit explain` wrote, each method's in the order of their names.

    Raises:
        InputError: a folder without a manifest, or one that names a picture that is not there.
    """
    explained = {folder: read_explanations(folder) for given in folders for folder in find_explanations(given)}
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
    blocks = _tell_figures(explained.values())
    num = min(MOST_EXPLAINED, max(1, MOST_STRIPS // max(1, len(explained)))) if with_photographs else 0
    for folder, found in explained.items():
        blocks += _tell_explained(found, folder, num)
    return [Section("explanations", "Explanations: task (e)", blocks)] if blocks else []


def _tell_explained(explained: Explanations, folder: Path, num: int) -> list[Block]:
    """What was asked and alarming, and the maps of at most `num` photographs, from the first to the last."""
    parts = [
        "the photograph",
        *(f"what {words}" for words in (explained.speaks_for, explained.speaks_against) if words),
    ]
    text = (
        f"{explained.run} by {explained.method}; asked: {explained.asked}, of the {explained.target}'s grade."
        f" Photographs: {explained.reason}. From left to right {', '.join(parts)}."
    )
    blocks: list[Block] = [Paragraph(text)]
    alarmed = [row.image_id for row in explained.photographs if row.alarm]
    if alarmed:
        outside = f"The evidence is denser outside the fundus disc than inside in {', '.join(alarmed)}."
        blocks.append(Paragraph(outside, "warning"))
    places = np.unique(np.linspace(0, len(explained.photographs) - 1, num).round().astype(int))
    shown = [_embed(explained.photographs[place], folder) for place in places[: len(explained.photographs)]]
    return [*blocks, Pictures(shown)] if shown else blocks


def _tell_figures(explained: Collection[Explanations]) -> list[Block]:
    """Faithfulness and lesions, methods that were asked the same of the same photographs in one table."""
    alike: dict[str, list[Explanations]] = {}
    for found in explained:
        alike.setdefault(f"{found.run}, asked: {found.asked}, {found.reason}", []).append(found)
    blocks: list[Block] = []
    for words, members in alike.items():
        proofs = {found.method: _means(found.faithfulness) for found in members if found.faithfulness}
        lesions = {
            found.method: {kind: _means(figures) for kind, figures in found.lesions.items()}
            for found in members
            if found.lesions
        }
        tables = [faithfulness_table(proofs)] if proofs else []
        tables += [lesion_table(lesions)] if lesions else []
        blocks += [TableBlock(replace(table, title=f"{words}. {table.title}")) for table in tables]
    text = [Paragraph(f"How to read it: {HOW_TO_READ}.", "quiet")]
    return [*blocks, *text] if any(found.faithfulness for found in explained) else blocks


def _means(figures: Mapping[str, Any]) -> Means:
    return {name: MeanWithInterval(**mean) for name, mean in figures.items()}


def _embed(row: ExplainedPhotograph, folder: Path) -> Picture:
    reference = "unknown" if row.reference_grade is None else row.reference_grade
    text = f"is {reference}, graded {row.predicted_grade} ({row.score:.1f})"
    picture = _shrink(read_photograph(folder / row.picture))
    return embed_photograph(picture, f"evidence in {row.image_id}", row.image_id, text, width=STRIP)


def _shrink(picture: Photograph) -> Photograph:
    """The picture, at most `STRIP` * `SHARPNESS` pixels wide."""
    height, width = picture.shape[:2]
    scale = STRIP * SHARPNESS / width
    if scale >= 1:
        return picture
    size = (round(width * scale), round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
