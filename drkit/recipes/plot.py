"""`drkit plot`: pictures of runs and predictions."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from drkit.config.plot import PictureConfig
from drkit.errors import UsageError, did_you_mean
from drkit.evaluation import EvaluationSet
from drkit.evaluation.agreement import KAPPA_UNDEFINED, check_resamples, measure_agreement, with_interval
from drkit.plotting.calibration import QUESTIONS, measure_calibration
from drkit.plotting.confusion import draw_confusion
from drkit.plotting.curves import draw_curves
from drkit.plotting.embeddings import Projection, draw_embeddings
from drkit.plotting.epochs import draw_epochs
from drkit.plotting.forest import ForestRow, draw_forest
from drkit.plotting.histories import read_training_histories
from drkit.plotting.pictures import PictureReport, check_picture, save
from drkit.plotting.reliability import draw_reliability
from drkit.plotting.roc import draw_screening
from drkit.plotting.scores import draw_pairs, draw_scores
from drkit.plotting.screening import Screening, measure_screening
from drkit.plotting.selection import limit_runs, panel_title, read_selected, shared_title
from drkit.progress import warn

Scatter = Literal["epochs", "scores", "models", "embeddings"]
Kappa = Literal["quadratic", "plain"]


def run_curves(files: Sequence[Path], config: PictureConfig) -> PictureReport:
    """Draw the training histories of runs on the same axes.

    Raises:
        InputError: no such run, or one without a history.
        UsageError: the suffix of `out` is no picture format.
        OutputExistsError: the picture exists already.
    """
    check_picture(config)
    histories = dict(limit_runs(list(read_training_histories(files).items())))
    figures = tuple({"run": name, "epochs": int(history.rows["epoch"].max())} for name, history in histories.items())
    sentences = tuple(f"{item['run']}: {item['epochs']} epochs" for item in figures)
    return save(draw_curves(histories), config, PictureReport(config.out, tuple(histories), sentences, figures))


def run_scatter(
    files: Sequence[Path], config: PictureConfig, what: Scatter = "epochs", layout: Projection = "pca"
) -> PictureReport:
    """Draw a scatter plot: epochs, scores against reference grades, models against each other, or embeddings.

    Raises:
        UsageError: an unknown kind, one that cannot be drawn by eye or patient, or models of only one run.
        InputError: files that cannot be read, or that lack what is drawn.
        LeakageError: a run was trained on everything that would be drawn.
        OutputExistsError: the picture exists already.
    """
    if what not in get_args(Scatter):
        raise UsageError(f"unknown --what '{what}': {did_you_mean(what, get_args(Scatter))}")
    if what in ("epochs", "embeddings") and config.by != "photograph":
        raise UsageError(
            f"--by {config.by}: {what} are drawn by photograph; use --what scores or models, or leave --by out"
        )
    check_picture(config)
    if what == "epochs":
        histories = dict(limit_runs(list(read_training_histories(files).items())))
        return save(draw_epochs(histories), config, PictureReport(config.out, tuple(histories)))
    runs = read_selected(files, config.split, config.by)
    if what == "scores":
        figure = draw_scores(runs)
    elif what == "models":
        figure = draw_pairs(runs)
    else:
        figure = draw_embeddings(runs, layout, config.seed)
    return save(figure, config, _report(config, runs))


def run_confusion(files: Sequence[Path], config: PictureConfig) -> PictureReport:
    """Draw confusion matrices, and how much each confusion lowers quadratic kappa.

    Raises:
        InputError: files that cannot be read, or no reference grades.
        LeakageError: a run was trained on everything that would be drawn.
        OutputExistsError: the picture exists already.
    """
    check_picture(config)
    runs = read_selected(files, config.split, config.by)
    return save(draw_confusion(runs), config, _report(config, runs))


def run_kappa(files: Sequence[Path], config: PictureConfig, kappa: Kappa = "quadratic") -> PictureReport:
    """Draw the kappas of runs with their confidence intervals.

    Raises:
        UsageError: too few resamples.
        InputError: files that cannot be read, or no reference grades.
        LeakageError: a run was trained on everything that would be drawn.
        OutputExistsError: the picture exists already.
    """
    check_resamples(config.resamples)
    check_picture(config)
    runs = read_selected(files, config.split, config.by)
    rows = [_measure_kappa(run, config, kappa) for run in runs]
    labelled = [replace(row, name=panel_title(run, runs)) for row, run in zip(rows, runs, strict=True)]
    word = "quadratic weighted kappa" if kappa == "quadratic" else "plain kappa"
    figure = draw_forest(labelled, shared_title(runs), f"{word}, 95 % interval over resampled patients")
    sentences = tuple(f"{row.name}: {word} {with_interval(row.value, (row.low, row.high))}" for row in rows)
    figures = tuple({"run": row.name, "value": row.value, "interval": (row.low, row.high)} for row in rows)
    return save(figure, config, PictureReport(config.out, tuple(run.name for run in runs), sentences, figures))


def run_reliability(files: Sequence[Path], config: PictureConfig) -> PictureReport:
    """Draw reliability diagrams (calibration of the probabilities), for referable DR and for the most probable grade.

    Raises:
        UsageError: too few resamples.
        InputError: files that cannot be read, or no reference grades.
        LeakageError: a run was trained on everything that would be drawn.
        OutputExistsError: the picture exists already.
    """
    check_resamples(config.resamples)
    check_picture(config)
    runs = limit_runs(read_selected(files, config.split, config.by))
    measured = [measure_calibration(run, ask, config.resamples, config.seed) for ask in QUESTIONS for run in runs]
    figures = tuple({"run": item.run, "question": item.question, "calibration_error": item.error} for item in measured)
    sentences = tuple(f"{item.run}: expected calibration error {item.error:.3f} ({item.question})" for item in measured)
    report = PictureReport(config.out, tuple(run.name for run in runs), sentences, figures)
    return save(draw_reliability(measured, shared_title(runs)), config, report)


def run_roc(files: Sequence[Path], config: PictureConfig) -> PictureReport:
    """Draw ROC and precision-recall curves of referable DR, with fixed sensitivities and the runs' own decisions.

    Raises:
        UsageError: too few resamples.
        InputError: files that cannot be read, or grades that are all referable or all not.
        LeakageError: a run was trained on everything that would be drawn.
        OutputExistsError: the picture exists already.
    """
    check_resamples(config.resamples)
    check_picture(config)
    runs = limit_runs(read_selected(files, config.split, config.by))
    measured = [measure_screening(run, config.resamples, config.seed) for run in runs]
    sentences = [sentence for item in measured for sentence in _describe_screening(item)]
    sentences.append(
        "these thresholds were chosen on the same patients: evaluate a threshold on others before using it"
    )
    figures = tuple(_screening_figures(item) for item in measured)
    report = PictureReport(config.out, tuple(run.name for run in runs), tuple(sentences), figures)
    return save(draw_screening(measured, shared_title(runs)), config, report)


def _report(config: PictureConfig, runs: Sequence[EvaluationSet]) -> PictureReport:
    return PictureReport(config.out, tuple(run.name for run in runs), tuple(f"{run.name}: {run.title}" for run in runs))


def _measure_kappa(run: EvaluationSet, config: PictureConfig, kappa: Kappa) -> ForestRow:
    cases = run.cases
    agreement = measure_agreement(
        cases.reference, cases.predicted, cases.patients, num_resamples=config.resamples, seed=config.seed
    )
    if agreement.degenerate:
        warn(f"{run.name}: {KAPPA_UNDEFINED}")
    value, interval = agreement.plain_kappa, agreement.plain_kappa_interval
    if kappa == "quadratic":
        value, interval = agreement.quadratic_weighted_kappa, agreement.quadratic_weighted_kappa_interval
    has_weights = run.predictions.meta.checkpoint_sha256 is not None
    group = "single runs" if has_weights else "ensembles"
    return ForestRow(run.name, value, *interval, group=group, is_optimistic=run.is_optimistic)


def _describe_screening(screening: Screening) -> list[str]:
    area = with_interval(screening.roc_area, screening.roc_area_interval)
    precision = with_interval(screening.average_precision, screening.average_precision_interval)
    sentences = [
        f"{screening.run}: ROC area {area}, average precision {precision}, {screening.referable:.0%} referable"
    ]
    for point in screening.points:
        at = "" if point.threshold is None else f" (probability of at least {point.threshold:.3f})"
        specificity = with_interval(point.specificity, point.specificity_interval)
        sentences.append(f"  {point.name}{at}: sensitivity {point.sensitivity:.3f}, specificity {specificity}")
    return sentences


def _screening_figures(screening: Screening) -> dict[str, object]:
    return {
        "run": screening.run,
        "referable": screening.referable,
        "roc_area": screening.roc_area,
        "roc_area_interval": screening.roc_area_interval,
        "average_precision": screening.average_precision,
        "average_precision_interval": screening.average_precision_interval,
        "points": screening.points,
    }
