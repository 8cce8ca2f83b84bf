"""Messidor-2: the adjudicated grades of Krause et al. (2018), and the pairs of eyes from the data set's authors."""

import pandas as pd

from drkit.grades import Split
from drkit.records.layouts.layout import Layout, photograph_rows
from drkit.records.layouts.pairs import pair_key, read_pairs
from drkit.records.layouts.tables import RawTable

_IDS = ("id_code", "image_id", "image")
_GRADES = ("diagnosis", "adjudicated_dr_grade")
_MARKS = ("adjudicated_dr_grade", "adjudicated_dme", "adjudicated_gradable")
_FOLDERS = ("messidor-2/preprocess", "messidor-2/messidor-2/preprocess", "preprocess", "IMAGES", "images", ".")


def _parse(table: RawTable) -> pd.DataFrame:
    ids = table.ids(table.first(_IDS) or "")
    gradable = table.flags("adjudicated_gradable", blank=True)
    pairs = ids.map(pair_key).map(read_pairs(table.path.parent))
    return photograph_rows(
        table,
        ids,
        patient_id=pairs.map(lambda pair: pair[0], na_action="ignore").astype("string"),
        eye=pairs.map(lambda pair: pair[1], na_action="ignore").astype("string"),
        eye_grade=table.grades(table.first(_GRADES)).where(gradable),
        gradable=gradable,
    )


def _fits(table: RawTable) -> bool:
    return table.first(_MARKS) is not None


def _folders(table: RawTable, split: Split) -> tuple[str, ...]:
    return _FOLDERS


MESSIDOR_2 = Layout(
    title="Messidor-2",
    summary="Messidor-2: messidor_data.csv with id_code and diagnosis, or image_id and adjudicated_dr_grade",
    needs=(_IDS, _GRADES),
    marks=frozenset(_MARKS),
    parse=_parse,
    patients_from="Messidor-2's pairs file beside the table (messidor-2.csv, columns left and right)",
    fits=_fits,
    folders=_folders,
)
