"""A submission before Kaggle sees it: its ids, its grades, its columns."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from drkit.auditing.findings import Finding, make_finding
from drkit.grades import MAX_GRADE
from drkit.records.labels import image_stem
from drkit.records.layouts.cells import is_table_file
from drkit.records.layouts.tables import RawTable, open_table
from drkit.records.submission import COLUMNS, Sample, is_written


def is_submission(path: Path) -> bool:
    """Whether a table has the columns ID and TARGET, or drkit wrote it as a submission."""
    is_table = path.is_file() and is_table_file(path)
    return is_table and (is_written(path) or open_table(path).has("id", "target"))


def find_submission_faults(path: Path, sample: Sample | None) -> Iterator[Finding]:
    """What Kaggle would refuse or misread.

    Args:
        path: The submission.
        sample: Which ids are asked for; None: any.

    Raises:
        InputError: not a table.
    """
    table = open_table(path)
    expected = _columns(path, table, sample)
    if tuple(table.header.values()) != expected:
        sentence = f"{path}: columns are {table.columns}, expected {', '.join(expected)}"
        yield make_finding("wrong-columns", sentence, (), (), (str(path),))
    called = {written.lower(): column for column, written in table.header.items()}
    ids, grades = (table.cells[called[name.lower()]] if name.lower() in called else None for name in expected)
    if ids is not None:
        yield from _find_ids_off(path, ids.rename(expected[0]), sample)
    if ids is not None and grades is not None:
        yield from _find_grades_off(path, ids, grades.rename(expected[1]))


def _columns(path: Path, table: RawTable, sample: Sample | None) -> tuple[str, ...]:
    """Those of the sample; without one, the two of a submission that drkit wrote, else ID and TARGET."""
    if sample is not None:
        return sample.columns
    own = tuple(table.header.values())
    return own if len(own) == 2 and is_written(path) else COLUMNS


def _find_ids_off(path: Path, ids: pd.Series, sample: Sample | None) -> Iterator[Finding]:
    for row in ids.index[ids == ""]:
        yield _about("empty-id", f"{path} row {row + 2}: the {ids.name} is empty", (), path)
    stems = ids[ids != ""].map(image_stem)
    for name, same in stems[stems.duplicated(keep=False)].groupby(stems, sort=False):
        places = ", ".join(str(row + 2) for row in same.index)
        yield _about("id-twice", f"{path} rows {places}: '{name}' stands {len(same)} times", (str(name),), path)
    if sample is not None:
        yield from _find_unasked(path, ids[ids != ""], sample)


def _find_unasked(path: Path, ids: pd.Series, sample: Sample) -> Iterator[Finding]:
    """Kaggle compares ids letter by letter: another spelling is told as such."""
    given = dict(zip(ids.map(image_stem), ids, strict=True))
    for asked, stem in zip(sample.ids, sample.stems(), strict=True):
        if stem not in given:
            yield _about("id-missing", f"{path} has no row for {asked}", (asked,), path)
        elif asked not in set(ids):
            sentence = f"{path} spells {asked} as {given[stem]}: Kaggle will not know it"
            yield _about("id-missing", sentence, (asked,), path)
    for stem in given.keys() - set(sample.stems()):
        yield _about("id-surplus", f"{path}: {given[stem]} is not in {sample.path}", (given[stem],), path)


def _find_grades_off(path: Path, ids: pd.Series, cells: pd.Series) -> Iterator[Finding]:
    off = ~cells.isin([str(grade) for grade in range(MAX_GRADE + 1)])
    for row in cells.index[off]:
        name, where = ids[row], f"{path} row {row + 2}"
        sentence = f"{where}: {cells.name} of {name} is '{cells[row]}', expected a whole number 0-{MAX_GRADE}"
        yield _about("grade-off-scale", sentence, (str(name),), path)


def _about(kind: str, sentence: str, ids: tuple[str, ...], path: Path) -> Finding:
    return make_finding(kind, sentence, ids, (), (str(path),))
