"""Tables on a terminal: columns as wide as there is room for, and where there is none, a list for each row."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from drkit.errors import readable
from drkit.reporting import Table

LONGEST_WORD = 36  # columns; a longer word may be cut
FRAMED, PLAIN = 3, 2  # columns that stand between the texts of two cells, with lines and without


def lay_out(table: Table, width: int) -> Iterator[RenderableType]:
    """The table in at most `width` columns, without cutting words: framed, else without lines, else row by row."""
    columns = [[readable(cell) for cell in cells] for cells in zip(table.columns, *table.rows, strict=True)]
    most = [max(map(_longest_line, cells)) for cells in columns]
    least = [min(max(map(_longest_word, cells)), LONGEST_WORD) for cells in columns]
    title = Text(readable(table.title))
    for gap in (FRAMED, PLAIN):
        room = width - gap * len(columns) - (gap == FRAMED)
        if sum(least) <= room:
            yield _build_grid(title, columns, _share_out(least, most, room), is_framed=gap == FRAMED)
            return
    yield title
    for row in zip(*(cells[1:] for cells in columns), strict=True):
        yield Text(row[0], style="bold")
        for heading, cell in zip(table.columns[1:], row[1:], strict=True):
            yield Text(f"  {' '.join(readable(heading).split())}: {' '.join(cell.split())}")


def _build_grid(title: Text, columns: Sequence[Sequence[str]], widths: Sequence[int], *, is_framed: bool) -> RichTable:
    has_tall_rows = any("\n" in cell for cells in columns for cell in cells[1:])
    grid = RichTable(title=title, title_justify="left", show_lines=has_tall_rows)
    if not is_framed:
        grid.box, grid.show_edge, grid.pad_edge, grid.padding = box.SIMPLE_HEAD, False, False, (0, 1, 0, 0)
    for (heading, *_), width in zip(columns, widths, strict=True):
        grid.add_column(Text(heading), width=width, overflow="fold")
    for row in zip(*(cells[1:] for cells in columns), strict=True):
        grid.add_row(*map(Text, row))
    return grid


def _share_out(least: Sequence[int], most: Sequence[int], room: int) -> list[int]:
    """Widths between `least` and `most` that fill the room; columns that need little more get it first."""
    widths, left = list(least), room - sum(least)
    waiting = sorted(range(len(least)), key=lambda column: most[column] - least[column])
    for number, column in enumerate(waiting):
        extra = min(max(most[column] - least[column], 0), left // (len(waiting) - number))
        widths[column] += extra
        left -= extra
    return widths


def _longest_line(text: str) -> int:
    return max(map(cell_len, text.split("\n")))


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)
