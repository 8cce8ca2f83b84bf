"""NAME.history.csv: the figures of a training, one row for each epoch and split."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from drkit.errors import InputError
from drkit.records.atomic import writing


@dataclass(frozen=True, kw_only=True)
class EpochFigures:
    """The figures of one epoch on one split.

    Args:
        epoch: Number of the epoch, from 1.
        split: train (measured during training, with augmentation and dropout), inner, held-out (the fold's own
            patients), or val.
        fold: Fold of the cross-validation; None without folds.
        seed: Seed of the network; None in a run of one seed.
        loss: Mean loss over the photographs.
        quadratic_weighted_kappa: Quadratically weighted kappa, in [-1, 1].
        plain_kappa: Unweighted kappa, in [-1, 1].
        accuracy: Share of photographs with the reference grade, in [0, 1].
        learning_rate: Learning rate at the end of the epoch.
    """

    epoch: int
    split: str
    fold: int | None
    seed: int | None
    loss: float
    quadratic_weighted_kappa: float
    plain_kappa: float
    accuracy: float
    learning_rate: float


COLUMNS = tuple(item.name for item in fields(EpochFigures))
INTEGER_TYPES = {"fold": "Int16", "seed": "Int64"}


def write_history(figures: Iterable[EpochFigures], path: Path, *, force: bool) -> None:
    """Write the CSV.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
    """
    rows = pd.DataFrame([asdict(item) for item in figures], columns=list(COLUMNS))
    rows = rows.astype(INTEGER_TYPES)
    with writing(path, force=force) as draft:
        rows.to_csv(draft, index=False, lineterminator="\n", float_format="%.6g")


def read_history(path: Path) -> pd.DataFrame:
    """Read the CSV, with the fields of `EpochFigures` as columns; `seed` is null in files of older versions.

    Raises:
        InputError: the file is missing or is not a history.
    """
    try:
        rows = pd.read_csv(path)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as a run's history: {reason}") from None
    if "seed" not in rows:
        rows["seed"] = pd.NA
    missing = [column for column in COLUMNS if column not in rows]
    if missing or rows.empty:
        raise InputError(f"{path} is not a run's history: column {', '.join(missing) or 'epoch'} is missing or empty")
    return rows[list(COLUMNS)]
