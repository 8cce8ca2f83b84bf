"""submission.csv: the sample is read, and the submission written in its columns, beside a JSON of its origin."""

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

COLUMNS = ("ID", "TARGET")  # where no sample names others, as id_code,diagnosis or image,level
KIND = "submission"


@dataclass(frozen=True)
class Sample:
    """Which photographs the competition asks for.

    Args:
        ids: In the sample's spelling and order, each once.
        path: The sample.
        columns: How it calls ids and grades.
    """

    ids: tuple[str, ...]
    path: Path
    columns: tuple[str, str] = COLUMNS

    def stems(self) -> tuple[str, ...]:
        """The image ids that the ids stand for."""
        return tuple(image_stem(identity) for identity in self.ids)


def sidecar_path(out: Path) -> Path:
    """The JSON beside a submission.

    Raises:
        UsageError: the submission itself is called .json.
    """
    if out.suffix.lower() == ".json":
        raise UsageError(f"--out {out}: a submission is a .csv, the .json beside it tells its origin")
    return out.with_suffix(".json")


def read_sample(path: Path) -> Sample:
    """Read a sample submission: ids in its first column, grades, which are ignored, in its second and last.

    However it was saved: see `read_cells`.

    Raises:
        InputError: missing, no table, not two columns, an empty id, an id twice.
    """
    (_, header), *rows = _read_rows(path)
    if len(header) != 2 or not all(header):
        raise InputError(
            f"{path}: columns are {', '.join(header)}, expected two, of ids and of grades, as {', '.join(COLUMNS)}"
        )
    columns = (header[0], header[1])
    for number, cells in rows:
        if not cells[0]:
            raise InputError(f"{path} row {number}: the {columns[0]} is empty")
    if not rows:
        raise InputError(f"{path}: no rows below the header, expected one a photograph")
    sample = Sample(tuple(cells[0] for _, cells in rows), path, columns)
    check_unique(sample.stems(), str(path))
    return sample


def check_unique(stems: Sequence[str], source: str) -> None:
    """Refuse image ids that stand twice.

    Raises:
        InputError: counts them all and names five.
    """
    twice = [stem for stem, count in Counter(stems).items() if count > 1]
    if twice:
        raise InputError(f"{source}: {len(twice)} image ids stand twice: {first_few(twice)}")


def check_submission_writable(out: Path, *, force: bool, inputs: Sequence[Path] = ()) -> None:
    """Refuse, before anything is written, what must not be overwritten.

    Args:
        out: The submission; its sidecar is looked at too.
        force: Whether an earlier submission may be replaced.
        inputs: Files the submission is made from: never replaced.

    Raises:
        OutputExistsError: a file is there and `force` is off, or it is no submission's sidecar.
        UsageError: an output is one of the inputs.
    """
    sidecar = sidecar_path(out)
    for path in (out, sidecar):
        if path.resolve() in {given.resolve() for given in inputs}:
            raise UsageError(f"{path} is what the submission is made from: choose another --out")
        check_writable(path, force=force)
    if sidecar.exists() and not is_written(out):
        raise OutputExistsError(f"{sidecar} is there and belongs to no submission: choose another --out")


def write_submission(
    out: Path,
    ids: Sequence[str],
    grades: Sequence[int],
    origin: Mapping[str, Any],
    *,
    columns: tuple[str, str] = COLUMNS,
    force: bool = False,
) -> None:
    """Write ids and grades and, beside them, where they came from.

    Args:
        out: The CSV; the sidecar takes its name with .json.
        ids: In the order of the file.
        grades: 0-4, one an id.
        origin: What the sidecar tells; free JSON.
        columns: What ids and grades are called.
        force: Replace an earlier submission.

    Raises:
        OutputExistsError: as `check_submission_writable`.
    """
    check_submission_writable(out, force=force)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(ids, grades, strict=True))
    content = text.getvalue().encode()
    whole = {"kind": KIND, "submission_sha256": sha256_bytes(content), **origin}
    record = json.dumps(whole, indent=2, sort_keys=True, allow_nan=False) + "\n"
    with writing(sidecar_path(out), force=force) as sidecar, writing(out, force=force) as draft:
        draft.write_bytes(content)
        sidecar.write_bytes(record.encode())


def _read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """The filled rows of a table, the header first, each with the number that an editor shows."""
    if not path.exists():
        raise InputError(f"{path} does not exist: expected the competition's sample_submission.csv")
    cells = read_cells(path)
    return [(int(row) + 2, line) for row, line in zip(cells.index, cells.to_numpy().tolist(), strict=True) if any(line)]


def is_written(out: Path) -> bool:
    """Whether the JSON beside a CSV says that it is a submission."""
    try:
        record = json.loads(out.with_suffix(".json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("kind") == KIND
