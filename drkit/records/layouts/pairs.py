"""Messidor-2's pairs file, which lists the two photographs of each patient."""

from pathlib import Path

from drkit.errors import InputError
from drkit.records.labels import image_stem
from drkit.records.layouts.names import is_pairs_file
from drkit.records.layouts.tables import open_table


def read_pairs(folder: Path) -> dict[str, tuple[str, str]]:
    """Read patient and eye of each photograph from the pairs file (columns left and right) of a folder.

    Returns:
        Patient and eye by `pair_key`; empty if the folder has no pairs file.

    Raises:
        InputError: a photograph occurs in two pairs.
    """
    files = [path for path in sorted(folder.glob("*.[cC][sS][vV]")) if is_pairs_file(path.name)]
    tables = [pairs for pairs in map(open_table, files) if pairs.has("left", "right")]
    if not tables:
        return {}
    pairs = tables[0]
    subjects: dict[str, tuple[str, str]] = {}
    for index, names in zip(pairs.cells.index, pairs.cells[["left", "right"]].to_numpy(), strict=True):
        patient = image_stem(next(filter(None, names), ""))
        for eye, name in zip(("left", "right"), names, strict=True):
            if name and subjects.setdefault(pair_key(name), (patient, eye)) != (patient, eye):
                raise InputError(f"{pairs.where(int(index))}: {name} occurs in a second pair: keep one of them")
    return subjects


def pair_key(name: str) -> str:
    """A photograph's name without suffix, in lower case."""
    return image_stem(name).casefold()
