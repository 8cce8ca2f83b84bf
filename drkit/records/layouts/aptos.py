"""APTOS 2019: Kaggle's own files, and copies of them."""

import pandas as pd

from drkit.grades import Split
from drkit.records.layouts.layout import (
    Layout,
    above_labels,
    check_graded,
    photograph_rows,
    resized_folders,
    split_of_table,
)
from drkit.records.layouts.names import split_folders
from drkit.records.layouts.tables import RawTable


def _parse(table: RawTable) -> pd.DataFrame:
    check_graded(table, ("diagnosis",))
    return photograph_rows(
        table,
        table.ids("id_code"),
        eye_grade=table.grades("diagnosis"),
        split=split_of_table(table, graded=table.has("diagnosis")),
    )


def _folders(table: RawTable, split: Split) -> tuple[str, ...]:
    names = [f"{word}_images" for word in split_folders(split)]
    return (*(f"{name}/{name}" for name in names), *names, *split_folders(split), ".", *resized_folders(table, split))


APTOS = Layout(
    title="APTOS 2019",
    summary="APTOS 2019: train.csv or train_1.csv, valid.csv, test.csv with id_code and diagnosis",
    needs=(("id_code",),),
    marks=frozenset({"id_code"}),
    parse=_parse,
    folders=_folders,
    root=above_labels,
)
