"""`plot`: pictures of runs and predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from drkit.errors import UsageError, did_you_mean
from drkit.evaluation.agreement import measure_agreement, with_interval
from drkit.plotting.calibration import QUESTIONS, measure_calibration
from drkit.plotting.confusion import draw_confusion
from drkit.plotting.curves import draw_curves
from drkit.plotting.embeddings import Projection, draw_embeddings
from drkit.plotting.epochs import draw_epochs
from drkit.plotting.forest import ForestRow, draw_forest
from drkit.plotting.histories import read_training_histories
from drkit.plotting.pictures import MIN_RESAMPLES, PictureConfig, PictureReport, save
from drkit.plotting.reliability import draw_reliability
from drkit.plotting.roc import draw_screening
from drkit.plotting.scores import draw_pairs, draw_scores
from drkit.plotting.screening import Screening, measure_screening
from drkit.plotting.selection import PlottedPredictions, panel_title, select, shared_title
from drkit.records.predictions import read_all_predictions

Scatter = Literal["epochs", "scores", "models", "embeddings"]
Kappa = Literal["quadratic", "plain"]


def run_curves(files: Sequence[Path], config: PictureConfig) -> PictureReport:
    """Draw the histories of runs on the same axes.

    Raises:
        InputError: no such run, or no history.
        UsageError: no kind of picture has the suffix of `out`.
        OutputExistsError: the picture is there already.
    """
    config.check()
    histories = read_training_histories(files)
    figures = tuple({"run": name, "epochs": int(history.rows["epoch"].max())} for name, history in histories.items())
    sentences = tuple(f"{item['run']}: {item['epochs']} epochs" for item in figures)
    return save(draw_curves(histories), config, PictureReport(config.out, tuple(histories), sentences, figures))


def run_scatter(
    files: Sequence[Path], config: PictureConfig, what: Scatter = "epochs", layout: Projection = "pca"
) -> PictureReport:
    """Draw points: epochs, scores against the reference, models against each other, or photographs on a plane.

    Raises:
        UsageError: no such kind, one that cannot be joined to eyes or patients, or models of one run alone.
        InputError: files that cannot be read or lack what is drawn.
        LeakageError: a run was trained on all that would be drawn.
        OutputExistsError: the picture is there already.
    """
    if what not in get_args(Scatter):
        raise UsageError(f"unknown --what '{what}': {did_you_mean(what, get_args(Scatter))}")
    if what in ("epochs", "embeddings") and config.by != "photograph":
        raise UsageError(f"--by {config.by}: {what} are of photographs; scores and models can be joined")
    config.check()
    if what == "epochs":
        histories = read_training_histories(files)
        return save(draw_epochs(histories), config, PictureReport(config.out, tuple(histories)))
    runs = _select(files, config)
    if what == "scores":
        figure = draw_scores(runs)
    elif what == "models":
        figure = draw_pairs(runs)
    else:
        figure = draw_embeddings(runs, layout, config.seed)
    return save(figure, config, _report(config, runs))


def run_confusion(files: Sequence[Path], config: PictureConfig) -> PictureReport:
    """Draw reference against predicted grades, and what each confusion costs.

    Raises:
        InputError: files that cannot be read, or nothing graded.
        LeakageError: a run was trained on all that would be drawn.
        OutputExistsError: the picture is there already.
    """
    config.check()
    runs = _select(files, config)
    return save(draw_confusion(runs), config, _report(config, runs))


def run_kappa(files: Sequence[Path], config: PictureConfig, kappa: Kappa = "quadratic") -> PictureReport:
    """Draw the kappas of runs with their intervals, one below the other.

    Raises:
        UsageError: too few resamples.
        InputError: files that cannot be read, or nothing graded.
        LeakageError: a run was trained on all that would be drawn.
        OutputExistsError: the picture is there already.
    """
    _check_resamples(config)
    config.check()
    runs = _select(files, config)
    rows = [_measure_kappa(run, config, kappa) for run in runs]
    told = [ForestRow(panel_title(run, runs), *row.figures) for row, run in zip(rows, runs, strict=True)]
    word = "quadratic weighted kappa" if kappa == "quadratic" else "plain kappa"
    figure = draw_forest(told, shared_title(runs), f"{word}, 95 % over resampled patients")
    sentences = tuple(f"{row.name}: {word} {with_interval(row.value, (row.low, row.high))}" for row in rows)
    figures = tuple({"run": row.name, "value": row.value, "interval": (row.low, row.high)} for row in rows)
    return save(figure, config, PictureReport(config.out, tuple(run.name for run in runs), sentences, figures))


def run_reliability(files: Sequence[Path], config: PictureConfig) -> PictureReport:
    """Draw reliability diagrams (calibration of the probabilities), for referable DR and for the most probable grade.

    Raises:
        UsageError: too few resamples.
        InputError: files that cannot be read, or nothing graded.
        LeakageError: a run was trained on all that would be drawn.
        OutputExistsError: the picture is there already.
    """
    _check_resamples(config)
    config.check()
    runs = _select(files, config)
    measured = [measure_calibration(run, ask, config.resamples, config.seed) for ask in QUESTIONS for run in runs]
    figures = tuple({"run": item.run, "question": item.question, "calibration_error": item.error} for item in measured)
    sentences = tuple(f"{item.run}: expected calibration error {item.error:.3f} ({item.question})" for item in measured)
    report = PictureReport(config.out, tuple(run.name for run in runs), sentences, figures)
    return save(draw_reliability(measured, shared_title(runs)), config, report)


def run_roc(files: Sequence[Path], config: PictureConfig) -> PictureReport:
    """Draw how well runs find referable DR, at every threshold, at fixed sensitivities, and as they decide.

    Raises:
        UsageError: too few resamples.
        InputError: files that cannot be read, or nothing to tell apart.
        LeakageError: a run was trained on all that would be drawn.
        OutputExistsError: the picture is there already.
    """
    _check_resamples(config)
    config.check()
    runs = _select(files, config)
    measured = [measure_screening(run, config.resamples, config.seed) for run in runs]
    sentences = [sentence for item in measured for sentence in _tell_screening(item)]
    sentences.append("thresholds are read off these very patients: fix one on them, and test it on others")
    figures = tuple(_screening_figures(item) for item in measured)
    report = PictureReport(config.out, tuple(run.name for run in runs), tuple(sentences), figures)
    return save(draw_screening(measured, shared_title(runs)), config, report)


def _select(files: Sequence[Path], config: PictureConfig) -> list[PlottedPredictions]:
    return [select(predictions, config.split, config.by) for predictions in read_all_predictions(files)]


def _report(config: PictureConfig, runs: Sequence[PlottedPredictions]) -> PictureReport:
    return PictureReport(config.out, tuple(run.name for run in runs), tuple(f"{run.name}: {run.title}" for run in runs))


def _check_resamples(config: PictureConfig) -> None:
    if config.resamples < MIN_RESAMPLES:
        raise UsageError(f"--resamples {config.resamples}: an interval needs at least {MIN_RESAMPLES}")


def _measure_kappa(run: PlottedPredictions, config: PictureConfig, kappa: Kappa) -> ForestRow:
    cases = run.cases
    found = measure_agreement(
        cases.reference, cases.predicted, cases.patients, num_resamples=config.resamples, seed=config.seed
    )
    if kappa == "quadratic":
        return ForestRow(run.name, found.quadratic_weighted_kappa, *found.quadratic_weighted_kappa_interval)
    return ForestRow(run.name, found.plain_kappa, *found.plain_kappa_interval)


def _tell_screening(found: Screening) -> list[str]:
    area = with_interval(found.roc_area, found.roc_area_interval)
    precision = with_interval(found.average_precision, found.average_precision_interval)
    told = [f"{found.run}: ROC area {area}, average precision {precision}, {found.referable:.0%} referable"]
    for point in found.points:
        at = "" if point.threshold is None else f" (probability from {point.threshold:.3f})"
        specificity = with_interval(point.specificity, point.specificity_interval)
        told.append(f"  {point.name}{at}: sensitivity {point.sensitivity:.3f}, specificity {specificity}")
    return told


def _screening_figures(found: Screening) -> dict[str, object]:
    return {
        "run": found.run,
        "referable": found.referable,
        "roc_area": found.roc_area,
        "roc_area_interval": found.roc_area_interval,
        "average_precision": found.average_precision,
        "average_precision_interval": found.average_precision_interval,
        "points": found.points,
    }
