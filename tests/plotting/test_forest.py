import pytest

from drkit.plotting.forest import ForestRow, draw_forest

ROWS = [ForestRow("a", 0.5, 0.4, 0.6), ForestRow("b", 0.7, 0.65, 0.8)]


def test_points_and_intervals_are_where_the_figures_say() -> None:
    axes = draw_forest(ROWS, "title", "kappa").axes[0]
    lines = [tuple(line.get_xdata()) for line in axes.lines]
    assert lines == [(0.4, 0.6), (0.5,), (0.65, 0.8), (0.7,)]
    heights = [line.get_ydata()[0] for line in axes.lines]
    assert heights[0] == heights[1] > heights[2] == heights[3]


def test_names_stand_left_and_figures_right() -> None:
    left, right = draw_forest(ROWS, "title", "kappa").axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["a", "b"]
    told = [label.get_text() for label in right.get_yticklabels()]
    assert told == ["0.500 (0.400 to 0.600)", "0.700 (0.650 to 0.800)"]
    assert left.get_ylim() == right.get_ylim()


@pytest.mark.parametrize(("low", "marked"), [(-0.1, 1), (0.1, 0)])
def test_no_difference_is_marked_where_it_is_in_an_interval(low: float, marked: int) -> None:
    axes, right = draw_forest([ForestRow("a", 0.2, low, 0.3)], "title", "difference").axes
    assert len(axes.lines) == 2 + marked
    assert right.get_yticklabels()[0].get_text().startswith("+" if marked else "0")
