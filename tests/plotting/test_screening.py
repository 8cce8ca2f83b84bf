import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from drkit import metrics
from drkit.decisions import referable_probability
from drkit.errors import InputError
from drkit.plotting.calibration import assign_bins, measure_calibration
from drkit.plotting.reliability import draw_reliability
from drkit.plotting.roc import draw_screening
from drkit.plotting.screening import GRID, Ranking, measure_screening
from drkit.resampling import resample_patients

cases = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=60).filter(
    lambda drawn: 0 < sum(is_so for is_so, _ in drawn) < len(drawn)
)


@given(cases, st.integers(0, 2**32 - 1))
def test_areas_equal_scikit_learn_with_ties_and_weights(drawn, seed: int) -> None:
    truth, stated = (np.array(column) for column in zip(*drawn, strict=True))
    weights = np.random.default_rng(seed).integers(1, 4, len(truth)).astype(float)
    for times in (None, weights):
        rates = Ranking.of(truth, stated / 8).rates(times)
        assert rates.area() == pytest.approx(roc_auc_score(truth, stated, sample_weight=times))
        assert rates.average_precision() == pytest.approx(average_precision_score(truth, stated, sample_weight=times))


@given(cases)
def test_every_threshold_equals_scikit_learn(drawn) -> None:
    truth, stated = (np.array(column) for column in zip(*drawn, strict=True))
    ranking = Ranking.of(truth, stated.astype(float))
    rates = ranking.rates()
    alarms, found, thresholds = roc_curve(truth, stated, drop_intermediate=False)
    assert np.allclose(rates.false_positive_rate, alarms[1:])
    assert np.allclose(rates.sensitivity, found[1:])
    assert np.array_equal(ranking.thresholds, thresholds[1:])
    precision, _, _ = precision_recall_curve(truth, stated)
    assert np.allclose(rates.precision[::-1], precision[:-1])


@given(cases)
def test_weights_are_repetitions(drawn) -> None:
    truth, stated = (np.array(column) for column in zip(*drawn, strict=True))
    weights = np.arange(len(truth)) % 3 + 1
    once = Ranking.of(truth, stated.astype(float)).rates(weights.astype(float))
    again = Ranking.of(np.repeat(truth, weights), np.repeat(stated, weights).astype(float)).rates()
    assert np.allclose(once.sensitivity, again.sensitivity)
    assert np.allclose(once.precision, again.precision)


@pytest.mark.parametrize("by", ["photograph", "eye", "patient"])
def test_operating_points_reach_their_sensitivity_and_no_more_is_referred_than_needed(cohort, by: str) -> None:
    run = cohort(by=by)
    found = measure_screening(run, 100)
    referable = run.cases.reference >= 2
    for point, share in zip(found.points, (0.90, 0.95), strict=False):
        referred = referable_probability(run.cases.probabilities) >= point.threshold
        assert point.sensitivity == pytest.approx(referred[referable].mean())
        assert point.specificity == pytest.approx((~referred)[~referable].mean())
        assert point.sensitivity >= share
        stricter = referable_probability(run.cases.probabilities) > point.threshold
        assert stricter[referable].mean() < share


def test_the_runs_own_decision_has_the_sensitivity_and_specificity_of_score(cohort) -> None:
    run = cohort(decision="cut_points", cut_points=(0.4, 1.2, 2.5, 3.5))
    own = measure_screening(run, 100).points[-1]
    table = metrics.confusion(run.cases.reference, run.cases.predicted)
    assert own.sensitivity == pytest.approx(float(metrics.referable_sensitivity(table)))
    assert own.specificity == pytest.approx(float(metrics.referable_specificity(table)))
    assert own.threshold is None


def test_bands_hold_the_curve_and_intervals_the_value(cohort) -> None:
    found = measure_screening(cohort(), 300)
    assert found.roc_area_interval[0] < found.roc_area < found.roc_area_interval[1]
    low, high = found.roc_band
    curve = found.rates.sensitivity_at(GRID)
    assert ((low <= curve + 1e-9) & (curve <= high + 1e-9)).mean() > 0.95
    assert measure_screening(cohort(), 300).roc_band.tolist() == found.roc_band.tolist()


@pytest.mark.parametrize(("grade", "word"), [(0, "none"), (3, "all")])
def test_photographs_of_a_single_class_are_refused(cohort, grade: int, word: str) -> None:
    run = cohort("flat")
    run.cases.reference[:] = grade
    with pytest.raises(InputError, match=f"flat: {word} of 160 cases are referable"):
        measure_screening(run, 100)


def test_the_drawn_curve_is_the_measured_one(cohort) -> None:
    found = measure_screening(cohort(), 100)
    left, right = draw_screening([found], "title").axes
    assert np.allclose(left.lines[0].get_ydata()[1:], found.rates.sensitivity)
    assert np.allclose(right.lines[0].get_ydata()[1:], found.rates.precision)
    marks = [line.get_xydata()[0].tolist() for line in left.lines if len(line.get_xdata()) == 1]
    assert np.allclose(marks, [[1 - point.specificity, point.sensitivity] for point in found.points])


def test_patients_are_drawn_whole_and_as_many_as_there_are() -> None:
    patients = np.array(["a", "b", "a", "c", "b"])
    for weights in resample_patients(patients, 50):
        assert weights[0] == weights[2]
        assert weights[1] == weights[4]
        assert weights[[0, 1, 3]].sum() == 3


def test_calibrated_probabilities_have_no_calibration_error(cohort) -> None:
    run = cohort()
    run.cases.probabilities[:] = np.eye(5)[run.cases.reference]
    for question in ("referable", "grade"):
        assert measure_calibration(run, question, 100).error == 0


def test_the_calibration_error_is_the_mean_distance(cohort) -> None:
    run = cohort()
    run.cases.probabilities[:] = [0.1, 0.1, 0.2, 0.2, 0.4]
    found = measure_calibration(run, "referable", 100)
    assert found.stated.tolist() == pytest.approx([0.8])
    assert found.error == pytest.approx(abs(0.8 - (run.cases.reference >= 2).mean()))
    assert found.counts.tolist() == [160]
    assert found.band[0] <= found.observed <= found.band[1]


def test_a_bin_is_of_ten_cases_or_more(cohort) -> None:
    assert 8 <= len(measure_calibration(cohort(), "referable", 100).counts) <= 10  # equal probabilities share one
    counts = measure_calibration(cohort(by="patient"), "referable", 100).counts
    assert counts.sum() == 40
    assert len(counts) <= 4


def test_intervals_are_drawn_only_for_few_runs(cohort) -> None:
    for num, drawn in ((3, True), (4, False)):
        runs = [cohort(str(number), seed=number) for number in range(num)]
        roc = draw_screening([measure_screening(run, 100) for run in runs], "title").axes[0]
        assert bool(roc.collections) == drawn
        bars = draw_reliability([measure_calibration(run, "grade", 100) for run in runs], "title").axes[0]
        assert bool(bars.collections) == drawn


@pytest.mark.parametrize(("curve", "label"), [("roc", "ROC area"), ("precision-recall", "average precision")])
def test_the_legend_has_the_area_under_the_drawn_curve(cohort, curve: str, label: str) -> None:
    found = [measure_screening(cohort("a"), 100)]
    texts = [text.get_text() for text in draw_screening(found, "title", [curve]).legends[0].get_texts()]
    assert texts[0].replace("\n", " ").startswith(f"a: {label}")
    both = draw_screening(found, "title").legends[0].get_texts()[0].get_text()
    assert "ROC area" in both
    assert "average" in both


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80))
def test_bins_are_full_ordered_and_keep_equals_together(stated: list[float]) -> None:
    values = np.array(stated)
    bins = assign_bins(values)
    assert set(bins.tolist()) == set(range(bins.max() + 1))
    order = np.argsort(values, kind="stable")
    assert (np.diff(bins[order]) >= 0).all()
    assert all(len(set(bins[values == value])) == 1 for value in stated)
    assert bins.max() < 10
