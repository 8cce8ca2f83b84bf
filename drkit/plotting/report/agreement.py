"""The sections on agreement: kappas with intervals, paired differences, confusions, screening and calibration."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from drkit.config.plot import PictureConfig
from drkit.errors import InputError
from drkit.evaluation import EvaluationSet, tabulate_comparisons
from drkit.evaluation.agreement import KAPPA_UNDEFINED, Agreement, with_interval
from drkit.plotting.calibration import QUESTIONS, Calibration, measure_calibration
from drkit.plotting.confusion import draw_confusion
from drkit.plotting.curves import run_handles
from drkit.plotting.forest import ForestRow, draw_forest
from drkit.plotting.reliability import draw_reliability
from drkit.plotting.report.page import (
    Block,
    Details,
    Heading,
    Paragraph,
    Pictures,
    Section,
    TableBlock,
    build_legend,
    embed_figure,
)
from drkit.plotting.report.results import ResultGroup, RunResult
from drkit.plotting.report.sources import ReportSource
from drkit.plotting.roc import CURVES, draw_screening, point_handles
from drkit.plotting.scores import draw_scores, score_handles
from drkit.plotting.screening import Screening, measure_screening
from drkit.plotting.style import MAX_RUNS
from drkit.progress import warn
from drkit.reporting import Table

COLUMNS = ("quadratic kappa", "mean of single seeds", "plain kappa", "accuracy", "referable:\nsens. / spec.", "joined")
MAX_DRAWN_RUNS = 7  # runs whose confusions and scores are drawn; the tables have all
MAX_SCREENED_GROUPS = 3  # groups whose ROC and calibration curves are drawn
MAX_VECTOR_POINTS = 400  # cases; the scores of more are drawn as pixels


def build_agreement(
    sources: Sequence[ReportSource], groups: Sequence[ResultGroup], config: PictureConfig
) -> list[Section]:
    """Everything that is measured against reference grades.

    Args:
        sources: All predictions.
        groups: What was measured of them.
        config: Resamples and seed of the curves' intervals.
    """
    blocks = [block for group in groups for block in _build_group(group)]
    blocks += [
        Paragraph(f"{source.name} is not scored: {source.reason}", "warning") for source in sources if not source.drawn
    ]
    return [
        Section("agreement", "Agreement with the reference grades", blocks),
        Section("confusion", "Confusions and scores", _draw_confusions(groups)),
        *_build_screening(groups, config),
    ]


def _build_group(group: ResultGroup) -> list[Block]:
    rows = [(result.name, result.task, *_describe_result(result)) for result in group.results]
    parts = [(result, name, agreement) for result in group.results for name, agreement in result.score.datasets.items()]
    by_dataset = [(result.name, name, *_describe_agreement(agreement)) for result, name, agreement in parts]
    blocks: list[Block] = [
        Heading(group.title),
        TableBlock(Table("Agreement; in brackets 95 % intervals over patients", ("run", "task", *COLUMNS), rows)),
        *_remark(group.results),
    ]
    if by_dataset:
        columns = ("run", "data set", COLUMNS[0], *COLUMNS[2:5])
        blocks.append(TableBlock(Table("Agreement by data set", columns, by_dataset)))
    blocks.append(Pictures([embed_figure(_draw_kappas(group), f"quadratic weighted kappas: {group.title}")]))
    if group.comparisons:
        blocks.append(TableBlock(tabulate_comparisons(group.comparisons)))
        blocks.append(Details("the differences in words", [item.sentence for item in group.comparisons]))
    return [*blocks, *(Paragraph(sentence, "quiet") for sentence in group.not_compared)]


def _describe_result(result: RunResult) -> tuple[str, ...]:
    quadratic, *others = _describe_agreement(result.score.agreement)
    seeds, unit = result.score.seeds, result.drawn.predictions.meta.unit
    mean = with_interval(seeds.quadratic_weighted_kappa, seeds.quadratic_weighted_kappa_interval) if seeds else "-"
    return (quadratic, mean, *others, "no" if unit == "image" else f"by {unit}")


def _describe_agreement(agreement: Agreement) -> tuple[str, ...]:
    shares = (agreement.referable_sensitivity, agreement.referable_specificity)
    return (
        with_interval(agreement.quadratic_weighted_kappa, agreement.quadratic_weighted_kappa_interval),
        f"{with_interval(agreement.plain_kappa, agreement.plain_kappa_interval)}\n{agreement.band}",
        f"{agreement.accuracy:.3f}",
        " / ".join("-" if share is None else f"{share:.3f}" for share in shares),
    )


def _remark(results: Sequence[RunResult]) -> list[Block]:
    """What must be known to read the figures correctly."""
    seeds = [f"{result.name}: {result.score.seeds}." for result in results if result.score.seeds]
    remarks: list[Block] = [Details("the kappas of single seeds", seeds)] if seeds else []
    for result in results:
        if result.score.agreement.degenerate:
            remarks.append(Paragraph(f"{result.name}: {KAPPA_UNDEFINED}.", "warning"))
        if result.drawn.is_optimistic:
            chosen_on = result.drawn.predictions.meta.chosen_on
            text = f"{result.name} was selected on {chosen_on}, so its scores there are optimistic."
            remarks.append(Paragraph(text, "warning"))
    return remarks


def _draw_kappas(group: ResultGroup) -> Figure:
    rows = [
        ForestRow(
            result.name,
            result.score.agreement.quadratic_weighted_kappa,
            *result.score.agreement.quadratic_weighted_kappa_interval,
            group="ensembles" if result.source.is_ensemble else "single runs",
            is_optimistic=result.drawn.is_optimistic,
        )
        for result in group.results
    ]
    return draw_forest(rows, group.title, "quadratic weighted kappa, 95 % interval over patients")


def _draw_confusions(groups: Sequence[ResultGroup]) -> list[Block]:
    """The confusions and scores of the best runs: of each group and task one, then others by their kappas."""
    best = [result for group in groups for result in group.best_of_tasks()]
    others = [result for group in groups for result in group.results if result not in best]
    others.sort(key=lambda result: result.score.agreement.quadratic_weighted_kappa, reverse=True)
    drawn, num_runs = (best + others)[:MAX_DRAWN_RUNS], len(best + others)
    blocks: list[Block] = []
    if num_runs > len(drawn):
        text = f"{len(drawn)} of {num_runs} runs are drawn: the best of each group and task, then the next best."
        blocks.append(Paragraph(text, "quiet"))
    for result in drawn:
        run = result.drawn
        figures = {
            "reference against predicted grades": draw_confusion([run], ["counts"]),
            "the cost of its confusions": draw_confusion([run], ["cost"]),
            "scores over the reference grade": draw_scores([run], max_vector_points=MAX_VECTOR_POINTS, legend=False),
        }
        pictures = [embed_figure(figure, f"{result.name}: {what}") for what, figure in figures.items()]
        blocks += [Heading(f"{result.name}: {result.task}"), Pictures(pictures, build_legend(score_handles([run])))]
    return blocks


def _build_screening(groups: Sequence[ResultGroup], config: PictureConfig) -> list[Section]:
    """Referable DR and calibration, of groups with both referable and other cases."""
    blocks: list[Block] = []
    for group in groups[:MAX_SCREENED_GROUPS]:
        runs = [result.drawn for result in group.results[:MAX_RUNS]]
        try:
            screenings = [measure_screening(run, config.resamples, config.seed) for run in runs]
        except InputError as error:
            warn(f"no ROC curves: {error}")
            continue
        blocks += _draw_screening(group, runs, screenings, config)
    if not blocks:
        return []
    text = (
        "Referable is grade 2 and worse. Thresholds are read off these very patients: test them on others. The"
        " calibration error is the mean distance of predicted probability and observed frequency."
    )
    return [Section("referable", "Referable DR and calibration", [Paragraph(text, "quiet"), *blocks])]


def _draw_screening(
    group: ResultGroup, runs: Sequence[EvaluationSet], screenings: Sequence[Screening], config: PictureConfig
) -> list[Block]:
    """One group: the areas, the operating points, and four plots with one legend."""
    title = group.title
    pictures = [
        embed_figure(draw_screening(screenings, title, [curve], legend=False), f"{curve} curves of referable DR")
        for curve in CURVES
    ]
    calibrations = [
        [measure_calibration(run, question, config.resamples, config.seed) for run in runs] for question in QUESTIONS
    ]
    for question, measured in zip(QUESTIONS, calibrations, strict=True):
        figure = draw_reliability(measured, title, legend=False)
        pictures.append(embed_figure(figure, f"reliability of probabilities: {question}"))
    legend = build_legend([*run_handles(run.name for run in runs), *point_handles(screenings)])
    blocks: list[Block] = [Heading(title)]
    if len(group.results) > len(runs):
        blocks.append(Paragraph(f"The best {len(runs)} of {len(group.results)} runs are drawn.", "quiet"))
    tables = [TableBlock(_tabulate_areas(screenings, calibrations)), TableBlock(_tabulate_points(screenings))]
    return [*blocks, *tables, Pictures(pictures, legend)]


def _tabulate_areas(screenings: Sequence[Screening], calibrations: Sequence[Sequence[Calibration]]) -> Table:
    columns = ("run", "ROC area", "average precision", *(f"calibration error ({question})" for question in QUESTIONS))
    rows = [
        (
            run.run,
            with_interval(run.roc_area, run.roc_area_interval),
            with_interval(run.average_precision, run.average_precision_interval),
            *(f"{item.error:.3f}" for item in measured),
        )
        for run, *measured in zip(screenings, *calibrations, strict=True)
    ]
    return Table("Referable DR; in brackets 95 % intervals over patients", columns, rows)


def _tabulate_points(screenings: Sequence[Screening]) -> Table:
    columns = ("run", "operating point", "probability from", "sensitivity", "specificity", "precision")
    rows = [
        (
            run.run,
            point.name,
            "-" if point.threshold is None else f"{point.threshold:.3f}",
            f"{point.sensitivity:.3f}",
            with_interval(point.specificity, point.specificity_interval),
            f"{point.precision:.3f}",
        )
        for run in screenings
        for point in run.points
    ]
    return Table("Operating points", columns, rows)
