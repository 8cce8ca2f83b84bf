"""`drkit score`: agreement of predictions with the reference grades."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.cli.options import spread
from drkit.config.score import ScoreConfig
from drkit.config.shared import TableFiles
from drkit.reporting import Report

EXAMPLES = (
    "drkit score runs/resnet18-image-patient --split val",
    "drkit score 'runs/*.parquet' --split val --by patient --markdown table.md",
)


@spread
def score(
    files: Annotated[list[Path], typer.Argument(help="Predictions or runs. The others are compared with the first.")],
    config: ScoreConfig,
    tables: TableFiles,
) -> Report:
    """Measure agreement of predictions with the reference grades, and compare runs with each other.

    Reads: predictions (.parquet, or a run's name), and TRUTH. Writes: MARKDOWN and CSV, if
    given.
    """
    from drkit.recipes.score import run_score

    return run_score(files, config, tables)
