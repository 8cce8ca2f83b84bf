"""A data set read as far as it goes: what `read_dataset` would refuse is noted, the rest is kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
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
from drkit.records.layouts.settling import WHERE, ParsedTables, parse_tables, settle
from drkit.records.layouts.tables import RawTable


@dataclass(frozen=True)
class DatasetProblem:
    """One thing that `read_dataset` would refuse.

    Args:
        kind: `empty-id`, `id-twice`, `grade-off-scale`, `two-eyes-graded`, `unknown-word`,
            `missing-photograph` or `unlocatable-photograph` (several fit, or outside the folder).
        sentence: Where and what.
        image_ids: Of the photographs concerned; empty where the id itself is missing.
    """

    kind: str
    sentence: str
    image_ids: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """What could be read of a data set.

    Args:
        rows: Canonical rows as in `Labels`, but `image_id` may stand twice, `path` is null where there is no
            photograph, cells that could not be read are null; and a column `where`, the file and its row.
        root: The data set's folder.
        layout: Name of its layout.
        flaws: What was wrong, in the order of the tables.
        remarks: What `read_dataset` would say of it.
    """

    rows: pd.DataFrame
    root: Path
    layout: str
    flaws: tuple[DatasetProblem, ...]
    remarks: tuple[DatasetRemark, ...] = ()


@dataclass(frozen=True)
class _SurveyedTable(RawTable):
    """A table that notes what is wrong with its rows instead of refusing."""

    noted: list[tuple[str, int, str]] = field(default_factory=list)

    def refuse(self, wrong: pd.Series, kind: str, sentence: Callable[[int], str]) -> None:
        """Note each wrong row."""
        self.noted.extend((kind, int(row), f"{self.where(int(row))}: {sentence(row)}") for row in wrong.index[wrong])


def survey_dataset(path: Path) -> Survey:
    """Read a data set in any layout as far as it goes.

    Args:
        path: Its folder, or one of its tables for that one alone.

    Raises:
        InputError: nothing there, an unknown or ambiguous layout, a file that is no table, or no row at all.
    """
    layout, tables, root = open_dataset(path)
    if not tables:
        return _survey_folder(root, path)
    surveyed = [_SurveyedTable(table.path, table.cells, table.header, table.taken) for table in tables]
    parts: ParsedTables = [
        (table, rows.assign(image_id=rows["image_id"].fillna(""))) for table, rows in parse_tables(layout, surveyed)
    ]
    flaws = [flaw for table, (_, rows) in zip(surveyed, parts, strict=True) for flaw in _as_flaws(table, rows)]
    parts = [(table, rows[rows["image_id"] != ""]) for table, rows in parts]
    places = list(_places(PhotographFolder(root), LAYOUTS[layout], parts))
    paths = [found for found, _ in places]
    settled = settle(layout, parts, paths)
    rows = settled.rows.assign(path=pd.array(paths, dtype="string"))
    flaws += [flaw for _, flaw in places if flaw]
    return _whole(rows, root, layout, flaws, settled.remarks, path)


def _survey_folder(root: Path, path: Path) -> Survey:
    folder = PhotographFolder(root)
    photographs = folder.photographs()
    layout, rows, remarks = list_photographs(root, photographs)
    remarks += remark_on_skipped(folder.others(), folder.masks())
    rows[WHERE] = [photograph.relative_to(root).as_posix() for photograph in photographs]
    return _whole(rows, root, layout, [], remarks, path)


def _whole(
    rows: pd.DataFrame,
    root: Path,
    layout: str,
    flaws: list[DatasetProblem],
    remarks: Sequence[DatasetRemark],
    path: Path,
) -> Survey:
    if rows.empty:
        raise InputError(f"{path} holds neither photographs nor a table that lists any: give a data set's own folder")
    return Survey(withhold_ungradable(rows), root, layout, (*flaws, *_ids_twice(rows)), tuple(remarks))


def _as_flaws(table: _SurveyedTable, rows: pd.DataFrame) -> Iterator[DatasetProblem]:
    """What a table noted, once each, with the ids of the rows."""
    for kind, row, sentence in dict.fromkeys(table.noted):
        name = str(rows.loc[row, "image_id"])
        yield DatasetProblem(kind, sentence, (name,) if name else ())


def _ids_twice(rows: pd.DataFrame) -> Iterator[DatasetProblem]:
    twice = rows[rows["image_id"].duplicated(keep=False)]
    for name, same in twice.groupby("image_id", sort=False):
        places = " and ".join(same["where"])
        yield DatasetProblem(
            "id-twice", f"image id '{name}' stands at {places}: keep one row a photograph", (str(name),)
        )


def _places(
    folder: PhotographFolder, layout: Layout, parts: ParsedTables
) -> Iterator[tuple[str | None, DatasetProblem | None]]:
    """For each row its photograph's path, or what is wrong with it."""
    for table, rows in parts:
        near = {split: folders_near(layout, table, split) for split in rows["split"].unique()}
        for index, row in zip(rows.index, rows[["image_id", "path", "split"]].itertuples(index=False), strict=True):
            try:
                found = folder.find(row.path, near[row.split], row.split, table.where(int(index)))
            except InputError as error:
                yield None, DatasetProblem("unlocatable-photograph", str(error), (row.image_id,))
                continue
            yield found, None if found else _flaw_of_missing(folder, row.path, table.where(int(index)), row.image_id)


def _flaw_of_missing(folder: PhotographFolder, written: str, where: str, image_id: str) -> DatasetProblem:
    told = describe_missing(folder, written)
    sentence = f"{where}: {told} is missing" if told == written else f"{where}: {told}"
    return DatasetProblem("missing-photograph", sentence, (image_id,))
