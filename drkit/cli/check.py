"""`drkit check`: an audit of data sets, runs and submissions."""

import os
from pathlib import Path
from typing import Annotated

import typer

from drkit.cli.options import split_paths, spread
from drkit.config.check import CheckConfig
from drkit.config.shared import EngineOptions
from drkit.reporting import Report

EXAMPLES = (
    "drkit check DeepDRiD --contact-sheet duplicates.png",
    "drkit check submission.csv --sample DeepDRiD/sample_submission.csv",
)


@spread
def check(
    config: CheckConfig,
    engine: EngineOptions,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH...",
            help="Data sets in any supported layout (folders or CSVs), runs or predictions files, or a submission."
            " Default: the data sets in DRKIT_DATA.",
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Data set, the same as a PATH. May be given several times.", show_default=False),
    ] = None,
) -> Report:
    """Find what would spoil results: duplicates, leaks, contradicting grades, broken photographs and tables.

    Several data sets are also compared with each other, and runs with the val and test photographs of the data sets.
    Exit code 1: findings of severity error or warning (see --fail-on). 0: no findings, or notes only. 2: an input
    cannot be read.

    Reads: data sets, predictions (.parquet) and runs' .json, a submission and SAMPLE. Writes: CONTACT_SHEET.
    """
    from drkit.recipes.check import run_check

    audited = [*(paths or ()), *(data or ())] or split_paths(os.environ.get("DRKIT_DATA", ""))
    return run_check(audited, config, engine)
