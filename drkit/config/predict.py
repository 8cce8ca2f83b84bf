"""The options of `drkit predict`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from typer import Option

from drkit.config.shared import (
    DEFAULT_DATA,
    PRECISION_HELP,
    Data,
    Embeddings,
    Force,
    KeepGoing,
    OnlySplit,
    Precision,
    UseDevice,
    Workers,
)


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Which photographs are graded, how, and where the predictions go."""

    data: Data = field(default_factory=DEFAULT_DATA.copy)
    split: OnlySplit = None
    out: Annotated[Path | None, Option(help="Predictions file to write. Default: predictions/<run>.parquet.")] = None
    force: Force = False
    device: UseDevice = "auto"
    precision: Annotated[Precision, Option(help=PRECISION_HELP)] = "auto"
    workers: Workers = None
    embeddings: Embeddings = False
    keep_going: KeepGoing = False
    csv: Annotated[
        Path | None, Option(help="Also write a CSV, with referral and quality warnings for each photograph.")
    ] = None
    report: Annotated[
        Path | None,
        Option(help="Also write an HTML page with the photographs, grades, maps and quality warnings of each patient."),
    ] = None
