"""No text of a plot is cut off or overlaps another, whatever the names of the runs are."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from drkit.plotting.calibration import QUESTIONS, measure_calibration
from drkit.plotting.confusion import draw_confusion
from drkit.plotting.curves import draw_curves
from drkit.plotting.embeddings import draw_embeddings
from drkit.plotting.epochs import draw_epochs
from drkit.plotting.forest import ForestRow, draw_forest
from drkit.plotting.gallery import GalleryItem, draw_errors, draw_examples
from drkit.plotting.reliability import draw_reliability
from drkit.plotting.roc import draw_screening
from drkit.plotting.scores import draw_pairs, draw_scores
from drkit.plotting.screening import measure_screening
from drkit.plotting.style import break_name

LONG = "tf_efficientnet_lite0-patient-patient-corn-cbam-ben-graham-clahe-seed-3"
UNDERSCORES = LONG.replace("-", "_")
NAMES = [(LONG,), (UNDERSCORES,), ("a", "b", LONG, UNDERSCORES)]
ids = pytest.mark.parametrize("names", NAMES, ids=["one", "underscores", "four"])
Check = Callable[[Figure], None]


@ids
def test_curves_and_epochs(names, history, check_texts: Check) -> None:
    histories = {name: history(folds=3 * (name == "b"), held_out=("inner", "val")) for name in names}
    histories = {name: replace(history, data="APTOS2019 + DeepDRiD") for name, history in histories.items()}
    check_texts(draw_curves(histories))
    check_texts(draw_epochs(histories))
    check_texts(draw_curves(histories, ["learning_rate"]))


@ids
@pytest.mark.parametrize("draw", [draw_confusion, draw_scores, draw_embeddings])
def test_a_panel_a_run(names, cohort, draw, check_texts: Check) -> None:
    check_texts(draw([cohort(name, seed=seed) for seed, name in enumerate(names)]))


def test_runs_that_are_not_measured_on_the_same(cohort, check_texts: Check) -> None:
    runs = [cohort("a"), cohort(LONG, target="patient")]
    for draw in (draw_confusion, draw_scores):
        check_texts(draw(runs))


@ids
def test_pairs(names, cohort, check_texts: Check) -> None:
    check_texts(draw_pairs([cohort("first"), *(cohort(name, seed=seed) for seed, name in enumerate(names))]))


@ids
@pytest.mark.parametrize("by", ["photograph", "patient"])
def test_screening_and_reliability(names, by, cohort, check_texts: Check) -> None:
    runs = [cohort(name, seed=seed, by=by) for seed, name in enumerate(names)]
    found = [measure_screening(run, 100) for run in runs]
    check_texts(draw_screening(found, runs[0].title))
    check_texts(draw_screening(found, runs[0].title, ["precision-recall"]))
    check_texts(draw_reliability([measure_calibration(run, q, 100) for q in QUESTIONS for run in runs], runs[0].title))
    check_texts(draw_reliability([measure_calibration(runs[0], "grade", 100)], runs[0].title))


@ids
def test_forest(names, check_texts: Check) -> None:
    rows = [ForestRow(name, 0.1 * number, 0.1 * number - 0.2, 0.1 * number + 0.1) for number, name in enumerate(names)]
    check_texts(draw_forest(rows, "patient's grade, val, by photograph, 400 photographs", "difference"))


@pytest.mark.parametrize("overlay", [None, np.zeros((32, 64, 3), np.uint8)], ids=["plain", "explained"])
@pytest.mark.parametrize("num", [1, 5])
def test_galleries(num, overlay, check_texts: Check) -> None:
    shown = [GalleryItem(LONG, np.zeros((32, 32, 3), np.uint8), (LONG, "is 4, graded 0 (0.4)"), overlay)] * num
    check_texts(draw_errors(shown, f"{LONG}: the worst of 400 photographs"))
    check_texts(draw_examples([shown[:4], shown[:2], [], shown[:1], shown[:4]], "photographs by grade"))


def test_examples_have_a_column_per_grade(check_texts: Check) -> None:
    shown = [GalleryItem(str(number), np.zeros((32, 32, 3), np.uint8), (str(number),)) for number in range(9)]
    figure = draw_examples([shown, shown[:1], [], [], []], "photographs by grade")
    check_texts(figure)
    assert figure.get_figwidth() < 9
    left, right = (round(100 * axes.get_position().x0) for axes in (figure.axes[0], figure.axes[-1]))
    assert (len(figure.axes), left, right) == (10, 1, 21)
    assert sum("mild" in text.get_text() for text in figure.texts) == 1


def test_titles_are_wrapped_into_lines_of_similar_length() -> None:
    title = "DeepDRiD: patient's grade, val, by photograph, 400 photographs of 100 patients, all"
    lines = break_name(title, len(title) - 1).split("\n")
    assert len(lines) == 2
    assert abs(len(lines[0]) - len(lines[1])) < 12


def test_names_are_wrapped_between_words() -> None:
    assert break_name("resnet18_with_long-hyphens", 12) == "resnet18_\nwith_long-\nhyphens"
    assert break_name("ab cd", 2) == "ab\ncd"
    assert break_name("x" * 5, 3) == "xxx\nxx"
    assert break_name("", 3) == ""
