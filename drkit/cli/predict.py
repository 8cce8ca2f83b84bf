"""`drkit predict`: grade photographs with a trained run."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.cli.options import spread
from drkit.config.predict import PredictConfig
from drkit.config.shared import EngineOptions
from drkit.reporting import Report

EXAMPLES = (
    "drkit predict runs/tf_efficientnet_lite0-image-patient --data DeepDRiD --split test",
    "drkit predict fundus --data my-photographs --csv graded.csv --report graded.html",
)


@spread
def predict(
    run: Annotated[
        Path,
        typer.Argument(
            help="Finished run (its stem or any of its files), an ensemble's .json, or fundus, the run that comes with"
            " drkit."
        ),
    ],
    config: PredictConfig,
    engine: EngineOptions,
) -> Report:
    """Grade photographs with a finished run, with or without known reference grades.

    Reads: a run and data sets. Writes: a predictions file (parquet), and on request a CSV and an HTML page.
    """
    from drkit.recipes.predict import run_predict

    return run_predict(run, config, engine)
