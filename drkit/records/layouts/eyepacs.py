"""EyePACS (Kaggle competition of 2015), also as "Kaggle DR Resized"."""

from collections.abc import Sequence

import pandas as pd

from drkit import progress
from drkit.grades import Split
from drkit.records.labels import image_stem
from drkit.records.layouts.layout import (
    Layout,
    above_labels,
    photograph_rows,
    resized_folders,
    split_of_table,
)
from drkit.records.layouts.names import parse_name
from drkit.records.layouts.tables import RawTable


def _parse(table: RawTable) -> pd.DataFrame:
    return photograph_rows(
        table,
        table.ids("image"),
        eye_grade=table.grades("level"),
        split="test" if _is_solution(table) else split_of_table(table),
    )


def _fits(table: RawTable) -> bool:
    return any(parse_name(image_stem(text)).eye is not None for text in table.peek("image").dropna())


def _is_solution(table: RawTable) -> bool:
    return table.stem.lower().startswith("retinopathy_solution")


def _is_cropped(table: RawTable) -> bool:
    return "cropped" in table.stem.lower()


def _folders(table: RawTable, split: Split) -> tuple[str, ...]:
    resized = f"resized_{split}_cropped" if _is_cropped(table) else f"resized_{split}"
    near = (f"{resized}/{resized}", resized, f"{split}/{split}", split, f"{split}_images", ".")
    return (*near, *resized_folders(table, split))


def _choose(tables: Sequence[RawTable]) -> list[RawTable]:
    """Choose trainLabels or trainLabels_cropped, which list the same photographs, by the folder that exists."""
    cropped = [table for table in tables if _is_cropped(table)]
    uncropped = [table for table in tables if not _is_cropped(table) and not _is_solution(table)]
    if not (cropped and uncropped):
        return list(tables)
    has_cropped = any((table.path.parent / "resized_train_cropped").is_dir() for table in cropped)
    chosen, ignored = (cropped, uncropped) if has_cropped else (uncropped, cropped)
    progress.notify(f"{ignored[0].name} is ignored: it lists the same photographs as {chosen[0].name}")
    return [table for table in tables if table not in ignored]


EYEPACS = Layout(
    title="EyePACS",
    summary="EyePACS (Kaggle DR Resized): trainLabels.csv or trainLabels_cropped.csv with image and level",
    needs=(("image",), ("level",)),
    marks=frozenset({"level"}),
    names_tell_patients=True,
    parse=_parse,
    fits=_fits,
    folders=_folders,
    root=above_labels,
    choose=_choose,
)
