"""Surveys of data sets: like `read_dataset`, but problems are collected instead of raised."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from drkit.errors import InputError
from drkit.records.labels import withhold_ungradable
from drkit.records.layouts.layout import Layout
from drkit.records.layouts.listing import list_photographs
from drkit.records.layouts.photographs import PhotographFolder, describe_missing, folders_near
from drkit.records.layouts.reading import open_dataset
from drkit.records.layouts.recognise import LAYOUTS
from drkit.records.layouts.remarks import DatasetRemark, remark_on_skipped
from drkit.records.layouts.resolving import WHERE, ParsedTables, parse_tables, resolve_photographs
from drkit.records.layouts.tables import RawTable


@dataclass(frozen=True)
class DatasetProblem:
    """A problem for which `read_dataset` would refuse the data set.

    Args:
        kind: `empty-id`, `id-twice`, `grade-off-scale`, `two-eyes-graded`, `unknown-word`,
            `missing-photograph` or `unlocatable-photograph` (several files match, or it is outside the folder).
        sentence: Location and description.
        image_ids: Ids of the affected photographs; empty if the id itself is missing.
    """

    kind: str
    sentence: str
    image_ids: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """What could be read of a data set.

    Args:
        rows: Canonical rows as in `Labels`, and a column `where` with the file and its row. Unlike there, `image_id`
            may be repeated, and `path` of missing photographs and cells that could not be read are null.
        root: The data set's folder.
        layout: Name of its layout.
        problems: What was wrong, in the order of the tables.
        remarks: What `read_dataset` would report besides.
    """

    rows: pd.DataFrame
    root: Path
    layout: str
    problems: tuple[DatasetProblem, ...]
    remarks: tuple[DatasetRemark, ...] = ()


@dataclass(frozen=True)
class _SurveyedTable(RawTable):
    """A table that notes its wrong rows as (kind, row, sentence) instead of raising an error."""

    noted: list[tuple[str, int, str]] = field(default_factory=list)

    def refuse(self, wrong: pd.Series, kind: str, sentence: Callable[[int], str]) -> None:
        """Note each wrong row."""
        self.noted.extend((kind, int(row), f"{self.where(int(row))}: {sentence(row)}") for row in wrong.index[wrong])


def survey_dataset(path: Path) -> Survey:
    """Read as much as possible of a data set in any layout.

    Args:
        path: The data set's folder, or one of its tables to read only that.

    Raises:
        InputError: `path` does not exist, its layout is unknown or ambiguous, a table is damaged, or there is no row.
    """
    layout, tables, root = open_dataset(path)
    survey = _survey_tables(layout, tables, root) if tables else _survey_folder(root)
    if survey.rows.empty:
        raise InputError(f"{path} holds neither photographs nor a table that lists any: give the folder of a data set")
    problems = (*survey.problems, *_find_repeated_ids(survey.rows))
    return replace(survey, rows=withhold_ungradable(survey.rows), problems=problems)


def _survey_tables(layout: str, tables: Sequence[RawTable], root: Path) -> Survey:
    surveyed = [_SurveyedTable(table.path, table.cells, table.header, table.taken) for table in tables]
    parts: ParsedTables = []
    problems: list[DatasetProblem] = []
    for table, (_, rows) in zip(surveyed, parse_tables(layout, surveyed), strict=True):
        ids = rows["image_id"].fillna("")
        for kind, row, sentence in dict.fromkeys(table.noted):
            problems.append(DatasetProblem(kind, sentence, (str(ids[row]),) if ids[row] else ()))
        parts.append((table, rows[ids != ""]))
    located = list(_locate(PhotographFolder(root), LAYOUTS[layout], parts))
    paths = [path for path, _ in located]
    resolved = resolve_photographs(layout, parts, paths)
    rows = resolved.rows.assign(path=pd.array(paths, dtype="string"))
    problems += [problem for _, problem in located if problem]
    return Survey(rows, root, layout, tuple(problems), resolved.remarks)


def _survey_folder(root: Path) -> Survey:
    folder = PhotographFolder(root)
    photographs = folder.photographs()
    layout, rows, remarks = list_photographs(root, photographs)
    remarks += remark_on_skipped(folder.other_files(), folder.masks())
    rows[WHERE] = [photograph.relative_to(root).as_posix() for photograph in photographs]
    return Survey(rows, root, layout, (), tuple(remarks))


def _find_repeated_ids(rows: pd.DataFrame) -> Iterator[DatasetProblem]:
    repeated = rows[rows["image_id"].duplicated(keep=False)]
    for name, same in repeated.groupby("image_id", sort=False):
        sentence = f"image id '{name}' is that of {' and '.join(same[WHERE])}: keep one row for each photograph"
        yield DatasetProblem("id-twice", sentence, (str(name),))


def _locate(
    folder: PhotographFolder, layout: Layout, parts: ParsedTables
) -> Iterator[tuple[str | None, DatasetProblem | None]]:
    """Find the path of each row's photograph, or None and the problem."""
    for table, rows in parts:
        near = {split: folders_near(layout, table, split) for split in rows["split"].unique()}
        for index, row in zip(rows.index, rows[["image_id", "path", "split"]].itertuples(index=False), strict=True):
            where = table.where(int(index))
            try:
                path = folder.find(row.path, near[row.split], row.split, where)
            except InputError as error:
                yield None, DatasetProblem("unlocatable-photograph", str(error), (row.image_id,))
                continue
            if path:
                yield path, None
                continue
            missing = describe_missing(folder, row.path)
            sentence = f"{where}: {missing}{' is missing' if missing == row.path else ''}"
            yield None, DatasetProblem("missing-photograph", sentence, (row.image_id,))
