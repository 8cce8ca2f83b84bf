import pytest

from drkit.plotting.forest import OPTIMISTIC, ForestRow, draw_forest

ROWS = [ForestRow("a", 0.5, 0.4, 0.6), ForestRow("b", 0.7, 0.65, 0.8)]


def test_points_and_intervals_are_where_the_figures_say() -> None:
    axes = draw_forest(ROWS, "title", "kappa").axes[0]
    lines = [tuple(line.get_xdata()) for line in axes.lines]
    assert lines == [(0.65, 0.8), (0.7,), (0.4, 0.6), (0.5,)]
    heights = [line.get_ydata()[0] for line in axes.lines]
    assert heights[0] == heights[1] > heights[2] == heights[3]


def test_names_stand_left_and_figures_right() -> None:
    left, right = draw_forest(ROWS, "title", "kappa").axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["b", "a"]
    labels = [label.get_text() for label in right.get_yticklabels()]
    assert labels == ["0.700 (0.650 to 0.800)", "0.500 (0.400 to 0.600)"]
    assert left.get_ylim() == right.get_ylim()


@pytest.mark.parametrize(("low", "marked"), [(-0.1, 1), (0.1, 0)])
def test_no_difference_is_marked_where_it_is_in_an_interval(low: float, marked: int) -> None:
    axes, right = draw_forest([ForestRow("a", 0.2, low, 0.3)], "title", "difference").axes
    assert len(axes.lines) == 2 + marked
    assert right.get_yticklabels()[0].get_text().startswith("+" if marked else "0")


def test_groups_are_set_apart_and_optimistic_rows_are_marked() -> None:
    rows = [ForestRow("m", 0.9, 0.8, 0.95, group="members", is_optimistic=True)]
    rows += [ForestRow(row.name, row.value, row.low, row.high, group="methods") for row in ROWS]
    figure = draw_forest(rows, "title", "kappa")
    labels = figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == ["members", "m", "methods", "b", "a"]
    assert [label.get_fontweight() for label in labels] == ["bold", "normal", "bold", "normal", "normal"]
    faces = [line.get_markerfacecolor() for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert (faces[0], faces[1] == faces[2] != "white") == ("white", True)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [OPTIMISTIC]
