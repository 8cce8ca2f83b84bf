"""Messidor-2's pairs of eyes: which two photographs are of one patient, as its authors give them."""

from pathlib import Path

from drkit.errors import InputError
from drkit.records.labels import image_stem
from drkit.records.layouts.names import is_pairs_file
from drkit.records.layouts.tables import open_table


def read_pairs(folder: Path) -> dict[str, tuple[str, str]]:
    """Patient and eye by `pair_key`, from the pairs file (columns left and right) in a folder; empty without one.

    Raises:
        InputError: a photograph stands in two pairs.
    """
    beside = [path for path in sorted(folder.glob("*.[cC][sS][vV]")) if is_pairs_file(path.name)]
    tables = [pairs for pairs in map(open_table, beside) if pairs.has("left", "right")]
    if not tables:
        return {}
    pairs = tables[0]
    found: dict[str, tuple[str, str]] = {}
    for index, names in zip(pairs.cells.index, pairs.cells[["left", "right"]].to_numpy(), strict=True):
        patient = image_stem(next(filter(None, names), ""))
        for eye, name in zip(("left", "right"), names, strict=True):
            if name and found.setdefault(pair_key(name), (patient, eye)) != (patient, eye):
                raise InputError(f"{pairs.where(int(index))}: {name} stands in a second pair: keep one")
    return found


def pair_key(name: str) -> str:
    """A photograph's name without suffix and case."""
    return image_stem(name).casefold()
