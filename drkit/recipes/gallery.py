"""`drkit plot errors` and `drkit plot examples`: pictures of photographs."""

from collections.abc import Sequence
from pathlib import Path

from drkit.config.plot import PictureConfig
from drkit.errors import UsageError
from drkit.grades import SPLITS, Target
from drkit.plotting.gallery import draw_errors, draw_examples, show_errors, show_examples
from drkit.plotting.pictures import PictureReport, check_picture, save
from drkit.plotting.selection import select
from drkit.records.layouts import read_datasets
from drkit.records.predictions import read_all_predictions


def run_errors(
    files: Sequence[Path],
    data: Sequence[Path],
    config: PictureConfig,
    *,
    num: int = 12,
    explanations: Path | None = None,
) -> PictureReport:
    """Draw the photographs with a run's largest grading errors.

    Args:
        files: One predictions file or run.
        data: The data sets it was graded from.
        config: The split to draw, and where the picture goes.
        num: Number of photographs.
        explanations: A folder that `drkit explain` wrote, to show its maps beside the photographs.

    Raises:
        UsageError: more than one run.
        InputError: files that cannot be read, or photographs that the data set lacks.
        LeakageError: the run was trained on everything that would be drawn.
        OutputExistsError: the picture exists already.
    """
    check_picture(config)
    predictions = read_all_predictions(files)
    if len(predictions) != 1:
        raise UsageError(f"drkit plot errors draws one run: {len(predictions)} were given")
    labels = read_datasets(data)
    run = select(predictions[0], config.split, data=labels.name)
    shown = show_errors(run, labels, num, explanations)
    title = f"{run.name}: the {len(shown)} scores furthest from the reference ({run.title})"
    sentences = tuple(", ".join(item.lines) for item in shown)
    figures = tuple({"image_id": item.image_id} for item in shown)
    return save(draw_errors(shown, title), config, PictureReport(config.out, (run.name,), sentences, figures))


def run_examples(data: Sequence[Path], config: PictureConfig, num: int = 4) -> PictureReport:
    """Draw example photographs of each grade, with the criteria of the grade.

    Args:
        data: Graded data sets.
        config: The split to draw, the seed of the random choice, and where the picture goes.
        num: Number of photographs of each grade.

    Raises:
        InputError: a data set that cannot be read or has no grades.
        OutputExistsError: the picture exists already.
    """
    check_picture(config)
    labels = read_datasets(data)
    if config.split is not None:
        labels = labels.of_split(config.split)
    rows = show_examples(labels, num, config.seed)
    target: Target = "eye" if labels.rows["eye_grade"].notna().any() else "patient"
    graded = labels.graded(target).rows["split"]
    splits = "+".join(split for split in SPLITS if (graded == split).any())
    title = f"{labels.name}, {splits}: photographs by the {target}'s grade, good quality first (seed {config.seed})"
    figures = tuple({"grade": grade, "image_ids": [item.image_id for item in row]} for grade, row in enumerate(rows))
    return save(draw_examples(rows, title), config, PictureReport(config.out, tuple(map(str, data)), (), figures))
