"""Photographs in folders, without a table."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from drkit.errors import first_few
from drkit.grades import Split
from drkit.records.labels import build_rows, image_stem
from drkit.records.layouts.grade_words import grade_of_word
from drkit.records.layouts.layout import Layout
from drkit.records.layouts.names import split_of_name
from drkit.records.layouts.pairs import pair_key, read_pairs
from drkit.records.layouts.patients import disambiguate_ids, fill_from_dicom, fill_from_names
from drkit.records.layouts.remarks import DatasetRemark, remark_on_scale

FOLDER = Layout(
    title="a folder of photographs",
    summary="a folder of photographs without a table: no grades, all of split test",
    fits=lambda table: False,
)
CLASS_FOLDERS = Layout(
    title="folders of classes",
    summary="folders of classes: 0 to 4, or No_DR, Mild, ..., also below train/, val/, test/",
    fits=lambda table: False,
)
_CLASS_WORD = re.compile(r"\b(no|n?pdr|dr|mild|moderate|severe|prolifer\w*|healthy|normal)\b")


def list_photographs(root: Path, photographs: Sequence[Path]) -> tuple[str, pd.DataFrame, list[DatasetRemark]]:
    """List the photographs of a folder without tables.

    If all folders of one level are named after grades (numbers from 0, or words), they are classes and give the grade;
    folders above or below them give the split, and photographs of split test need not be in class folders. Otherwise
    there are no grades, and the split is test. Patient, eye and view come from names such as `347_l1`, from DICOM
    headers or from Messidor-2's pairs file.

    Args:
        root: The data set's folder.
        photographs: Absolute paths of its photographs.

    Returns:
        `class-folders` or `folder`; canonical rows with absolute `path`; and remarks for the user.
    """
    folders = [photograph.relative_to(root).parts[:-1] for photograph in photographs]
    splits = [next((split for folder in parts if (split := split_of_name(folder))), None) for parts in folders]
    candidates = [tuple(part for part in parts if split_of_name(part) is None) for parts in folders]
    level, remarks = _find_level(candidates, splits)
    relative = [photograph.relative_to(root).as_posix() for photograph in photographs]
    grades = [grade_of_word(parts[level]) if level is not None and len(parts) > level else None for parts in candidates]
    pairs = read_pairs(root)
    subjects = [pairs.get(pair_key(path), (None, None)) for path in relative]
    rows = build_rows(
        image_id=disambiguate_ids([image_stem(path) for path in relative], relative),
        patient_id=[patient for patient, _ in subjects],
        eye=[eye for _, eye in subjects],
        path=[str(photograph) for photograph in photographs],
        eye_grade=grades,
        split=[
            "test" if level is None else split or ("test" if grade is None else "train")
            for split, grade in zip(splits, grades, strict=True)
        ],
    )
    rows = fill_from_dicom(rows, rows["path"].tolist())
    rows = fill_from_names(rows.assign(path=relative)).assign(path=rows["path"])
    return ("folder" if level is None else "class-folders"), rows, [*remarks, *remark_on_scale(rows)]


def _find_level(
    folders: Sequence[tuple[str, ...]], splits: Sequence[Split | None]
) -> tuple[int | None, list[DatasetRemark]]:
    """Find the level of the folders that are classes, or None.

    Args:
        folders: The folders above each photograph, except those named after a split.
        splits: The split in the names of each photograph's folders.
    """
    graded = [parts for parts, split in zip(folders, splits, strict=True) if split != "test" or parts]
    for level in range(min(map(len, graded), default=0)):
        names = sorted({parts[level] for parts in graded})
        if len(names) > 1 and all(grade_of_word(name) is not None for name in names):
            return _check_classes(level, names)
        if any(_CLASS_WORD.search(re.sub(r"[\W_\d]+", " ", name).lower()) for name in names):
            return None, [_remark_on_unread(names, "are not all grades of the ICDR scale")]
    return None, []


def _check_classes(level: int, names: Sequence[str]) -> tuple[int | None, list[DatasetRemark]]:
    """The level unless it has numbers without 0, which may be patients or a scale from 1."""
    if all(name.isdecimal() for name in names) and "0" not in names:
        return None, [_remark_on_unread(names, "do not include 0")]
    by_grade = sorted((grade_of_word(name) or 0, name) for name in names)
    listed = ", ".join(f"{name} is {grade}" for grade, name in by_grade)
    return level, [DatasetRemark("columns-guessed", f"grades are read from the names of folders: {listed}")]


def _remark_on_unread(names: Sequence[str], reason: str) -> DatasetRemark:
    sentence = (
        f"folders {first_few(names)} {reason}, so no grades are read from them: name them 0 to 4, or No_DR, Mild,"
        " Moderate, Severe, Proliferative"
    )
    return DatasetRemark("folders-unread", sentence)
