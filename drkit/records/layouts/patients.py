"""Whose photographs they are: told by names, and one person written in two ways."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from drkit.errors import first_few
from drkit.records.labels import DICOM_SUFFIXES
from drkit.records.layouts.names import is_eye_alone, parse_names


def tell_patients(rows: pd.DataFrame) -> pd.DataFrame:
    """Fill patient, eye and view where a table leaves them open and the photograph's name tells them.

    Args:
        rows: Canonical rows; `path` as written, or where the photograph lies.
    """
    folders = ["".join(_folders(path)[-1:]) for path in rows["path"].fillna("")]
    names = parse_names(rows["image_id"].tolist(), folders)
    told = pd.DataFrame(
        {
            "patient_id": pd.array([name.patient_id for name in names], dtype="string"),
            "eye": pd.array([name.eye for name in names], dtype="string"),
            "view": pd.array([name.view for name in names], dtype="Int16"),
        },
        index=rows.index,
    )
    return rows.assign(**{column: rows[column].fillna(told[column]) for column in told})


def read_subjects(rows: pd.DataFrame, paths: Sequence[str | None]) -> pd.DataFrame:
    """Fill patient and eye from the headers of DICOM files where a table leaves them open.

    Args:
        rows: Canonical rows.
        paths: Where their photographs lie; None where one was not found.
    """
    is_open = rows[["patient_id", "eye"]].isna().any(axis=1)
    asked = [
        row for row, path in zip(rows.index, paths, strict=True)
        if is_open[row] and path and path.lower().endswith(DICOM_SUFFIXES)
    ]  # fmt: skip
    if not asked:
        return rows
    from drkit.images.decoders.dicom import read_subject

    files = dict(zip(rows.index, paths, strict=True))
    found = [read_subject(Path(str(files[row]))) for row in asked]
    filled = rows.copy()
    for column in ("patient_id", "eye"):
        told = pd.Series([getattr(subject, column) for subject in found], index=asked, dtype="string")
        filled[column] = rows[column].fillna(told)
    return filled


def unify_patients(patients: pd.Series) -> tuple[pd.Series, str]:
    """One spelling for each person.

    `7`, `007`, `7.0`, ` 7` and `p7`, `P7`, `P07` are one person each, called as first written.

    Returns:
        The patients, and a sentence about those that were written in several ways; empty where none was.
    """
    known = patients.dropna()
    keys = {name: person_key(name) for name in known.unique()}
    spellings: dict[str, list[str]] = {}
    for name, key in keys.items():
        spellings.setdefault(key, []).append(name)
    several = [" = ".join(names) for names in spellings.values() if len(names) > 1]
    called = {name: _without_decimals(spellings[key][0]) for name, key in keys.items()}
    sentence = f"{len(several)} patients are written in several ways, each counts as one: {first_few(several, 3)}"
    return patients.map(called, na_action="ignore").astype("string"), sentence if several else ""


def person_key(name: str) -> str:
    """What two spellings of one person have in common."""
    text = " ".join(unicodedata.normalize("NFKC", _without_decimals(name)).casefold().split())
    return re.sub(r"(?<![\d.,])0+(?=\d)", "", text)


def tell_apart(ids: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Ids, made unique by the folders above their photographs where one name lies in several.

    `P1/OD.jpg` and `P2/OD.jpg` become `P1_OD` and `P2_OD`; other ids stay. A name that is only an eye's always gets its
    folder's. Rows of one and the same path keep one id.

    Args:
        ids: Without suffix.
        paths: Of the photographs, as written.
    """
    found = list(ids)
    by_id: dict[str, list[int]] = {}
    for position, name in enumerate(ids):
        by_id.setdefault(name, []).append(position)
    for name, rows in by_id.items():
        folders = [_folders(paths[row]) for row in rows]
        if len(set(folders)) == 1 and not is_eye_alone(name):
            continue
        depth = next((d for d in range(1, max(map(len, folders)) + 1) if _are_different(folders, d)), 0)
        for row, parts in zip(rows, folders, strict=True):
            found[row] = "_".join([*parts[-depth:], name]) if depth else name
    return found


def _folders(path: str) -> tuple[str, ...]:
    parts = PurePosixPath(path.replace("\\", "/")).parent.parts
    return tuple(part for part in parts if part not in ("/", ".", ".."))


def _are_different(folders: Sequence[tuple[str, ...]], depth: int) -> bool:
    return len({parts[-depth:] for parts in folders}) == len(set(folders))


def _without_decimals(name: str) -> str:
    """`7.0` is how a table with blanks saves 7."""
    return re.sub(r"(?<=\d)\.0+$", "", name.strip()) if re.fullmatch(r"\s*\d+\.0+\s*", name) else name.strip()
