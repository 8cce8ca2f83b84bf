"""Tables fit the terminal, and no word is cut if there is room for it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from drkit.cli.tables import LONGEST_WORD, lay_out
from drkit.reporting import Table

RECALLS = Table(
    "Recall of grades 0 to 4",
    ("run", *"01234", "referable\nsensitivity", "referable\nspecificity"),
    [("gated", *["0.250"] * 7), ("gated-baseline", *["0.125"] * 7)],
)
WORDS = st.lists(st.text("abcdefgh-", min_size=1, max_size=LONGEST_WORD), min_size=1, max_size=4).map(" ".join)


def _print(table: Table, width: int) -> list[str]:
    console = Console(width=width, highlight=False, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        for part in lay_out(table, width):
            console.print(part)
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.mark.parametrize(
    ("width", "is_framed", "has_columns"), [(120, True, True), (80, False, True), (60, False, False)]
)
def test_a_table_gives_up_its_frame_and_then_its_columns(width: int, is_framed: bool, has_columns: bool) -> None:
    lines = _print(RECALLS, width)
    assert max(map(len, lines)) <= width
    assert lines[0] == "Recall of grades 0 to 4"
    assert any("┃" in line for line in lines) == is_framed
    assert any(re.search("gated-baseline.*0.125.*0.125", line) for line in lines) == has_columns
    assert any("sensitivity" in line for line in lines)


def test_row_by_row_each_figure_stands_beside_its_heading() -> None:
    lines = _print(RECALLS, 40)
    start = lines.index("gated-baseline")
    assert lines[start + 1] == "  0: 0.125"
    assert lines[start + 6 : start + 8] == ["  referable sensitivity: 0.125", "  referable specificity: 0.125"]
    assert len(lines) == 1 + 2 * 8


def test_columns_that_need_little_more_width_get_it_first() -> None:
    table = Table("", ("run", "remark"), [("a name", "a remark of many words " * 4)])
    assert any("a name" in line for line in _print(table, 40))


@given(
    st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[WORDS] * n), min_size=2, max_size=4)), st.integers(50, 130)
)
def test_no_word_is_cut_and_nothing_is_wider_than_the_terminal(rows: list[tuple[str, ...]], width: int) -> None:
    lines = _print(Table("title", rows[0], rows[1:]), width)
    assert max(map(len, lines)) <= width
    shown = set(re.split(r"[\s┃│:]+", " ".join(lines)))
    assert {word for row in rows[1:] for cell in row for word in cell.split()} <= shown
