"""submission.csv, with the columns of the competition's sample, and the JSON beside it that records its origin."""

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drkit.errors import InputError, OutputExistsError, UsageError, first_few
from drkit.records.atomic import check_writable, writing
from drkit.records.labels import image_stem
from drkit.records.layouts.cells import read_cells
from drkit.records.provenance import sha256_bytes

COLUMNS = ("ID", "TARGET")  # unless the sample has others, such as id_code,diagnosis or image,level
KIND = "submission"


@dataclass(frozen=True)
class Sample:
    """The photographs that the competition expects.

    Args:
        ids: Unique ids, in the sample's spelling and order.
        path: The sample's file.
        columns: Names of the columns of ids and grades.
    """

    ids: tuple[str, ...]
    path: Path
    columns: tuple[str, str] = COLUMNS

    def stems(self) -> tuple[str, ...]:
        """The image ids, without suffixes."""
        return tuple(image_stem(identity) for identity in self.ids)


def sidecar_path(out: Path) -> Path:
    """The JSON beside a submission.

    Raises:
        UsageError: the submission itself has the suffix .json.
    """
    if out.suffix.lower() == ".json":
        raise UsageError(f"--out {out}: a submission is a .csv file; the .json file beside it records its origin")
    return out.with_suffix(".json")


def read_sample(path: Path) -> Sample:
    """Read a sample submission: a table with a column of ids and one of grades, which are ignored.

    Raises:
        InputError: the file is missing, is not a table (see `read_cells`), does not have two columns, or has an empty
            or repeated id.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist: expected the competition's sample_submission.csv")
    lines = ((int(row) + 2, cells) for row, *cells in read_cells(path).itertuples())
    (_, header), *rows = [(number, cells) for number, cells in lines if any(cells)]
    if len(header) != 2 or not all(header):
        raise InputError(
            f"{path}: columns are {', '.join(header)}, expected two, of ids and of grades, such as {', '.join(COLUMNS)}"
        )
    columns = (header[0], header[1])
    for number, cells in rows:
        if not cells[0]:
            raise InputError(f"{path} row {number}: the {columns[0]} is empty")
    if not rows:
        raise InputError(f"{path}: no rows below the header, expected one for each photograph")
    sample = Sample(tuple(cells[0] for _, cells in rows), path, columns)
    check_unique(sample.stems(), str(path))
    return sample


def check_unique(stems: Sequence[str], source: str) -> None:
    """Check that no image id is repeated.

    Raises:
        InputError: ids are repeated; the message has their number and the first five.
    """
    repeated = [stem for stem, count in Counter(stems).items() if count > 1]
    if repeated:
        raise InputError(f"{source}: {len(repeated)} image ids occur twice: {first_few(repeated)}")


def check_submission_writable(out: Path, *, force: bool, inputs: Sequence[Path] = ()) -> None:
    """Check that a submission and its sidecar can be written.

    Args:
        out: The submission.
        force: Whether an earlier submission may be overwritten.
        inputs: Files from which the submission is made; they are never overwritten.

    Raises:
        OutputExistsError: a file exists and `force` is off, or the JSON is not that of a submission.
        UsageError: an output is one of the inputs.
    """
    sidecar = sidecar_path(out)
    for path in (out, sidecar):
        if path.resolve() in {source.resolve() for source in inputs}:
            raise UsageError(f"{path} is an input of the submission: choose another --out")
        check_writable(path, force=force)
    if sidecar.exists() and not is_written(out):
        raise OutputExistsError(f"{sidecar} exists and does not belong to a submission: choose another --out")


def write_submission(
    out: Path,
    ids: Sequence[str],
    grades: Sequence[int],
    origin: Mapping[str, Any],
    *,
    columns: tuple[str, str] = COLUMNS,
    force: bool = False,
) -> None:
    """Write a submission, and the JSON beside it that records its origin.

    Args:
        out: The CSV; the sidecar has its name with .json.
        ids: Ids, in the order of the file.
        grades: Grade of each id, 0-4.
        origin: Content of the sidecar; any JSON.
        columns: Names of the columns of ids and grades.
        force: Overwrite an earlier submission.

    Raises:
        OutputExistsError: as `check_submission_writable`.
    """
    check_submission_writable(out, force=force)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(ids, grades, strict=True))
    content = text.getvalue().encode()
    record = {"kind": KIND, "submission_sha256": sha256_bytes(content), **origin}
    with writing(sidecar_path(out), force=force) as sidecar, writing(out, force=force) as draft:
        draft.write_bytes(content)
        sidecar.write_bytes((json.dumps(record, indent=2, sort_keys=True, allow_nan=False) + "\n").encode())


def is_written(out: Path) -> bool:
    """Whether the JSON beside a CSV says that it is a submission."""
    try:
        record = json.loads(out.with_suffix(".json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("kind") == KIND
