"""The options of `drkit score`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from drkit.config.shared import By, Force, Resamples, Seed
from drkit.grades import Split


@dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """What predictions are scored against, and on which cases."""

    truth: Annotated[
        Path | None, Option(help="CSV of reference grades. Default: the grades stored with the predictions.")
    ] = None
    split: Annotated[
        Split | None,
        Option(help="Split to score. Default: the splits that TRUTH covers, or every row with a reference grade."),
    ] = None
    by: By = "photograph"
    resamples: Resamples = 2000
    seed: Seed = 0
    force: Force = False
