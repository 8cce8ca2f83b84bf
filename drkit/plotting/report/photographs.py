"""The sections with photographs: the largest errors, and the explanations."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from drkit.errors import InputError, first_few
from drkit.explaining.metrics import HOW_TO_READ, Means, MeanWithInterval, faithfulness_table, lesion_table
from drkit.explaining.writing import MIN_CELLS
from drkit.images.files import Photograph, read_photograph
from drkit.plotting.gallery import show_errors
from drkit.plotting.report.page import (
    Block,
    EvidencePicture,
    EvidencePictures,
    Heading,
    Paragraph,
    Pictures,
    Section,
    TableBlock,
    embed_photograph,
    shrink,
)
from drkit.plotting.report.results import ResultGroup
from drkit.progress import warn
from drkit.records.explanations import ExplainedPhotograph, Explanations, find_explanations, read_explanations
from drkit.records.labels import Labels

MAX_ERRORS = 8  # photographs
MAX_EXPLAINED = 12  # photographs of a folder
MAX_STRIPS = 24  # of all folders
SIDE = 200  # pixels of a thumbnail
STRIP = 576  # CSS pixels of a photograph with two maps
PANEL = 288  # pixels of each of them


def build_errors(groups: Sequence[ResultGroup], labels: Labels) -> list[Section]:
    """The photographs that the best run graded worst, of the first group whose photographs the data set contains."""
    for result in (group.results[0] for group in groups):
        try:
            shown = show_errors(result.drawn, labels, MAX_ERRORS, side=SIDE)
        except InputError as error:
            warn(f"no errors are shown of {result.name}: {error}")
            continue
        text = (
            f"{result.name} ({result.drawn.title}): the scores furthest from the reference grade, largest error first;"
            " the score is in brackets."
        )
        pictures = [
            embed_photograph(item.photograph, f"photograph {item.image_id}", *item.lines, width=SIDE) for item in shown
        ]
        return [Section("errors", "Errors", [Paragraph(text), Pictures(pictures)])]
    return []


def read_explained(folders: Sequence[Path]) -> dict[Path, Explanations]:
    """Read the folders that `drkit explain` wrote, those of several methods in the order of the methods' names.

    Raises:
        InputError: a folder without a manifest, or a manifest that names a picture that is missing.
    """
    explained = {folder: read_explanations(folder) for path in folders for folder in find_explanations(path)}
    for folder, explanations in explained.items():
        missing = [row.picture for row in explanations.photographs if not (folder / row.picture).is_file()]
        if missing:
            raise InputError(f"{folder} lacks {len(missing)} pictures that its manifest names: {first_few(missing)}")
    return explained


def build_explanations(explained: Mapping[Path, Explanations], *, with_photographs: bool) -> list[Section]:
    """The target, the faithfulness of the maps, and the maps.

    Args:
        explained: From `read_explained`.
        with_photographs: Whether photographs may be shown; else there are only figures.
    """
    blocks = _build_figures(explained.values())
    num = min(MAX_EXPLAINED, max(1, MAX_STRIPS // max(1, len(explained)))) if with_photographs else 0
    for folder, explanations in explained.items():
        blocks += _build_explained(explanations, folder, num)
    return [Section("explanations", "Explanations: task (e)", blocks)] if blocks else []


def _build_explained(explained: Explanations, folder: Path, num: int) -> list[Block]:
    """The target, alarms, and the maps of at most `num` photographs, evenly from the first to the last."""
    parts = [
        "the photograph",
        *(f"what {words}" for words in (explained.speaks_for, explained.speaks_against) if words),
    ]
    text = (
        f"{explained.run} by {explained.method}; asked: {explained.asked}, of the {explained.target}'s grade."
        f" Photographs: {explained.reason}. From left to right {', '.join(parts)}."
    )
    blocks: list[Block] = [Heading(f"{explained.run}: {explained.method}"), Paragraph(text)]
    if warning := _describe_warning(explained, folder):
        blocks.append(Paragraph(warning, "warning"))
    indices = np.unique(np.linspace(0, len(explained.photographs) - 1, num).round().astype(int))
    shown = [_embed(explained.photographs[index], explained, folder) for index in indices[: len(explained.photographs)]]
    return [*blocks, EvidencePictures(shown)] if shown else blocks


def _describe_warning(explained: Explanations, folder: Path) -> str:
    """That the maps are too coarse, else which photographs have evidence outside the disc; empty if neither."""
    num_cells = min((_count_cells(folder / row.maps) for row in explained.photographs[:1]), default=MIN_CELLS)
    if num_cells < MIN_CELLS:
        return (
            f"The maps are only {num_cells} x {num_cells} cells, too coarse to point at anything; evidence outside the"
            " fundus disc is then no sign of a shortcut."
        )
    alarmed = [row.image_id for row in explained.photographs if row.alarm]
    return f"The evidence is denser outside the fundus disc than inside in {', '.join(alarmed)}." if alarmed else ""


def _count_cells(path: Path) -> int:
    """Cells across the raw maps of a photograph; `MIN_CELLS` if they have been removed."""
    if not path.is_file():
        return MIN_CELLS
    try:
        with np.load(path, allow_pickle=False) as maps:
            return int(maps["speaking_for"].shape[-1])
    except (OSError, ValueError, LookupError, BadZipFile) as error:
        raise InputError(f"{path} does not hold the maps of drkit explain: {error}") from None


def _build_figures(explained: Collection[Explanations]) -> list[Block]:
    """Faithfulness and lesions; methods with the same target and photographs share a table."""
    groups: dict[str, list[Explanations]] = {}
    for item in explained:
        groups.setdefault(f"{item.run}, asked: {item.asked}, {item.reason}", []).append(item)
    blocks: list[Block] = []
    for title, items in groups.items():
        faithfulness = {item.method: _means(item.faithfulness) for item in items if item.faithfulness}
        lesions = {
            item.method: {kind: _means(figures) for kind, figures in item.lesions.items()}
            for item in items
            if item.lesions
        }
        tables = [faithfulness_table(faithfulness)] if faithfulness else []
        tables += [lesion_table(lesions)] if lesions else []
        blocks += [TableBlock(replace(table, title=f"{title}. {table.title}")) for table in tables]
    if any(item.faithfulness for item in explained):
        blocks.append(Paragraph(f"How to read it: {HOW_TO_READ}.", "quiet"))
    return blocks


def _means(figures: Mapping[str, Any]) -> Means:
    return {name: MeanWithInterval(**mean) for name, mean in figures.items()}


def _embed(row: ExplainedPhotograph, explained: Explanations, folder: Path) -> EvidencePicture:
    """The panels of a photograph's strip: the photograph, and the maps of evidence for and against."""
    reference = "unknown" if row.reference_grade is None else row.reference_grade
    text = f"is {reference}, graded {row.predicted_grade} ({row.score:.1f})"
    photograph, *maps = [shrink(panel, PANEL) for panel in split_strip(read_photograph(folder / row.picture))]
    meanings = (explained.speaks_for, explained.speaks_against)
    return EvidencePicture(
        embed_photograph(photograph, f"photograph {row.image_id}", row.image_id, text),
        [
            embed_photograph(painted, f"{row.image_id}: what {words}")
            for painted, words in zip(maps, meanings, strict=False)
        ],
        STRIP * (1 + len(maps)) // 3,
    )


def split_strip(strip: Photograph) -> list[Photograph]:
    """The square pictures of a strip, which have gaps of a few pixels between them."""
    height, width = strip.shape[:2]
    count = max(1, width // height)
    step = (width - height) / (count - 1) if count > 1 else 0
    return [strip[:, round(number * step) :][:, :height] for number in range(count)]
