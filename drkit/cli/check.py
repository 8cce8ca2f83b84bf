"""`drkit check`: an audit of data sets, runs and submissions."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from drkit.cli.options import Force, split_paths
from drkit.reporting import Report

EXAMPLES = (
    "drkit check DeepDRiD --contact-sheet duplicates.png",
    "drkit check submission.csv --sample DeepDRiD/sample_submission.csv",
)


def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH...",
            help="Data sets in any layout (folders or CSVs), runs or predictions files, or a submission; by default the"
            " data sets of DRKIT_DATA.",
        ),
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="A data set, as a PATH; may be given several times.", show_default=False)
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option(help="The competition's sample_submission.csv; every CSV given is then a submission."),
    ] = None,
    contact_sheet: Annotated[
        Path | None, typer.Option(help="Picture (.png) of the duplicates, side by side with ids and grades.")
    ] = None,
    fail_on: Annotated[
        Literal["error", "warning", "never"],
        typer.Option(help="What makes the exit code 1: errors; errors and warnings; nothing, for a script to go on."),
    ] = "warning",
    force: Force = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that look at photographs.")] = None,
) -> Report:
    """Find what spoils results: duplicates, leaks, contradicting grades, broken photographs and tables.

    Several data sets are also held against each other, and runs against the data sets' val and test photographs.
    Exit code 1 with findings of severity error or warning (see --fail-on), 0 with notes alone, 2 where nothing can be
    read.

    Reads: data sets, predictions (.parquet) and runs' .json, a submission and SAMPLE. Writes: CONTACT_SHEET.
    """
    from drkit.recipes.check import CheckConfig, run_check

    named = [*(paths or ()), *(data or ())] or split_paths(os.environ.get("DRKIT_DATA", ""))
    return run_check(named, CheckConfig(sample, contact_sheet, force, workers, fail_on))
