"""The networks that explain a batch."""

from types import SimpleNamespace

import pytest

from drkit.explaining.batch import choose_networks


@pytest.mark.parametrize(
    ("folds", "fold", "expected"),
    [
        ((0, 0, 1, 1), 1, [2, 3]),  # both seeds of the fold that held the photographs out
        ((0, 0, 1, 1), None, [0, 1, 2, 3]),
        ((0, 0), 1, [0, 1]),  # with --fold 0: both seeds, although they were trained on the photographs
        ((None, None), None, [0, 1]),
        ((None, None), 1, [0, 1]),
    ],
)
def test_the_networks_that_held_photographs_out_explain_them_else_all(
    folds: tuple[int | None, ...], fold: int | None, expected: list[int]
) -> None:
    opened = SimpleNamespace(graders=range(len(folds)), headers=[SimpleNamespace(fold=each) for each in folds])
    assert [grader for grader, _ in choose_networks(opened, fold)] == expected
