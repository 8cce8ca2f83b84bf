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
from drkit.records.layouts.patients import read_subjects, tell_apart, tell_patients
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
    """What the folders tell: of classes the grade and the split, else nothing, split test.

    The folders of one level are classes where all their names are grades (numbers from 0, or words), those of split
    test may be flat. `347_l1` still tells patient, eye and view, and so does Messidor-2's pairs file.

    Returns:
        `class-folders` or `folder`; canonical rows, `path` absolute; and what is to be said of them.
    """
    inside = [photograph.relative_to(root).parts[:-1] for photograph in photographs]
    below = [tuple(part for part in parts if split_of_name(part) is None) for parts in inside]
    splits = [next((split for folder in parts if (split := split_of_name(folder))), None) for parts in inside]
    level, remarks = _find_level(below, splits)
    relative = [photograph.relative_to(root).as_posix() for photograph in photographs]
    grades = [grade_of_word(parts[level]) if level is not None and len(parts) > level else None for parts in below]
    pairs = read_pairs(root)
    named = [pairs.get(pair_key(path), (None, None)) for path in relative]
    rows = build_rows(
        image_id=tell_apart([image_stem(path) for path in relative], relative),
        patient_id=[patient for patient, _ in named],
        eye=[eye for _, eye in named],
        path=[str(photograph) for photograph in photographs],
        eye_grade=grades,
        split=[_split(*told) if level is not None else "test" for told in zip(splits, grades, strict=True)],
    )
    rows = read_subjects(rows, rows["path"].tolist())
    rows = tell_patients(rows.assign(path=relative)).assign(path=rows["path"])
    return ("folder" if level is None else "class-folders"), rows, [*remarks, *remark_on_scale(rows)]


def _split(split: Split | None, grade: int | None) -> Split:
    return split or ("test" if grade is None else "train")


def _find_level(
    below: Sequence[tuple[str, ...]], splits: Sequence[Split | None]
) -> tuple[int | None, list[DatasetRemark]]:
    """The level of folders that are classes."""
    learned = [parts for parts, split in zip(below, splits, strict=True) if split != "test" or parts]
    for level in range(min(map(len, learned), default=0)):
        names = sorted({parts[level] for parts in learned})
        if len(names) > 1 and all(grade_of_word(name) is not None for name in names):
            return _if_classes(level, names)
        if any(_is_class_like(name) for name in names):
            return None, [_no_classes(names, "are not all of the ICDR scale")]
    return None, []


def _if_classes(level: int, names: Sequence[str]) -> tuple[int | None, list[DatasetRemark]]:
    """Folders 1, 2, 3 may be patients, or a scale from 1."""
    if all(name.isdecimal() for name in names) and "0" not in names:
        return None, [_no_classes(names, "have no 0 among them")]
    by_grade = sorted((grade_of_word(name) or 0, name) for name in names)
    listed = ", ".join(f"{name} is {grade}" for grade, name in by_grade)
    return level, [DatasetRemark("columns-guessed", f"grades are told by folders: {listed}")]


def _is_class_like(name: str) -> bool:
    return _CLASS_WORD.search(re.sub(r"[\W_\d]+", " ", name).lower()) is not None


def _no_classes(names: Sequence[str], why: str) -> DatasetRemark:
    sentence = (
        f"folders {first_few(names)} {why}, so no grade is taken from them: call them 0 to 4, or No_DR, Mild, Moderate,"
        " Severe, Proliferative"
    )
    return DatasetRemark("folders-unread", sentence)
