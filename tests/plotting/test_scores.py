import numpy as np
import pandas as pd
import pytest

from drkit.errors import InputError, UsageError
from drkit.evaluation import EvaluationSet
from drkit.plotting.embeddings import draw_embeddings, lay_out
from drkit.plotting.scores import draw_pairs, draw_scores, pair_scores, spread_patients
from drkit.plotting.selection import select


def test_patients_stand_about_their_grade_in_the_order_of_their_scores() -> None:
    reference = np.array([1, 1, 1, 1, 3])
    score = np.array([2.0, 1.0, 0.1, 0.3, 3.0])
    patients = np.array(["a", "a", "b", "b", "c"])
    places = spread_patients(reference, score, patients).tolist()
    assert places[0] == places[1] > places[2] == places[3]
    assert np.rint(places).tolist() == reference.tolist()
    assert places[4] == 3


def test_points_are_the_scores_and_lines_join_a_patients(cohort) -> None:
    run = cohort()
    axes = draw_scores([run]).axes[0]
    points = np.asarray(axes.collections[1].get_offsets())
    assert np.allclose(points[:, 1], run.cases.score)
    assert np.rint(points[:, 0]).tolist() == run.reference.tolist()
    for low, high in axes.collections[0].get_segments():
        assert low[0] == high[0]
        at = points[np.isclose(points[:, 0], low[0]), 1]
        assert (at.min(), at.max()) == pytest.approx((low[1], high[1]))


@pytest.mark.parametrize(
    ("decision", "thresholds"),
    [("rounding", [0.5, 1.5, 2.5, 3.5]), ("cut_points", [0.4, 1.6, 2.5, 3.6]), ("argmax", [])],
)
def test_lines_are_where_the_predicted_grade_rises(cohort, decision: str, thresholds: list[float]) -> None:
    points = (0.4, 1.6, 2.5, 3.6) if decision == "cut_points" else None
    axes = draw_scores([cohort(decision=decision, cut_points=points)]).axes[0]
    assert [line.get_ydata()[0] for line in axes.lines] == thresholds


def test_pairs_are_joined_by_id(cohort) -> None:
    first, other = cohort("a", seed=1), cohort("b", seed=2)
    pairs = pair_scores(first, other)
    assert np.allclose(pairs["first"], first.cases.score)
    assert np.allclose(pairs["other"], other.cases.score)
    drawn = sum(len(points.get_offsets()) for points in draw_pairs([first, other]).axes[0].collections)
    assert drawn == 160


@pytest.mark.parametrize(("by", "num"), [("eye", 80), ("patient", 40)])
def test_joined_photographs_are_paired_case_by_case(cohort, by: str, num: int) -> None:
    first, other = cohort("a", seed=1, by=by), cohort("b", seed=2, by=by)
    some = narrow(other, other.predictions.rows["patient_id"] != "7")
    pairs = pair_scores(first, some)
    assert len(pairs) == num - num // 40
    kept = np.isin(first.cases.patients, some.cases.patients)
    assert np.allclose(pairs["first"], first.cases.score[kept])
    assert np.allclose(pairs["other"], other.cases.score[kept])
    assert f"{len(pairs)} {by}s" in draw_pairs([first, some]).axes[0].get_title()


def test_the_rank_correlation_of_a_run_that_gives_one_score_to_all_is_undefined(cohort) -> None:
    constant = cohort("a").predictions
    constant.rows["score"] = 2.0
    assert draw_pairs([select(constant), cohort("b")]).axes[0].get_title().endswith("rank correlation undefined")


def narrow(run: EvaluationSet, keep: pd.Series) -> EvaluationSet:
    return select(run.predictions.where(keep), None, run.by)


def test_runs_that_cannot_be_paired_are_refused(cohort) -> None:
    with pytest.raises(UsageError, match="name at least two"):
        draw_pairs([cohort()])
    elsewhere = cohort("b")
    elsewhere.predictions.rows["image_id"] = elsewhere.predictions.rows["image_id"] + "x"
    with pytest.raises(InputError, match="a and b share no photograph"):
        draw_pairs([cohort("a"), elsewhere])
    others = cohort("b")
    others.predictions.rows["patient_id"] = others.predictions.rows["patient_id"] + "x"
    with pytest.raises(InputError, match="do not have the same patients"):
        draw_pairs([cohort("a"), others])


def test_principal_components_are_those_of_the_covariance() -> None:
    features = np.random.default_rng(0).normal(size=(50, 4)) * [5, 3, 1, 0.5]
    values = np.linalg.eigvalsh(np.cov(features.T))[::-1]
    assert np.allclose(lay_out(features, "pca").var(0, ddof=1), values[:2])


def test_clusters_of_embeddings_stay_clusters() -> None:
    centres = np.repeat(np.eye(3) * 50, 20, axis=0)
    places = lay_out((centres + np.random.default_rng(0).normal(size=(60, 3))).astype(np.float32), "tsne")
    middles = places.reshape(3, 20, 2).mean(1)
    nearest = np.linalg.norm(places[:, None] - middles, axis=-1).argmin(1)
    assert nearest.tolist() == np.repeat(range(3), 20).tolist()


def test_one_feature_and_few_photographs_can_be_laid_out() -> None:
    assert lay_out(np.arange(4.0)[:, None], "pca").shape == (4, 2)
    assert np.isfinite(lay_out(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32), "tsne")).all()


def test_every_photograph_is_a_point_of_its_grade(cohort) -> None:
    run = cohort()
    points = draw_embeddings([run]).axes[0].collections
    assert [len(item.get_offsets()) for item in points] == np.bincount(run.reference, minlength=5).tolist()


def test_predictions_without_embeddings_are_refused(cohort) -> None:
    run = cohort("bare")
    del run.predictions.rows["embedding"]
    with pytest.raises(InputError, match="bare keeps no embeddings: drkit predict RUN --data PATH --embeddings"):
        draw_embeddings([run])
