"""The canonical labels of a data set in any layout: one row for each photograph."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from drkit.errors import InputError, first_few
from drkit.grades import EYES, NUM_GRADES, SPLITS, TARGETS, UNGRADABLE, Split, Target, grade_column
from drkit.records.atomic import writing

REQUIRED_COLUMNS = (
    "image_id", "path", "patient_id", "eye", "view", "eye_grade", "patient_grade", "gradable", "split",
)  # fmt: skip
QUALITY_COLUMNS = (
    "overall_quality",
    "clarity",
    "field_definition",
    "artifact",
)  # Int16, on DeepDRiD's own scales
DATASET = "dataset"  # column of labels from several data sets
PHOTOGRAPH_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".dib", ".webp", ".gif", ".ppm", ".pgm", ".pbm",
    ".pnm", ".jp2", ".j2k", ".avif", ".heic", ".heif", ".dcm", ".dicom",
)  # fmt: skip
DICOM_SUFFIXES = (".dcm", ".dicom")

_SUFFIX = re.compile(rf"(?<=.)(?:{'|'.join(map(re.escape, PHOTOGRAPH_SUFFIXES))})+$", re.IGNORECASE)


def image_stem(name: str) -> str:
    r"""The image_id in a file name, a path or an id.

    `train/1/1_l1.JPG`, `1\1_l1.jpg` and `1_l1` all give `1_l1`. Only photographic suffixes are removed, so `eye.2024`
    is an id. The stem of a stem is the stem itself.
    """
    base = name.replace("\\", "/").rsplit("/", 1)[-1].strip()
    return _SUFFIX.sub("", base).strip()


@dataclass(frozen=True)
class Labels:
    """The photographs of one or several data sets, and their labels.

    Args:
        rows: One row for each photograph, with `REQUIRED_COLUMNS` and the quality columns of the source: `image_id`,
            unique; `path`, absolute; `patient_id` and `eye` (left, right), null if unknown; `view`, the number of the
            photograph among those of its eye, or null; `eye_grade` and `patient_grade`, 0-4 or null (Int8);
            `gradable`, False for grade 5 in the source; `split`, train, val or test; and `dataset`, the name of the
            data set if there are several.
        root: The data set's folder, or the common folder of several data sets.
        layout: Name of the data set's layout; the names of several are joined by ` + `.
        targets: Targets whose grades the source states, or all graded data sets state; grades that could be derived
            do not count.
        datasets: The labels of each of several data sets, by name; empty for a single one.
    """

    rows: pd.DataFrame
    root: Path
    layout: str
    targets: tuple[Target, ...]
    datasets: Mapping[str, "Labels"] = field(default_factory=dict)

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folder of each data set."""
        return tuple(labels.root for labels in self.datasets.values()) or (self.root,)

    @property
    def title(self) -> str:
        """The name in messages: the folder, or the names of several data sets."""
        return " + ".join(self.datasets) or str(self.root)

    @property
    def name(self) -> str:
        """The name in figures: the folder's name, or the names of several data sets."""
        return " + ".join(self.datasets) or self.root.name

    def dataset_names(self) -> pd.Series:
        """The name of each photograph's data set, in row order."""
        if DATASET in self.rows:
            return self.rows[DATASET]
        return pd.Series(self.root.name, index=self.rows.index, dtype="string", name=DATASET)

    def by_dataset(self) -> dict[str, "Labels"]:
        """The photographs of each data set, by name, without data sets that have none."""
        return {
            str(name): replace(self.datasets.get(str(name), self), rows=rows.reset_index(drop=True))
            for name, rows in self.rows.groupby(self.dataset_names(), sort=False)
        }

    def of_split(self, *splits: Split) -> "Labels":
        """The photographs of the given splits."""
        return replace(self, rows=self.rows[self.rows["split"].isin(splits)].reset_index(drop=True))

    def graded(self, target: Target) -> "Labels":
        """The photographs that are gradable and have a reference grade of `target`."""
        keep = self.rows[grade_column(target)].notna() & self.rows["gradable"]
        return replace(self, rows=self.rows[keep].reset_index(drop=True))

    def grades(self, target: Target) -> pd.Series:
        """The reference grades of `target` (Int8, null where unknown), in row order."""
        return self.rows[grade_column(target)]

    def grade_counts(self, target: Target) -> tuple[int, ...]:
        """The number of photographs with grade 0, 1, 2, 3 and 4."""
        counts = self.grades(target).value_counts()
        return tuple(int(counts.get(grade, 0)) for grade in range(NUM_GRADES))

    def paths(self) -> list[Path]:
        """The photographs' paths, in row order."""
        return [Path(path) for path in self.rows["path"]]

    @property
    def num_patients(self) -> int:
        """Number of patients; photographs without a patient id count as separate patients."""
        known = self.rows["patient_id"].dropna()
        return int(known.nunique() + (len(self.rows) - len(known)))

    @property
    def sha256(self) -> str:
        """Hash of ids, patients, grades and splits, without paths."""
        columns = ["image_id", "patient_id", "eye", "eye_grade", "patient_grade", "gradable", "split", DATASET]
        rows = self.rows[[column for column in columns if column in self.rows]]
        text = rows.sort_values("image_id").to_csv(index=False, lineterminator="\n")
        return hashlib.sha256(text.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.rows)


def build_rows(**columns: Iterable[object]) -> pd.DataFrame:
    """Build a table with the canonical columns and types; missing columns are null."""
    table = pd.DataFrame(columns)
    rows = table.reindex(columns=[*REQUIRED_COLUMNS, *table.columns.difference(REQUIRED_COLUMNS, sort=False)])
    for name in ("image_id", "path", "patient_id", "eye", "split"):
        rows[name] = rows[name].astype("string")
    for name in ("eye_grade", "patient_grade"):
        rows[name] = rows[name].astype("Int8")
    for name in ("view", *table.columns.intersection(QUALITY_COLUMNS)):
        rows[name] = rows[name].astype("Int16")
    rows["gradable"] = rows["gradable"].astype("boolean").fillna(True).astype(bool)
    return rows


def withhold_ungradable(rows: pd.DataFrame) -> pd.DataFrame:
    """Replace grade 5 by an empty grade and `gradable` False."""
    rows = rows.copy()
    for target in TARGETS:
        ungradable = (rows[grade_column(target)] == UNGRADABLE).fillna(False)
        rows.loc[ungradable, "gradable"] = False
        rows.loc[ungradable, grade_column(target)] = pd.NA
    return rows


def check_rows(rows: pd.DataFrame, source: str) -> None:
    """Check ids, eyes and splits.

    Raises:
        InputError: there is no photograph, an id is repeated, or an eye or split is unknown.
    """
    if rows.empty:
        raise InputError(f"{source} lists no photographs: expected one row for each")
    repeated = rows["image_id"][rows["image_id"].duplicated()].unique().tolist()
    if repeated:
        raise InputError(f"{source}: {len(repeated)} image ids occur twice: {first_few(repeated)}")
    for column, allowed in (("eye", EYES), ("split", SPLITS)):
        unknown = rows[column].dropna()[~rows[column].dropna().isin(allowed)].unique().tolist()
        if unknown:
            raise InputError(f"{source}: {column} '{unknown[0]}' is not one of {', '.join(allowed)}")


def write_labels(labels: Labels, path: Path, *, force: bool = False) -> None:
    """Write the canonical `labels.csv`, with the photographs' paths relative to it.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
        InputError: a photograph lies outside the folder of `path`.
    """
    rows = labels.rows.copy()
    rows["path"] = [_relative(photograph, path) for photograph in rows["path"]]
    with writing(path, force=force) as draft:
        rows.to_csv(draft, index=False, lineterminator="\n")


def _relative(photograph: str, csv_path: Path) -> str:
    """A photograph's path relative to the CSV, as spelled or after resolving symbolic links."""
    for spelled in (os.path.abspath, os.path.realpath):
        relative = Path(os.path.relpath(spelled(photograph), spelled(csv_path.parent)))
        if ".." not in relative.parts:
            return relative.as_posix()
    raise InputError(f"{csv_path} cannot list {photograph}: photographs must lie in its folder or below")
