"""IDRiD, part B: disease grading."""

from pathlib import Path

import pandas as pd

from drkit.grades import Split
from drkit.records.layouts.layout import Layout, photograph_rows
from drkit.records.layouts.tables import RawTable

_FOLDERS = {"train": "a. Training Set", "val": "", "test": "b. Testing Set"}


def _parse(table: RawTable) -> pd.DataFrame:
    return photograph_rows(table, table.ids("image name"), eye_grade=table.grades("retinopathy grade"))


def _folders(table: RawTable, split: Split) -> tuple[str, ...]:
    part = f"1. Original Images/{_FOLDERS[split]}"
    return (f"../{part}", part, ".")


def _root(csv_path: Path) -> Path:
    return csv_path.parent.parent if "groundtruths" in csv_path.parent.name.lower() else csv_path.parent


IDRID = Layout(
    title="IDRiD",
    summary="IDRiD, disease grading: a CSV in 2. Groundtruths/ with Image name and Retinopathy grade",
    needs=(("image name",), ("retinopathy grade",)),
    marks=frozenset({"image name", "retinopathy grade", "risk of macular edema"}),
    parse=_parse,
    folders=_folders,
    root=_root,
)
