"""`drkit explain`: maps of the evidence for and against a grade."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.cli.options import spread
from drkit.config.explain import ExplainConfig
from drkit.reporting import Report

EXAMPLES = (
    "drkit explain runs/quick --worst 6",
    "drkit explain runs/quick --method gradcam,hirescam,occlusion --per-grade 4 --faithfulness",
)


@spread
def explain(
    run: Annotated[
        Path,
        typer.Argument(help="Finished run (its stem or any of its files), or fundus, the run that comes with drkit."),
    ],
    config: ExplainConfig,
) -> Report:
    """Map the evidence for a grade (orange) and against it (blue), and measure how faithful the maps are.

    If no photographs are selected, drkit explains a typical one of each reference grade and the one with the largest
    error; without reference grades, the six with the least certain grades. Photographs that the run has not graded yet
    are graded first.

    Reads: a run and data sets. Writes: a folder with overview sheets, a picture and the raw maps (.npz) of each
    photograph, and manifest.json.
    """
    from drkit.recipes.explain import run_explain

    return run_explain(run, config)
