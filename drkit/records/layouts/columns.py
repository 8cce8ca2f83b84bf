"""Which column of a table of one's own holds what."""

from collections.abc import Callable, Iterator
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
WEAK_IMAGE_COLUMNS = ("id", "code", "name")  # may be a person's
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
# fastai's, and its like
_HELD_OUT_FLAGS = {"is_valid": "val", "is_val": "val", "is_validation": "val", "is_test": "test"}


@dataclass(frozen=True)
class Roles:
    """The columns of photographs and grades, by their names in the table's cells.

    Args:
        image: Ids or file names.
        path: Where the photographs lie.
        grade: A grade that does not say whose it is; None where `eye_grade` or `patient_grade` do.
    """

    image: str
    path: str
    grade: str | None


def find_roles(table: RawTable) -> Roles:
    """Choose the columns.

    Raises:
        InputError: no column of photographs, or several that may be the grade.
    """
    image = table.guess("image_id", find_image(table))
    if image is None:
        raise InputError(f"{table.path}: no column names photographs (found: {table.columns}): call it image_id")
    grade = None if names_target(table) else table.guess("eye_grade", find_grade(table))
    return Roles(image, table.first(_PATH_COLUMNS) or image, grade)


def read_people(table: RawTable) -> dict[str, pd.Series]:
    """Patient, eye and split as a table of any layout may state them in columns of its own; null where it does not.

    Raises:
        InputError: a cell that cannot be understood among others that can.
    """
    patient = table.guess("patient_id", table.first(PATIENT_COLUMNS))
    eye = table.guess("eye", _find_understood(table, EYE_COLUMNS, parse_eye))
    split = table.guess("split", _find_understood(table, SPLIT_COLUMNS, split_of_name))
    return {
        "patient_id": table.text(patient),
        "eye": table.words(eye, parse_eye, "left or right"),
        "split": table.words(split, split_of_name, "train, val or test") if split else _read_flags(table),
    }


def names_target(table: RawTable) -> bool:
    """Whether the table says whose grade it holds."""
    return table.first(NAMED_GRADES) is not None


def find_image(table: RawTable) -> str | None:
    """The column of photographs: one called so, else one that holds file names, else `id`, `code` or `name`."""
    named = table.first(IMAGE_COLUMNS)
    if named:
        return named
    files = (
        key for key in table.header if _share(table.cells[key].str.lower().str.endswith(PHOTOGRAPH_SUFFIXES)) > 0.5
    )
    return next(files, None) or table.first(WEAK_IMAGE_COLUMNS)


def find_grade(table: RawTable) -> str | None:
    """The column of grades that do not say whose they are.

    One that names the ICDR scale goes first, then those that hold grades: one of 0 and 1 alone gives way to one that
    reaches higher, equal ones are one. Where no column holds grades, one that is called so.

    Raises:
        InputError: several are left, or only one that is called after another scale.
    """
    called = [key for key in dict.fromkeys(map(table.find, UNNAMED_GRADES)) if key]
    likely = [key for key in table.header if key in called or _is_likely_grade(table, key)]
    foreign = {key: scale for key in likely if (scale := foreign_scale_of_column(key))}
    held = {key: grades for key in likely if key not in foreign and _holds_grades(grades := _grades(table, key))}
    international = {key: grades for key, grades in held.items() if "icdr" in key or "international" in key}
    left = _drop_lower(international or held)
    if len(left) > 1:
        names = " and ".join(table.header[key] for key in left)
        raise InputError(
            f"{table.path}: columns {names} may both be the grade: call the one that counts eye_grade (or"
            " patient_grade), or take the other out"
        )
    if not left and foreign:
        key, scale = next(iter(foreign.items()))
        raise InputError(
            f"{table.path}: column {table.header[key]} is on {scale}, not on the ICDR's 0-4: translate it, and call the"
            " result eye_grade"
        )
    return next(iter(left), None) or next((key for key in called if key not in foreign), None)


def states_grades(table: RawTable) -> bool:
    """Whether some column may hold grades."""
    return bool(table.first(NAMED_GRADES + UNNAMED_GRADES)) or any(_is_likely_grade(table, key) for key in table.header)


def _is_likely_grade(table: RawTable, key: str) -> bool:
    words = key.replace("_", " ")
    is_likely = key in {table.find(column) for column in _LIKELY_GRADES}
    is_likely |= any(word in words for word in ("grade", "icdr")) and any(w in words for w in ("dr", "retinopathy"))
    return (is_likely or foreign_scale_of_column(key) is not None) and _holds_grades(_grades(table, key))


def _grades(table: RawTable, key: str) -> pd.Series:
    """Its grades, -1 where a cell is off the scale, null where blank."""
    cells = table.peek(key)
    grades = read_grades(cells)
    return grades.where(on_scale(grades) | cells.isna(), -1)


def _holds_grades(grades: pd.Series) -> bool:
    """Whether more than half of the cells that are filled are grades."""
    return _share(grades.dropna() >= 0) > 0.5


def _drop_lower(columns: dict[str, pd.Series]) -> list[str]:
    """Without those of 0 and 1 alone where others reach higher, and without repetitions."""
    if len(columns) > 1 and any(grades.max() > 1 for grades in columns.values()):
        columns = {key: grades for key, grades in columns.items() if grades.max() > 1}
    kept: dict[str, pd.Series] = {}
    for key, grades in columns.items():
        if not any(grades.equals(other) for other in kept.values()):
            kept[key] = grades
    return list(kept)


def _find_understood(table: RawTable, columns: tuple[str, ...], parse: Callable[[str], object]) -> str | None:
    """The first of `columns` that is there and, but for the first name, half of whose cells are understood."""
    return next(_understood(table, columns, parse), None)


def _understood(table: RawTable, columns: tuple[str, ...], parse: Callable[[str], object]) -> Iterator[str]:
    for column in columns:
        key = table.find(column)
        if key and (column == columns[0] or _share(table.peek(key).dropna().map(parse).notna()) >= 0.5):
            yield key


def _read_flags(table: RawTable) -> pd.Series:
    """The split of rows that a column says are held out; true in most rows is something else."""
    found = pd.Series(pd.NA, index=table.cells.index, dtype="string")
    for column, split in _HELD_OUT_FLAGS.items():
        key = table.find(column)
        if key and _share(table.peek(key).str.lower().isin(("true", "1", "yes"))) <= 0.5:
            table.guess("split", key)
            found = found.fillna("train").mask(table.flags(key, blank=False), split)
    return found


def _share(truths: pd.Series) -> float:
    return float(truths.mean()) if len(truths) else 0.0
