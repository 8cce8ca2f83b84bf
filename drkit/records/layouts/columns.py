"""Recognition of a table's columns by their names and cells."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from drkit.errors import InputError
from drkit.records.labels import PHOTOGRAPH_SUFFIXES
from drkit.records.layouts.grade_words import on_scale, read_grades
from drkit.records.layouts.names import parse_eye, split_of_name
from drkit.records.layouts.scales import foreign_scale_of_column
from drkit.records.layouts.tables import RawTable

IMAGE_COLUMNS = (
    "image_id", "image", "image_name", "image_file", "filename", "file_name", "file", "image_path", "img_path",
    "filepath", "path", "img", "img_id", "img_name", "photo", "photograph", "picture", "fundus_image",
    "fundus_images", "fundus", "id_code",
)  # fmt: skip
WEAK_IMAGE_COLUMNS = ("id", "code", "name")  # may also identify a person
_PATH_COLUMNS = (
    "path", "image_path", "img_path", "filepath", "filename", "file_name", "file", "image_file", "image", "image_name",
)  # fmt: skip
NAMED_GRADES = ("eye_grade", "patient_grade")
UNNAMED_GRADES = (
    "grade", "label", "level", "diagnosis", "dr", "dr_grade", "dr_level", "retinopathy_grade", "adjudicated_dr_grade",
)  # fmt: skip
_LIKELY_GRADES = (
    "icdr", "icdr_grade", "icdr_level", "dr_icdr", "final_icdr", "class", "category", "severity", "stage", "labels",
    "dr_stage", "dr_severity", "dr_class", "dr_label", "dr_grading", "retinopathy", "retinopathy_level", "target",
    "diabetic_retinopathy", "diabetic_retinopathy_grade", "diabetic_retinopathy_level", "severity_level",
)  # fmt: skip
PATIENT_COLUMNS = (
    "patient_id", "patient", "patient_no", "patient_nr", "patient_number", "patient_code", "patient_key", "pat_id",
    "patid", "pid", "mrn", "subject_id", "subject", "subject_no", "subject_number", "participant_id", "participant",
    "person_id", "person", "patient_name", "individual_id", "individual",
)  # fmt: skip
EYE_COLUMNS = ("eye", "laterality", "eye_laterality", "image_laterality", "eye_side", "side", "exam_eye", "which_eye")
SPLIT_COLUMNS = ("split", "data_split", "set", "subset", "partition", "part", "fold", "phase", "usage", "dataset_split")
# fastai's is_valid and similar columns
_HELD_OUT_FLAGS = {"is_valid": "val", "is_val": "val", "is_validation": "val", "is_test": "test"}


@dataclass(frozen=True)
class Roles:
    """The columns of photographs and grades, by their names in the table's cells.

    Args:
        image: Column of ids or file names.
        path: Column of paths; the same as `image` if there is no other.
        grade: Column of grades whose name does not state the target; None if the table has `eye_grade` or
            `patient_grade`, or no grades.
    """

    image: str
    path: str
    grade: str | None


def find_roles(table: RawTable) -> Roles:
    """Find the columns of photographs and grades.

    Raises:
        InputError: no column of photographs, or several that could be the grade.
    """
    image = table.guess("image_id", find_image(table))
    if image is None:
        raise InputError(
            f"{table.path}: no column of image ids or file names (found: {table.columns}): rename it to image_id"
        )
    grade = None if names_target(table) else table.guess("eye_grade", find_grade(table))
    return Roles(image, table.first(_PATH_COLUMNS) or image, grade)


def read_people(table: RawTable) -> dict[str, pd.Series]:
    """Read the patient, eye and split columns that a table of any layout may have.

    Returns:
        `patient_id`, `eye` and `split` over the table's rows (string); null where the table does not state them.

    Raises:
        InputError: a column of eyes or splits has a cell that cannot be parsed.
    """
    patient = table.guess("patient_id", table.first(PATIENT_COLUMNS))
    eye = table.guess("eye", _find_parsable(table, EYE_COLUMNS, parse_eye))
    split = table.guess("split", _find_parsable(table, SPLIT_COLUMNS, split_of_name))
    return {
        "patient_id": table.text(patient),
        "eye": table.words(eye, parse_eye, "left or right"),
        "split": table.words(split, split_of_name, "train, val or test") if split else _read_flags(table),
    }


def names_target(table: RawTable) -> bool:
    """Whether a column's name states the target of its grades."""
    return table.first(NAMED_GRADES) is not None


def find_image(table: RawTable) -> str | None:
    """Find the column of photographs: by its name, then by file names in its cells, then `id`, `code` or `name`."""
    by_name = table.first(IMAGE_COLUMNS)
    if by_name:
        return by_name
    by_cells = (
        key for key in table.header if _share(table.cells[key].str.lower().str.endswith(PHOTOGRAPH_SUFFIXES)) > 0.5
    )
    return next(by_cells, None) or table.first(WEAK_IMAGE_COLUMNS)


def find_grade(table: RawTable) -> str | None:
    """Find the column of grades whose name does not state the target.

    Columns that contain grades are preferred, and among them columns named after the ICDR scale. A column with only 0
    and 1 is dropped if another column has higher grades, and columns with equal cells count as one. If no column
    contains grades, a column with the name of one is taken.

    Raises:
        InputError: several columns remain, or only a column that is named after another scale.
    """
    by_name = [key for key in dict.fromkeys(map(table.find, UNNAMED_GRADES)) if key]
    candidates = [key for key in table.header if key in by_name or _is_likely_grade(table, key)]
    foreign = {key: scale for key in candidates if (scale := foreign_scale_of_column(key))}
    graded = {key: grades for key in candidates if key not in foreign and _holds_grades(grades := _grades(table, key))}
    international = {key: grades for key, grades in graded.items() if "icdr" in key or "international" in key}
    remaining = _drop_lower(international or graded)
    if len(remaining) > 1:
        names = " and ".join(table.header[key] for key in remaining)
        raise InputError(
            f"{table.path}: columns {names} could each be the grade: rename the correct one to eye_grade (or"
            " patient_grade), or remove the others"
        )
    if not remaining and foreign:
        key, scale = next(iter(foreign.items()))
        raise InputError(
            f"{table.path}: column {table.header[key]} is on {scale}, not on the ICDR scale 0-4: convert its grades,"
            " and name the new column eye_grade"
        )
    return next(iter(remaining), None) or next((key for key in by_name if key not in foreign), None)


def states_grades(table: RawTable) -> bool:
    """Whether a column could contain grades, by its name or its cells."""
    return bool(table.first(NAMED_GRADES + UNNAMED_GRADES)) or any(_is_likely_grade(table, key) for key in table.header)


def _is_likely_grade(table: RawTable, key: str) -> bool:
    words = key.replace("_", " ")
    is_likely = key in {table.find(column) for column in _LIKELY_GRADES}
    is_likely |= any(word in words for word in ("grade", "icdr")) and any(w in words for w in ("dr", "retinopathy"))
    return (is_likely or foreign_scale_of_column(key) is not None) and _holds_grades(_grades(table, key))


def _grades(table: RawTable, key: str) -> pd.Series:
    """A column's grades: -1 for a cell that is off the scale, null for a blank one."""
    cells = table.peek(key)
    grades = read_grades(cells)
    return grades.where(on_scale(grades) | cells.isna(), -1)


def _holds_grades(grades: pd.Series) -> bool:
    """Whether more than half of the cells that are not blank are grades."""
    return _share(grades.dropna() >= 0) > 0.5


def _drop_lower(columns: dict[str, pd.Series]) -> list[str]:
    """Drop columns of only 0 and 1 if another column has higher grades, and drop repeated columns."""
    if len(columns) > 1 and any(grades.max() > 1 for grades in columns.values()):
        columns = {key: grades for key, grades in columns.items() if grades.max() > 1}
    distinct: dict[str, pd.Series] = {}
    for key, grades in columns.items():
        if not any(grades.equals(other) for other in distinct.values()):
            distinct[key] = grades
    return list(distinct)


def _find_parsable(table: RawTable, columns: tuple[str, ...], parse: Callable[[str], object]) -> str | None:
    """Find the first of `columns` in a table; at least half of its cells must parse unless it is `columns[0]`."""
    for column in columns:
        key = table.find(column)
        if key and (column == columns[0] or _share(table.peek(key).dropna().map(parse).notna()) >= 0.5):
            return key
    return None


def _read_flags(table: RawTable) -> pd.Series:
    """Read splits from columns such as `is_valid`; a column that is true in most rows does not mark held-out rows."""
    splits = pd.Series(pd.NA, index=table.cells.index, dtype="string")
    for column, split in _HELD_OUT_FLAGS.items():
        key = table.find(column)
        if key and _share(table.peek(key).str.lower().isin(("true", "1", "yes"))) <= 0.5:
            table.guess("split", key)
            splits = splits.fillna("train").mask(table.flags(key, blank=False), split)
    return splits


def _share(is_true: pd.Series) -> float:
    return float(is_true.mean()) if len(is_true) else 0.0
