"""Patients and ids of photographs: read from names and DICOM headers, and made consistent."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from drkit.errors import first_few
from drkit.records.labels import DICOM_SUFFIXES
from drkit.records.layouts.names import is_eye_alone, parse_names


def fill_from_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Fill missing patients, eyes and views from the photographs' names.

    Args:
        rows: Canonical rows, with `path` as written or absolute.
    """
    folders = ["".join(_folders(path)[-1:]) for path in rows["path"].fillna("")]
    names = parse_names(rows["image_id"].tolist(), folders)
    parsed = pd.DataFrame(
        {
            "patient_id": pd.array([name.patient_id for name in names], dtype="string"),
            "eye": pd.array([name.eye for name in names], dtype="string"),
            "view": pd.array([name.view for name in names], dtype="Int16"),
        },
        index=rows.index,
    )
    return rows.assign(**{column: rows[column].fillna(parsed[column]) for column in parsed})


def fill_from_dicom(rows: pd.DataFrame, paths: Sequence[str | None]) -> pd.DataFrame:
    """Fill missing patients and eyes from the headers of DICOM files.

    Args:
        rows: Canonical rows.
        paths: The path of each row's photograph; None if it was not found.
    """
    is_incomplete = rows[["patient_id", "eye"]].isna().any(axis=1)
    files = {
        row: Path(path) for row, path in zip(rows.index, paths, strict=True)
        if is_incomplete[row] and path and path.lower().endswith(DICOM_SUFFIXES)
    }  # fmt: skip
    if not files:
        return rows
    from drkit.images.decoders.dicom import read_subject

    subjects = {row: read_subject(path) for row, path in files.items()}
    filled = rows.copy()
    for column in ("patient_id", "eye"):
        stated = pd.Series({row: getattr(subject, column) for row, subject in subjects.items()}, dtype="string")
        filled[column] = rows[column].fillna(stated)
    return filled


def unify_patients(patients: pd.Series) -> tuple[pd.Series, str]:
    """Give each patient one spelling, the first one that occurs.

    `7`, `007`, `7.0` and ` 7` are one patient, and so are `p7`, `P7` and `P07`.

    Returns:
        The patients, and a sentence about patients with several spellings (empty if there are none).
    """
    known = patients.dropna()
    keys = {name: person_key(name) for name in known.unique()}
    spellings: dict[str, list[str]] = {}
    for name, key in keys.items():
        spellings.setdefault(key, []).append(name)
    several = [" = ".join(names) for names in spellings.values() if len(names) > 1]
    unified = {name: _without_decimals(spellings[key][0]) for name, key in keys.items()}
    sentence = f"{len(several)} patients are spelled in several ways and count as one each: {first_few(several, 3)}"
    return patients.map(unified, na_action="ignore").astype("string"), sentence if several else ""


def person_key(name: str) -> str:
    """A key that is equal for all spellings of a patient."""
    text = " ".join(unicodedata.normalize("NFKC", _without_decimals(name)).casefold().split())
    return re.sub(r"(?<![\d.,])0+(?=\d)", "", text)


def disambiguate_ids(ids: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Prefix ids that occur in several folders with the folders' names.

    `P1/OD.jpg` and `P2/OD.jpg` become `P1_OD` and `P2_OD`. A name that is only an eye always gets the prefix; other ids
    that occur in one folder stay as they are, and rows with the same path keep the same id.

    Args:
        ids: Image ids, without suffix.
        paths: The photographs' paths, as written.
    """
    unique = list(ids)
    by_id: dict[str, list[int]] = {}
    for row, name in enumerate(ids):
        by_id.setdefault(name, []).append(row)
    for name, rows in by_id.items():
        folders = [_folders(paths[row]) for row in rows]
        if len(set(folders)) == 1 and not is_eye_alone(name):
            continue
        depths = range(1, max(map(len, folders)) + 1)
        depth = next((d for d in depths if len({parts[-d:] for parts in folders}) == len(set(folders))), 0)
        for row, parts in zip(rows, folders, strict=True):
            unique[row] = "_".join([*parts[-depth:], name]) if depth else name
    return unique


def _folders(path: str) -> tuple[str, ...]:
    parts = PurePosixPath(path.replace("\\", "/")).parent.parts
    return tuple(part for part in parts if part not in ("/", ".", ".."))


def _without_decimals(name: str) -> str:
    """`7` for `7.0`, as which pandas saves a column of integers with blanks."""
    return re.sub(r"(?<=\d)\.0+$", "", name.strip()) if re.fullmatch(r"\s*\d+\.0+\s*", name) else name.strip()
