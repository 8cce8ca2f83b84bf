"""One look for all pictures: readable at column width, safe for colour-blind eyes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from drkit.errors import UsageError
from drkit.records.atomic import writing

# Okabe and Ito 2008, Color Universal Design.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SUFFIXES = (".png", ".svg", ".pdf")


@contextmanager
def styled() -> Iterator[None]:
    """Draw in drkit's style inside the block; svg files carry no random ids."""
    settings: Any = {
        "font.size": 9,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "savefig.dpi": 160,
        "svg.hashsalt": "drkit",
    }
    with mpl.rc_context(settings):
        yield


def check_suffix(path: Path) -> None:
    """Hold that a picture can be written under this name.

    Raises:
        UsageError: a suffix of no kind of picture.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--out {path}: expected a name that ends in {', '.join(SUFFIXES)}")


def write_figure(figure: Figure, path: Path, *, force: bool) -> None:
    """Write a picture, the same bytes for the same figure.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
    """
    dated = {"CreationDate": None} if path.suffix.lower() == ".pdf" else {"Date": None}
    metadata = None if path.suffix.lower() == ".png" else dated
    with styled(), writing(path, force=force) as draft:
        figure.savefig(draft, metadata=metadata)
