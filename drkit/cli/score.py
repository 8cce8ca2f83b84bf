"""`drkit score`: how well predictions agree with the reference grades."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from drkit.cli.options import Seed
from drkit.grades import Split
from drkit.reporting import Report

EXAMPLES = (
    "drkit score runs/resnet18-image-patient --split val",
    "drkit score 'runs/*.parquet' --split val --by patient",
)


def score(
    files: Annotated[
        list[Path],
        typer.Argument(help="Predictions or runs; the others are compared with the first."),
    ],
    truth: Annotated[
        Path | None,
        typer.Option(help="CSV of reference grades. Default: those in the predictions."),
    ] = None,
    split: Annotated[
        Split | None,
        typer.Option(help="Rows to score. Default: the splits that TRUTH touches, else all with a grade."),
    ] = None,
    by: Annotated[
        Literal["photograph", "eye", "patient"],
        typer.Option(help="One case a photograph, or photographs joined to eyes or patients."),
    ] = "photograph",
    resamples: Annotated[int, typer.Option(help="How often patients are drawn for an interval.")] = 2000,
    seed: Seed = 0,
) -> Report:
    """Compare predictions with the reference grades, and runs with each other.

    Reads: predictions (.parquet, or a run's name), and TRUTH. Writes: nothing; the table goes to stdout.
    """
    from drkit.recipes.score import ScoreConfig, run_score

    config = ScoreConfig(truth=truth, split=split, by=by, resamples=resamples, seed=seed)
    return run_score(files, config)
