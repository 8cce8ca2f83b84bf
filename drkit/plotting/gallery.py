"""Photographs with captions, in rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drkit.errors import InputError, first_few
from drkit.grades import GRADE_NAMES, NUM_GRADES, Target, grade_column
from drkit.images.disc import square_about_disc
from drkit.images.files import Photograph, read_content, read_photograph
from drkit.images.reduced import decode_reduced
from drkit.plotting.criteria import CRITERIA
from drkit.plotting.selection import PlottedPredictions
from drkit.plotting.style import break_name, styled
from drkit.progress import notify
from drkit.records.explanations import MANIFEST, find_explanations, read_explanations
from drkit.records.labels import Labels, image_stem

SIDE = 320  # pixels of a thumbnail
_CAPTION = 26  # characters of a line below a thumbnail
_CELL = 1.55  # inches
_LINE = 0.13  # inches, of a caption
_ACROSS = 4  # photographs of a grade side by side
_UNITS = 4.2  # thumbnails side by side, at most, with their explanations: column width
_WORDS = 1.9  # inches of the column of criteria


@dataclass(frozen=True)
class GalleryItem:
    """A photograph with what is written below it.

    Args:
        image_id: Its id.
        photograph: uint8 (SIDE, SIDE, 3), squared about the fundus disc.
        lines: The caption's.
        overlay: uint8 (H, W, 3), where its decision was explained, or None.
    """

    image_id: str
    photograph: Photograph
    lines: tuple[str, ...]
    overlay: Photograph | None = None


def fetch_thumbnail(path: Path, side: int = SIDE) -> Photograph:
    """A photograph, uint8 (side, side, 3), squared about its fundus disc.

    Raises:
        InputError: it cannot be read.
    """
    return square_about_disc(decode_reduced(read_content(path), str(path), side)[0].pixels, side)


def show_errors(
    run: PlottedPredictions, labels: Labels, num: int, explanations: Path | None = None, side: int = SIDE
) -> list[GalleryItem]:
    """The `num` photographs whose score is farthest from the reference grade, worst first.

    Args:
        run: Graded photographs.
        labels: Where they lie.
        num: How many at most.
        explanations: What `drkit explain` wrote, or a folder of pictures named after the photographs' ids, shown
            beside them.
        side: Of the thumbnails in pixels.

    Raises:
        InputError: the data set lacks the photographs, or the folder has a picture of none of them.
    """
    rows = run.predictions.rows
    distance = np.abs(rows["score"].to_numpy(dtype=np.float64) - run.reference)
    worst = np.lexsort((rows["image_id"].to_numpy(dtype=str), -distance))[:num]
    places = _find_photographs(rows["image_id"].iloc[worst], labels, run.name)
    overlays = _find_overlays(list(places), explanations)
    shown = []
    for row, (image_id, path) in zip(worst, places.items(), strict=True):
        record = rows.iloc[row]
        lines = (image_id, f"is {run.reference[row]}, graded {record['predicted_grade']} ({record['score']:.1f})")
        overlay = _read_overlay(overlays[image_id]) if image_id in overlays else None
        shown.append(GalleryItem(image_id, fetch_thumbnail(path, side), lines, overlay))
    return shown


def show_examples(labels: Labels, num: int, seed: int = 0, side: int = SIDE) -> list[list[GalleryItem]]:
    """Some photographs of each grade, drawn at random from different patients as far as there are so many.

    The grade is the eye's where the data set states it, since that is what the photograph shows, else the patient's.

    Args:
        labels: Graded photographs.
        num: How many of each grade at most.
        seed: Of the draw.
        side: Of the thumbnails in pixels.

    Raises:
        InputError: no photograph has a grade.
    """
    target: Target = "eye" if labels.rows["eye_grade"].notna().any() else "patient"
    graded = labels.graded(target).rows
    if graded.empty:
        raise InputError(f"{labels.title} states no grades, so there are no examples to show")
    shuffled = graded.sort_values("image_id").sample(frac=1, random_state=seed)
    rows = []
    for grade in range(NUM_GRADES):
        of_grade = shuffled[shuffled[grade_column(target)] == grade]
        again = of_grade.groupby(of_grade["patient_id"].fillna(of_grade["image_id"])).cumcount()
        chosen = of_grade.iloc[np.argsort(again.to_numpy(), kind="stable")[:num]]
        rows.append([_show_example(record, side) for record in chosen.to_dict("records")])
    return rows


def draw_errors(shown: Sequence[GalleryItem], title: str) -> Figure:
    """Draw photographs with their captions, each with its explanation to the right where it has one.

    Args:
        shown: At least one.
        title: Above all.
    """
    beside = [item.overlay.shape[1] / item.overlay.shape[0] for item in shown if item.overlay is not None]
    broad = 1 + max(beside, default=0.0)  # of one photograph and its explanation, in photographs
    across = max(1, min(int(_UNITS // broad), _ACROSS, len(shown)))
    captions = ["\n".join(break_name(line, _CAPTION) for line in item.lines) for item in shown]
    tall = _CELL + _LINE * max(caption.count("\n") + 1 for caption in captions)  # inches of a row
    width = max(_CELL * broad * across, 3.2)
    heading = break_name(title, int(width * 11))
    top = 0.15 + 0.17 * (heading.count("\n") + 1)  # inches of the heading
    with styled():
        figure = Figure(figsize=(width, top + tall * -(-len(shown) // across)))
        figure.text(0.5, 1 - 0.07 / figure.get_figheight(), heading, ha="center", va="top", fontsize=10)
        for number, (item, caption) in enumerate(zip(shown, captions, strict=True)):
            down, right = divmod(number, across)
            corner = (_CELL * broad * right, figure.get_figheight() - top - tall * down)  # inches, upper left
            _show_at(figure, item.photograph, corner, caption)
            if item.overlay is not None:
                _show_at(figure, item.overlay, (corner[0] + _CELL, corner[1]), "evidence for, against")
    return figure


def _show_at(figure: Figure, picture: Photograph, corner: tuple[float, float], caption: str) -> None:
    """Show a picture a cell tall, its upper left corner so many inches from the figure's lower left."""
    width, height = figure.get_size_inches()
    side, gap = _CELL - 0.1, 0.05  # inches
    broad = side * picture.shape[1] / picture.shape[0]
    place = ((corner[0] + gap) / width, (corner[1] - side) / height, broad / width, side / height)
    axes = figure.add_axes(place)
    axes.imshow(picture, interpolation="lanczos", aspect="auto")
    axes.set_axis_off()
    middle = (corner[0] + gap + broad / 2) / width
    figure.text(middle, (corner[1] - side - gap) / height, caption, ha="center", va="top", fontsize=7.5)


def draw_examples(rows: Sequence[Sequence[GalleryItem]], title: str) -> Figure:
    """Draw each grade's name, what to look for, and photographs, `_ACROSS` of them side by side.

    Args:
        rows: Of grades 0 to 4; an empty one says that the grade does not occur.
        title: Above all.
    """
    across = min(_ACROSS, max(1, *map(len, rows)))
    lines = [
        (grade, row[at : at + across]) for grade, row in enumerate(rows) for at in range(0, max(1, len(row)), across)
    ]
    with styled():
        captions = [break_name(item.lines[0], _CAPTION) for row in rows for item in row]
        tall = _CELL + _LINE * max((caption.count("\n") + 1 for caption in captions), default=0)
        size = (_WORDS + _CELL * across, tall * len(lines) + 0.35)
        figure = Figure(figsize=size, layout="constrained")
        cells = figure.subplots(len(lines), across + 1, width_ratios=[_WORDS, *[_CELL] * across])
        for axes in cells.flat:
            axes.set_axis_off()
        for number, (axes, (grade, shown)) in enumerate(zip(cells, lines, strict=True)):
            if number == 0 or lines[number - 1][0] != grade:
                _write_criteria(axes[0], grade, is_there=bool(shown))
            for place, item in zip(axes[1:], shown, strict=False):
                _show(place, item.photograph, break_name(item.lines[0], _CAPTION))
        figure.suptitle(break_name(title, int(size[0] * 12)))
    return figure


def _write_criteria(axes: Axes, grade: int, *, is_there: bool) -> None:
    words = CRITERIA[grade] if is_there else f"{CRITERIA[grade]} (no photograph here)"
    axes.text(0, 0.98, f"{grade}  {GRADE_NAMES[grade]}", fontsize=10, weight="bold", va="top")
    axes.text(0, 0.82, break_name(words, 29), fontsize=7.5, va="top", linespacing=1.25)


def _show(axes: Axes, picture: Photograph, caption: str) -> None:
    axes.imshow(picture, interpolation="lanczos")
    axes.set_axis_on()
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(caption, fontsize=7.5, labelpad=3)


def _show_example(record: dict[str, object], side: int) -> GalleryItem:
    image_id = str(record["image_id"])
    return GalleryItem(image_id, fetch_thumbnail(Path(str(record["path"])), side), (image_id,))


def _find_photographs(image_ids: pd.Series, labels: Labels, name: str) -> dict[str, Path]:
    """Id to file, in the order of the ids.

    Raises:
        InputError: the data set lacks some.
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
    """Id to the picture that explains it.

    Raises:
        InputError: no such folder, several methods' in one, or no picture of any of the ids.
    """
    if folder is None:
        return {}
    if not folder.exists():
        raise InputError(f"{folder} does not exist: expected a folder that drkit explain has written")
    folder, *others = find_explanations(folder)
    if others:
        raise InputError(f"--explanations: several methods' lie there, name one: {first_few([folder, *others])}")
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: expected what drkit explain has written")
    pictures = _list_overlays(folder)
    kept = {image_id: pictures[image_id] for image_id in image_ids if image_id in pictures}
    if not kept:
        raise InputError(f"{folder} has no picture of any of {first_few(image_ids)}: explain these with --ids")
    missing = [image_id for image_id in image_ids if image_id not in kept]
    if missing:
        notify(f"{folder} has no picture of {first_few(missing)}: explain these with --ids to see them all")
    return kept


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
