"""Several data sets read as one."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from drkit import progress
from drkit.errors import UsageError
from drkit.grades import TARGETS, Target
from drkit.records.labels import DATASET, Labels, check_rows
from drkit.records.layouts.reading import read_dataset
from drkit.records.layouts.tables import stem_of


def read_datasets(paths: Sequence[Path]) -> Labels:
    """Read one data set, or several as one.

    A data set is called as its folder, several tables of one folder as the tables. Image ids and patients that stand in
    several data sets get that name in front, so that ids are unique and patients of different folders are different.

    Args:
        paths: Folders, or tables for that one alone; layouts may differ.

    Returns:
        As `read_dataset` for a single path; of several, rows with the column `dataset`, in the order of `paths`.

    Raises:
        UsageError: a data set is named twice.
        InputError: as `read_dataset`.
    """
    parts = read_each(paths)
    return join_labels(parts) if len(parts) > 1 else next(iter(parts.values()))


def read_each(paths: Sequence[Path]) -> dict[str, Labels]:
    """Read data sets, each for itself, by name.

    Raises:
        UsageError: a data set is named twice.
        InputError: as `read_dataset`.
    """
    parts = [read_dataset(path) for path in paths]
    _check_named_once(paths, parts)
    roots = [labels.root for labels in parts]
    called = [root / stem_of(path) if roots.count(root) > 1 else root for root, path in zip(roots, paths, strict=True)]
    return dict(zip(name_folders(called), parts, strict=True))


def join_labels(parts: Mapping[str, Labels]) -> Labels:
    """The photographs of several data sets, by name, as one."""
    tables = [labels.rows.assign(dataset=pd.array([name] * len(labels), "string")) for name, labels in parts.items()]
    types = {column: kind for table in tables for column, kind in table.dtypes.items()}
    rows = pd.concat(tables, ignore_index=True).astype(types)
    shared = rows["image_id"].duplicated(keep=False)
    if shared.any():
        example = rows[shared].iloc[0]
        progress.notify(
            f"{rows['image_id'][shared].nunique()} image ids stand in several data sets: there the data set's name is"
            f" put in front, as in {example[DATASET]}-{example['image_id']}"
        )
    # Tables of one folder have their patients in common: each data set is known by the first of its folder.
    first: dict[Path, str] = {}
    sources = {name: first.setdefault(labels.root, name) for name, labels in parts.items()}
    rows["image_id"] = _tell_apart(rows["image_id"], rows[DATASET])
    rows["patient_id"] = _tell_apart(rows["patient_id"], rows[DATASET].map(sources).astype("string"))
    check_rows(rows, " + ".join(parts))
    return Labels(
        rows,
        root=_common_folder([labels.root for labels in parts.values()]),
        layout=" + ".join(labels.layout for labels in parts.values()),
        targets=_shared_targets([labels.targets for labels in parts.values()]),
        datasets=dict(parts),
    )


def name_folders(folders: Sequence[Path]) -> list[str]:
    """Different names for different folders: their own, with those above where several are called the same.

    `a/APTOS` and `b/APTOS` become `a-APTOS` and `b-APTOS`.
    """
    own = [folder.name for folder in folders]
    for depth in range(1, max(len(folder.parts) for folder in folders) + 1):
        longer = ["-".join(folder.parts[-depth:]) for folder in folders]
        names = [long if own.count(name) > 1 else name for long, name in zip(longer, own, strict=True)]
        if len(set(names)) == len(names):
            break
    return names


def _check_named_once(paths: Sequence[Path], parts: Sequence[Labels]) -> None:
    """Check that no photograph is read twice, links to folders resolved.

    Raises:
        UsageError: two paths are of one folder, unless they are different tables, or list one file.
    """
    named: dict[str, list[Path]] = {}
    files: dict[str, Path] = {}
    for path, labels in zip(paths, parts, strict=True):
        folder = os.path.realpath(labels.root)
        others = named.setdefault(folder, [])
        same = [other for other in others if other.is_dir() or path.is_dir() or other.samefile(path)]
        if same:
            raise UsageError(f"{same[0]} and {path} are the same data set: name it once, by its folder")
        others.append(path)
        own = {f"{folder}{os.sep}{os.path.relpath(photograph, labels.root)}" for photograph in labels.rows["path"]}
        shared = sorted(own & files.keys())
        if shared:
            raise UsageError(f"{files[shared[0]]} and {path} both hold {shared[0]}: name one of them")
        files |= dict.fromkeys(own, path)


def _tell_apart(ids: pd.Series, sources: pd.Series) -> pd.Series:
    """Ids, with their source's name in front of those that stand in several."""
    several = sources.groupby(ids).transform("nunique").reindex(ids.index) > 1
    return ids.mask(several.fillna(False).astype(bool), sources + "-" + ids).astype("string")


def _shared_targets(stated: Sequence[tuple[Target, ...]]) -> tuple[Target, ...]:
    """Whose grade every data set states that states any."""
    graded = [targets for targets in stated if targets]
    return tuple(target for target in TARGETS if graded and all(target in targets for targets in graded))  # type: ignore[misc]


def _common_folder(folders: Sequence[Path]) -> Path:
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:  # on different drives
        return folders[0]
