"""The options of `drkit plot`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from drkit.config.shared import By, Force, OnlySplit, Resamples, Seed
from drkit.grades import Split

Out = Annotated[Path, Option(help="Picture to write. The suffix selects the format: png, svg or pdf.")]


@dataclass(frozen=True, kw_only=True)
class PictureConfig:
    """Which rows are drawn, and where the picture goes; a command shows those options that it needs."""

    out: Out
    split: Annotated[
        Split | None,
        Option(help="Split to draw. Default: all rows that have a reference grade and were not trained on."),
    ] = None
    by: By = "photograph"
    resamples: Resamples = 1000
    force: Force = False
    seed: Seed = 0


@dataclass(frozen=True)
class ExamplesConfig(PictureConfig):
    """Which photographs of a data set are drawn, and where the picture goes."""

    out: Out = Path("examples.png")
    split: OnlySplit = None


@dataclass(frozen=True)
class ReportConfig(PictureConfig):
    """Which rows a report covers, and where it goes."""

    out: Annotated[Path, Option(help="HTML file to write.")] = Path("report.html")
    resamples: Resamples = 2000  # as in `drkit score`, so that the intervals are the same


@dataclass(frozen=True)
class ReportInputs:
    """What a report covers."""

    files: Annotated[
        list[Path],
        Argument(
            metavar="FILES...",
            help="Runs, ensembles or predictions (stems or files), and the comparisons (.json) of attend and ensemble"
            " compare. Runs are compared with the first of task (a) that graded the same photographs.",
        ),
    ]
    data: Annotated[
        list[Path] | None,
        Option(
            help="Data set in any supported layout. Repeat the option to join several. Without it the report has no"
            " photographs.",
            envvar="DRKIT_DATA",
        ),
    ] = None
    explanations: Annotated[
        list[Path] | None,
        Option(help="Folder written by drkit explain, or a folder of such folders. May be given several times."),
    ] = None
    title: Annotated[str, Option(help="Title of the report.")] = "Grading diabetic retinopathy"
