"""Letters that no font has are reported once."""

import warnings
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from reporters import Recorder

from drkit import fonts, progress
from drkit.explaining.pictures import SheetRow, draw_sheet
from drkit.fonts import PLAIN_FONT, font_families, warning_of_missing_letters
from drkit.plotting.style import styled, write_figure

ANCIENT = "\U00012000\U00012001"  # cuneiform: in none of the fonts


def _figure(title: str) -> Figure:
    with styled():
        figure = Figure()
        figure.suptitle(title)
    return figure


@pytest.fixture(autouse=True)
def _strict():
    fonts._REPORTED.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_missing_letters_are_one_warning_of_drkits(tmp_path: Path) -> None:
    reported = Recorder()
    with progress.reporting_to(reported):
        write_figure(_figure(f"{ANCIENT} and {ANCIENT}"), tmp_path / "a.png", force=False)
    assert len(reported.warnings) == 1
    assert (
        f"a.png: 2 letters are drawn as boxes, because no installed font has them: {', '.join(ANCIENT)}"
        in (reported.warnings[0])
    )


def test_missing_letters_on_sheets_are_reported() -> None:
    import numpy as np

    reported = Recorder()
    row = SheetRow(ANCIENT, [("photograph", np.zeros((8, 8, 3), np.uint8))], (0.2,) * 5, None)
    with progress.reporting_to(reported):
        draw_sheet([row], "title", ("for", "against"))
        draw_sheet([row], "title", ("for", "against"))
    assert len(reported.warnings) == 1  # once, however often they are drawn


def test_other_warnings_pass(tmp_path: Path) -> None:
    with pytest.raises(UserWarning, match="something else"), warning_of_missing_letters("x"):
        warnings.warn("something else", UserWarning, stacklevel=1)


@pytest.mark.parametrize("name", ["a$^$b", "$1_2$", "50 $", r"a\frac$"])
def test_a_name_is_no_formula(name: str, tmp_path: Path) -> None:
    figure = _figure(name)
    write_figure(figure, tmp_path / "a.svg", force=False)
    (title,) = figure.texts
    assert (title.get_text(), title.get_parse_math()) == (name, False)


def test_only_installed_fonts_are_requested() -> None:
    from matplotlib.font_manager import fontManager

    assert font_families()[0] == PLAIN_FONT
    assert set(font_families()) <= {font.name for font in fontManager.ttflist}
