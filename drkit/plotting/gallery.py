"""Pictures of photographs with captions: the largest errors of a run, and examples of each grade."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from drkit.auditing.quality import find_quality_warnings
from drkit.errors import InputError, first_few
from drkit.evaluation import EvaluationSet
from drkit.grades import GRADE_NAMES, NUM_GRADES, Target, grade_column
from drkit.images.disc import square_about_disc
from drkit.images.files import Photograph, read_content, read_photograph
from drkit.images.reduced import decode_reduced
from drkit.plotting.criteria import CRITERIA
from drkit.plotting.style import break_name, styled
from drkit.progress import notify
from drkit.records.explanations import MANIFEST, find_explanations, read_explanations
from drkit.records.labels import Labels, image_stem

SIDE = 320  # pixels of a thumbnail
_CAPTION = 26  # characters of a line below a thumbnail
_CELL = 1.55  # inches, side of a thumbnail with its margin
_LINE = 0.13  # inches, of a caption
_MAX_COLUMNS = 4  # photographs side by side
_MAX_WIDTH = 4.2  # cells side by side, with explanations: column width
_CRITERIA = 28  # characters of a line of a grade's criteria
QUALITY = "overall_quality"  # column of data sets that judge their photographs: 1 good, 0 not
CANDIDATES = 3  # photographs whose quality is measured for each that is shown


@dataclass(frozen=True)
class GalleryItem:
    """A photograph with its caption.

    Args:
        image_id: Id of the photograph.
        photograph: The photograph, uint8 (SIDE, SIDE, 3), cropped to a square about the fundus disc.
        lines: Lines of the caption.
        overlay: The maps of its explanation, uint8 (H, W, 3); None if it was not explained.
        overlay_caption: Description of the maps.
    """

    image_id: str
    photograph: Photograph
    lines: tuple[str, ...]
    overlay: Photograph | None = None
    overlay_caption: str = "evidence for, against"


def fetch_thumbnail(path: Path, side: int = SIDE) -> Photograph:
    """Read a photograph as uint8 (side, side, 3), cropped to a square about its fundus disc.

    Raises:
        InputError: the photograph cannot be read.
    """
    return square_about_disc(decode_reduced(read_content(path), str(path), side)[0].pixels, side)


def show_errors(
    run: EvaluationSet, labels: Labels, num: int, explanations: Path | None = None, side: int = SIDE
) -> list[GalleryItem]:
    """The `num` photographs whose score is furthest from the reference grade, largest error first.

    Args:
        run: Evaluated photographs of the run.
        labels: The data set, with the photographs' paths.
        num: Maximum number of photographs.
        explanations: Folder written by `drkit explain`, or of pictures named after the photographs' ids, which are
            shown beside the photographs.
        side: Side of the thumbnails in pixels.

    Raises:
        InputError: the data set lacks a photograph, or the folder has no picture of any photograph.
    """
    rows = run.predictions.rows
    distance = np.abs(rows["score"].to_numpy(dtype=np.float64) - run.reference)
    worst = np.lexsort((rows["image_id"].to_numpy(dtype=str), -distance))[:num]
    paths = _find_photographs(rows["image_id"].iloc[worst], labels, run.name)
    overlays = _find_overlays(list(paths), explanations)
    meaning = _describe_overlays(explanations)
    shown = []
    for row, (image_id, path) in zip(worst, paths.items(), strict=True):
        record = rows.iloc[row]
        lines = (image_id, f"is {run.reference[row]}, graded {record['predicted_grade']} ({record['score']:.1f})")
        overlay = _read_overlay(overlays[image_id]) if image_id in overlays else None
        shown.append(GalleryItem(image_id, fetch_thumbnail(path, side), lines, overlay, meaning))
    return shown


def show_examples(labels: Labels, num: int, seed: int = 0, side: int = SIDE) -> list[list[GalleryItem]]:
    """Choose random photographs of each grade, of good quality and from different patients if there are enough.

    The grade is the eye's if the data set states it, since that is what the photograph shows, else the patient's. The
    quality is the data set's own judgement; if there is none, photographs with a quality warning come last among
    `CANDIDATES` times as many as are shown.

    Args:
        labels: Graded photographs.
        num: Maximum number of photographs of each grade.
        seed: Random seed.
        side: Side of the thumbnails in pixels.

    Raises:
        InputError: no photograph has a grade.
    """
    target: Target = "eye" if labels.rows["eye_grade"].notna().any() else "patient"
    graded = labels.graded(target).rows
    if graded.empty:
        raise InputError(f"{labels.title} states no grades, so there are no examples to show")
    shuffled = graded.sort_values("image_id").sample(frac=1, random_state=seed)
    examples = []
    for grade in range(NUM_GRADES):
        of_grade = shuffled[shuffled[grade_column(target)] == grade]
        chosen = _choose_examples(of_grade, num)
        shown = zip(chosen["image_id"].astype(str), chosen["path"].astype(str), strict=True)
        examples.append([GalleryItem(name, fetch_thumbnail(Path(path), side), (name,)) for name, path in shown])
    return examples


def _choose_examples(rows: pd.DataFrame, num: int) -> pd.DataFrame:
    """The first `num` rows, sorted by quality, then by the number of earlier rows of the patient."""
    repeats = rows.groupby(rows["patient_id"].fillna(rows["image_id"])).cumcount().to_numpy()
    if QUALITY in rows and rows[QUALITY].notna().any():
        is_poor = (rows[QUALITY].fillna(0) < 1).to_numpy(dtype=bool)
        return rows.iloc[np.lexsort((repeats, is_poor))[:num]]
    candidates = rows.iloc[np.argsort(repeats, kind="stable")[: CANDIDATES * num]]
    is_poor = np.array(
        [bool(warnings) for warnings in find_quality_warnings([Path(path) for path in candidates["path"]])]
    )
    return candidates.iloc[np.argsort(is_poor, kind="stable")[:num]]


def draw_errors(shown: Sequence[GalleryItem], title: str) -> Figure:
    """Draw photographs with their captions, each with its explanation to the right if it has one.

    Args:
        shown: At least one photograph.
        title: Title of the figure.
    """
    aspects = [item.overlay.shape[1] / item.overlay.shape[0] for item in shown if item.overlay is not None]
    item_cells = 1 + max(aspects, default=0.0)  # width of a photograph and its explanation, in cells
    num_columns = max(1, min(int(_MAX_WIDTH // item_cells), _MAX_COLUMNS, len(shown)))
    captions = ["\n".join(break_name(line, _CAPTION) for line in item.lines) for item in shown]
    row_height = _CELL + _LINE * max(caption.count("\n") + 1 for caption in captions)  # inches
    width = max(_CELL * item_cells * num_columns, 3.2)
    heading = break_name(title, int(width * 11))
    top = 0.15 + 0.17 * (heading.count("\n") + 1)  # inches of the heading
    with styled():
        figure = Figure(figsize=(width, top + row_height * -(-len(shown) // num_columns)))
        figure.text(0.5, 1 - 0.07 / figure.get_figheight(), heading, ha="center", va="top", fontsize=10)
        for number, (item, caption) in enumerate(zip(shown, captions, strict=True)):
            row, column = divmod(number, num_columns)
            corner = (_CELL * item_cells * column, figure.get_figheight() - top - row_height * row)
            _show_at(figure, item.photograph, corner, caption)
            if item.overlay is not None:
                _show_at(figure, item.overlay, (corner[0] + _CELL, corner[1]), item.overlay_caption)
    return figure


def _show_at(figure: Figure, picture: Photograph, corner: tuple[float, float], caption: str) -> None:
    """Show a picture one cell tall; `corner` is its upper left corner in inches from the figure's lower left."""
    width, height = figure.get_size_inches()
    side, gap = _CELL - 0.1, 0.05  # inches
    picture_width = side * picture.shape[1] / picture.shape[0]
    box = ((corner[0] + gap) / width, (corner[1] - side) / height, picture_width / width, side / height)
    axes = figure.add_axes(box)
    axes.imshow(picture, interpolation="lanczos", aspect="auto")
    axes.set_axis_off()
    middle = (corner[0] + gap + picture_width / 2) / width
    figure.text(middle, (corner[1] - side - gap) / height, caption, ha="center", va="top", fontsize=7.5)


def draw_examples(rows: Sequence[Sequence[GalleryItem]], title: str) -> Figure:
    """Draw one column per grade: its name, what to look for, and photographs.

    Args:
        rows: Photographs of each of the grades 0 to 4; empty if the grade does not occur.
        title: Title of the figure.
    """
    num_rows = max(1, *map(len, rows))
    criteria = [
        break_name(CRITERIA[grade] if shown else f"{CRITERIA[grade]} (no photograph here)", _CRITERIA)
        for grade, shown in enumerate(rows)
    ]
    captions = [[break_name(item.lines[0], _CAPTION) for item in shown] for shown in rows]
    max_lines = max((caption.count("\n") + 1 for shown in captions for caption in shown), default=1)
    heading = break_name(title, int(_CELL * NUM_GRADES * 11))
    top = 0.2 + 0.17 * (heading.count("\n") + 1)  # inches of the heading
    head = 0.3 + _LINE * max(text.count("\n") + 1 for text in criteria)  # inches of a grade's name and criteria
    row_height = _CELL + _LINE * max_lines
    with styled():
        figure = Figure(figsize=(_CELL * NUM_GRADES, top + head + row_height * num_rows))
        height, width = figure.get_figheight(), figure.get_figwidth()
        figure.text(0.5, 1 - 0.07 / height, heading, ha="center", va="top", fontsize=10)
        for grade, (shown, text) in enumerate(zip(rows, criteria, strict=True)):
            left = (_CELL * grade + 0.05) / width
            figure.text(left, 1 - top / height, f"{grade}  {GRADE_NAMES[grade]}", fontsize=10, weight="bold", va="top")
            figure.text(left, 1 - (top + 0.2) / height, text, fontsize=7, va="top", linespacing=1.2)
            for number, (item, caption) in enumerate(zip(shown, captions[grade], strict=True)):
                _show_at(figure, item.photograph, (_CELL * grade, height - top - head - row_height * number), caption)
    return figure


def _find_photographs(image_ids: pd.Series, labels: Labels, name: str) -> dict[str, Path]:
    """Paths of the photographs by id, in the order of the ids.

    Raises:
        InputError: the data set lacks some of the photographs.
    """
    paths = {image_stem(str(key)): path for key, path in zip(labels.rows["image_id"], labels.rows["path"], strict=True)}
    missing = [image_id for image_id in image_ids if pd.isna(paths.get(image_stem(image_id)))]
    if missing:
        raise InputError(
            f"{labels.title} lacks {len(missing)} of the photographs that {name} has graded: {first_few(missing)}:"
            " give the data set it was graded from with --data"
        )
    return {str(image_id): Path(paths[image_stem(image_id)]) for image_id in image_ids}


def _find_overlays(image_ids: Sequence[str], folder: Path | None) -> dict[str, Path]:
    """Paths of the explanations by photograph id.

    Raises:
        InputError: the folder does not exist, has explanations of several methods, or has none of the photographs.
    """
    if folder is None:
        return {}
    if not folder.exists():
        raise InputError(f"{folder} does not exist: expected a folder that drkit explain wrote")
    folder, *others = find_explanations(folder)
    if others:
        raise InputError(
            f"--explanations: the folder has explanations of several methods, name one: {first_few([folder, *others])}"
        )
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: expected one that drkit explain wrote")
    pictures = _list_overlays(folder)
    overlays = {image_id: pictures[image_id] for image_id in image_ids if image_id in pictures}
    if not overlays:
        raise InputError(f"{folder} has no picture of any of {first_few(image_ids)}: explain these with --ids")
    missing = [image_id for image_id in image_ids if image_id not in overlays]
    if missing:
        notify(f"{folder} has no picture of {first_few(missing)}: explain these with --ids to see them all")
    return overlays


def _describe_overlays(folder: Path | None) -> str:
    """Description of the maps of a folder from left to right, as its manifest states it."""
    manifests = [path for path in find_explanations(folder) if (path / MANIFEST).is_file()] if folder else []
    if not manifests:
        return "evidence for, against"
    explanations = read_explanations(manifests[0])
    return ", ".join(filter(None, (explanations.speaks_for, explanations.speaks_against)))


def _list_overlays(folder: Path) -> dict[str, Path]:
    """Id to picture, as a manifest says, else as the pictures are named."""
    if (folder / MANIFEST).is_file():
        return {row.image_id: folder / row.picture for row in read_explanations(folder).photographs}
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".png", ".jpg", ".jpeg")}


def _read_overlay(path: Path) -> Photograph:
    """A picture; of a strip, which begins with the photograph itself, what follows that."""
    picture = read_photograph(path)
    height, width = picture.shape[:2]
    return picture[:, height:] if width >= 2 * height else picture
