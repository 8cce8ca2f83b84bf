"""Several data sets read as one."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from drkit import progress
from drkit.errors import UsageError
from drkit.grades import TARGETS
from drkit.records.labels import DATASET, Labels, check_rows
from drkit.records.layouts.reading import read_dataset
from drkit.records.layouts.tables import stem_of


def read_datasets(paths: Sequence[Path]) -> Labels:
    """Read one data set, or several as one.

    A data set has the name of its folder; several tables of one folder are data sets with the tables' names. Image ids
    and patients that occur in several data sets get this name as a prefix, so that ids are unique, and equal patient
    ids of different folders mean different patients.

    Args:
        paths: Folders, or single tables; layouts may differ.

    Returns:
        Labels as from `read_dataset`; those of several data sets have a column `dataset` and the order of `paths`.

    Raises:
        UsageError: a data set is given twice.
        InputError: as `read_dataset`.
    """
    parts = read_each(paths)
    return join_labels(parts) if len(parts) > 1 else next(iter(parts.values()))


def read_each(paths: Sequence[Path]) -> dict[str, Labels]:
    """Read several data sets separately.

    Returns:
        The labels of each data set, by name.

    Raises:
        UsageError: a data set is given twice.
        InputError: as `read_dataset`.
    """
    parts = [read_dataset(path) for path in paths]
    _check_given_once(paths, parts)
    roots = [labels.root for labels in parts]
    folders = [root / stem_of(path) if roots.count(root) > 1 else root for root, path in zip(roots, paths, strict=True)]
    return dict(zip(name_folders(folders), parts, strict=True))


def join_labels(parts: Mapping[str, Labels]) -> Labels:
    """Join the photographs of several data sets, given by name."""
    tables = [labels.rows.assign(dataset=pd.array([name] * len(labels), "string")) for name, labels in parts.items()]
    types = {column: kind for table in tables for column, kind in table.dtypes.items()}
    rows = pd.concat(tables, ignore_index=True).astype(types)
    repeated = rows["image_id"].duplicated(keep=False)
    if repeated.any():
        example = rows[repeated].iloc[0]
        progress.notify(
            f"{rows['image_id'][repeated].nunique()} image ids occur in several data sets: the data set's name is"
            f" prefixed to them, as in {example[DATASET]}-{example['image_id']}"
        )
    # Tables of one folder share patients, so their patients are prefixed with the name of the folder's first table.
    first: dict[Path, str] = {}
    sources = {name: first.setdefault(labels.root, name) for name, labels in parts.items()}
    rows["image_id"] = _prefix_repeated(rows["image_id"], rows[DATASET])
    rows["patient_id"] = _prefix_repeated(rows["patient_id"], rows[DATASET].map(sources).astype("string"))
    check_rows(rows, " + ".join(parts))
    graded = [labels.targets for labels in parts.values() if labels.targets]
    return Labels(
        rows,
        root=_common_folder([labels.root for labels in parts.values()]),
        layout=" + ".join(labels.layout for labels in parts.values()),
        targets=tuple(target for target in TARGETS if graded and all(target in stated for stated in graded)),  # type: ignore[misc]
        datasets=dict(parts),
    )


def name_folders(folders: Sequence[Path]) -> list[str]:
    """Name folders uniquely: by their own name, preceded by their parents' names if several have the same.

    `a/APTOS` and `b/APTOS` become `a-APTOS` and `b-APTOS`.
    """
    own = [folder.name for folder in folders]
    for depth in range(1, max(len(folder.parts) for folder in folders) + 1):
        longer = ["-".join(folder.parts[-depth:]) for folder in folders]
        names = [long if own.count(name) > 1 else name for long, name in zip(longer, own, strict=True)]
        if len(set(names)) == len(names):
            break
    return names


def _check_given_once(paths: Sequence[Path], parts: Sequence[Labels]) -> None:
    """Check that no photograph is read twice, also through links to folders.

    Raises:
        UsageError: two paths have the same folder without being different tables, or list the same file.
    """
    by_folder: dict[str, list[Path]] = {}
    by_file: dict[str, Path] = {}
    for path, labels in zip(paths, parts, strict=True):
        folder = os.path.realpath(labels.root)
        others = by_folder.setdefault(folder, [])
        same = [other for other in others if other.is_dir() or path.is_dir() or other.samefile(path)]
        if same:
            raise UsageError(f"{same[0]} and {path} are the same data set: give it once, by its folder")
        others.append(path)
        files = {f"{folder}{os.sep}{os.path.relpath(photograph, labels.root)}" for photograph in labels.rows["path"]}
        shared = sorted(files & by_file.keys())
        if shared:
            raise UsageError(f"{by_file[shared[0]]} and {path} both hold {shared[0]}: give only one of them")
        by_file |= dict.fromkeys(files, path)


def _prefix_repeated(ids: pd.Series, sources: pd.Series) -> pd.Series:
    """Prefix ids that occur in several sources with the name of their source."""
    is_repeated = sources.groupby(ids).transform("nunique").reindex(ids.index) > 1
    return ids.mask(is_repeated.fillna(False).astype(bool), sources + "-" + ids).astype("string")


def _common_folder(folders: Sequence[Path]) -> Path:
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:  # on different drives
        return folders[0]
