"""`drkit submit`: a competition's CSV from predictions."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.cli.options import spread
from drkit.config.submit import SubmitConfig
from drkit.reporting import Report

EXAMPLES = (
    "drkit submit runs/resnet18-image-patient --sample DeepDRiD/sample_submission.csv",
    "drkit submit predictions/resnet18-image-eye.parquet --out eye.csv --force",
)


@spread
def submit(
    file: Annotated[Path, typer.Argument(help="Predictions file, or a run.")],
    config: SubmitConfig,
) -> Report:
    """Write a submission from predictions, and check it against the competition's sample.

    Reads: predictions (.parquet, or a run's name), and SAMPLE. Writes: OUT, and a .json of the same name that records
    how it was made.
    """
    from drkit.recipes.submit import run_submit

    return run_submit(file, config)
