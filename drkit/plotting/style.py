"""The common style of all pictures: readable at column width, with colours that colour-blind readers can tell apart."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from drkit.errors import UsageError
from drkit.fonts import font_families, warning_of_missing_letters
from drkit.records.atomic import writing

# Okabe and Ito 2008, Color Universal Design.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Of the grades 0 to 4, from the same palette; the markers tell them apart without colour.
GRADE_COLOURS = ("#56B4E9", "#009E73", "#E69F00", "#D55E00", "#000000")
GRADE_MARKERS = ("o", "^", "s", "D", "X")
SUFFIXES = (".png", ".svg", ".pdf")

WIDTHS = (3.6, 6.4, 7.4)  # inches of a figure with one, two, three columns of panels
TITLE_WIDTHS = (42, 84, 96)  # characters of a line of such a figure's title
MAX_RUNS = len(COLOURS)  # runs on the same axes; more could not be told apart
MAX_RUNS_WITH_BANDS = 3  # runs on the same axes with intervals and single networks; those of more hide each other
TICKS_OF_SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # of both axes, where both are shares
CHARACTER = 0.068  # inches, of a legend's letter
HANDLE = 0.55  # inches, of a legend's line and the space about it


class _NameWrapper(textwrap.TextWrapper):
    wordsep_re = re.compile(r"(\s+)|(?<=[-_])(?=[^\W_])")


@contextmanager
def styled() -> Iterator[None]:
    """Draw in drkit's style inside the block: names are not parsed as formulas, and SVG files have no random ids."""
    settings: Any = {
        "font.family": list(font_families()),
        "text.parse_math": False,
        "font.size": 8.5,
        "axes.titlesize": 9.5,
        "figure.titlesize": 10,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.alpha": 0.25,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "savefig.dpi": 200,
        "svg.hashsalt": "drkit",
    }
    with mpl.rc_context(settings):
        yield


def open_panels(num: int, *, height: float = 2.5, columns: int = 3) -> tuple[Figure, list[Axes]]:
    """A figure with `num` panels, at most `columns` side by side, each `height` inches tall."""
    num_columns = min(num, columns)
    num_rows = -(-num // num_columns)
    layout = ConstrainedLayoutEngine(h_pad=0.07, w_pad=0.05)  # inches
    figure = Figure(figsize=(WIDTHS[num_columns - 1], height * num_rows), layout=layout)
    panels = figure.subplots(num_rows, num_columns, squeeze=False).ravel().tolist()
    for spare in panels[num:]:
        spare.remove()
    return figure, panels[:num]


def place_legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Put a legend below the panels, in as many columns as fit, long names broken; the figure grows by its height."""
    width, height = figure.get_size_inches()
    max_characters = int((width - 0.2 - HANDLE) / CHARACTER)
    labels = [break_name(str(handle.get_label()), max_characters) for handle in handles]
    longest = max(len(line) for label in labels for line in label.split("\n"))
    num_columns = max(1, min(len(labels), int((width - 0.2) / (longest * CHARACTER + HANDLE))))
    num_lines = -(-sum(label.count("\n") + 1 for label in labels) // num_columns)
    figure.set_size_inches(width, height + 0.17 * num_lines)
    figure.legend(handles=handles, labels=labels, loc="outside lower center", ncols=num_columns)


def break_name(name: str, width: int) -> str:
    """Break a name at spaces, `-` and `_` into lines of about equal lengths, of at most `width` characters."""
    return "\n".join(line for part in name.split("\n") for line in _wrap_evenly(part, width)) or name


def _wrap_evenly(text: str, width: int) -> list[str]:
    """Wrap text into as few lines of `width` characters as possible, with the longest line as short as possible."""
    fewest = _NameWrapper(width).wrap(text)
    narrower = (_NameWrapper(less).wrap(text) for less in range(max(1, len(text) // max(1, len(fewest))), width))
    longest_word = max((len(word) for word in _NameWrapper.wordsep_re.split(text) if word), default=0)
    if longest_word > width:  # which is cut anyway
        return fewest
    return next((lines for lines in narrower if len(lines) == len(fewest)), fewest)


def check_suffix(path: Path) -> None:
    """Check that a picture can be written under this name.

    Raises:
        UsageError: the suffix is not that of a picture format.
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
    with styled(), warning_of_missing_letters(str(path)), writing(path, force=force) as draft:
        figure.savefig(draft, metadata=metadata)
