"""The options of `drkit synth`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from drkit.config.shared import Force, Seed


@dataclass(frozen=True, kw_only=True)
class SynthConfig:
    """Which synthetic data set is made; neither the number of workers nor the machine changes its files."""

    out: Annotated[Path, Argument(help="Folder of the data set: new or empty.", show_default=False)]
    patients: Annotated[int, Option(help="Number of patients over all splits, with four photographs each.")] = 60
    size: Annotated[int, Option(help="Side of the photographs in pixels, 32 to 2048.")] = 256
    seed: Seed = 0
    workers: Annotated[
        int | None,
        Option(help="Number of processes. Default: one per core, fewer for few patients.", show_default=False),
    ] = None
    force: Force = False
