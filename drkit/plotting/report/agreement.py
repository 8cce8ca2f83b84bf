"""The sections on agreement: kappas with intervals, differences in pairs, confusions, screening, calibration."""

from collections.abc import Iterator, Sequence

import numpy as np

from drkit.config.plot import PictureConfig
from drkit.errors import InputError
from drkit.evaluation import Comparison, compare_cases, measure_seeds, tabulate_comparisons
from drkit.evaluation.aggregation import aggregate_by_seed, common_level
from drkit.evaluation.agreement import Agreement, measure_agreement, with_interval
from drkit.plotting.calibration import QUESTIONS, measure_calibration
from drkit.plotting.confusion import draw_confusion
from drkit.plotting.forest import ForestRow, draw_forest
from drkit.plotting.reliability import draw_reliability
from drkit.plotting.report.page import Block, Paragraph, Picture, Pictures, Section, TableBlock, embed_figure
from drkit.plotting.report.sources import ReportSource
from drkit.plotting.roc import draw_screening
from drkit.plotting.scores import draw_scores
from drkit.plotting.screening import Screening, measure_screening
from drkit.plotting.selection import PlottedPredictions, narrow_to_shared, panel_title, shared_title
from drkit.progress import warn
from drkit.reporting import Table

COLUMNS = ("run", "quadratic kappa", "plain kappa", "accuracy", "referable: sens. / spec.", "measured on")
MOST_DRAWN = 5  # runs whose confusions and scores are drawn; the tables have all
MOST_ON_AXES = 5  # runs whose curves share the axes


def tell_agreement(sources: Sequence[ReportSource], config: PictureConfig) -> list[Section]:
    """All that is measured against reference grades."""
    runs = [source.drawn for source in sources if source.drawn]
    agreements = [_measure(run, config) for run in runs]
    columns = ("run", "data set", *COLUMNS[1:])
    parts = [(run, name, part) for run in runs for name, part in run.by_dataset().items()]
    rows = [(run.name, name, *_row(part, _measure(part, config))[1:]) for run, name, part in parts]
    blocks: list[Block] = [
        TableBlock(_tabulate(runs, agreements)),
        *([TableBlock(Table("Agreement by data set", columns, rows))] if rows else []),
        *_remark(sources, config),
    ]
    blocks.append(Pictures([_draw_forest(runs, agreements)]))
    if len(runs) > 1:
        blocks += _compare_all(runs, config)
    return [
        Section("agreement", "Agreement with the reference grades", blocks),
        Section("confusion", "Confusions and scores", _draw_confusions(runs)),
        *_tell_screening(runs, config),
    ]


def _measure(run: PlottedPredictions, config: PictureConfig) -> Agreement:
    cases = run.cases
    return measure_agreement(
        cases.reference, cases.predicted, cases.patients, num_resamples=config.resamples, seed=config.seed
    )


def _tabulate(runs: Sequence[PlottedPredictions], agreements: Sequence[Agreement]) -> Table:
    rows = [_row(run, agreement) for run, agreement in zip(runs, agreements, strict=True)]
    title = "Agreement; in brackets 95 % intervals over resampled patients"
    if len({run.title for run in runs}) > 1:
        return Table(title, COLUMNS, rows)
    return Table(f"{title}: {runs[0].title}", COLUMNS[:-1], [row[:-1] for row in rows])


def _row(run: PlottedPredictions, agreement: Agreement) -> tuple[str, ...]:
    return (
        run.name,
        with_interval(agreement.quadratic_weighted_kappa, agreement.quadratic_weighted_kappa_interval),
        f"{with_interval(agreement.plain_kappa, agreement.plain_kappa_interval)}\n{agreement.band}",
        f"{agreement.accuracy:.3f}",
        f"{_share(agreement.referable_sensitivity)} / {_share(agreement.referable_specificity)}",
        run.title,
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _remark(sources: Sequence[ReportSource], config: PictureConfig) -> list[Block]:
    """What must be known to read the figures rightly."""
    remarks: list[Block] = []
    for source in sources:
        meta = source.predictions.meta
        if source.drawn is None:
            remarks.append(Paragraph(f"{source.name} is not scored: {source.reason}", "warning"))
            continue
        drawn = source.drawn
        seeds = measure_seeds(
            drawn.predictions, drawn.reference, drawn.by, num_resamples=config.resamples, seed=config.seed
        )
        if seeds:
            remarks.append(Paragraph(f"{source.name}: {seeds}.", "quiet"))
        if (source.drawn.predictions.rows["split"] == meta.chosen_on).any():
            selected = f"{source.name} was selected on {meta.chosen_on}, so its scores there are optimistic."
            remarks.append(Paragraph(selected, "warning"))
    return remarks


def _draw_forest(runs: Sequence[PlottedPredictions], agreements: Sequence[Agreement]) -> Picture:
    rows = [
        ForestRow(panel_title(run, runs), item.quadratic_weighted_kappa, *item.quadratic_weighted_kappa_interval)
        for run, item in zip(runs, agreements, strict=True)
    ]
    figure = draw_forest(rows, shared_title(runs), "quadratic weighted kappa, 95 % over resampled patients")
    return embed_figure(figure, "quadratic weighted kappas with their intervals")


def _compare_all(runs: Sequence[PlottedPredictions], config: PictureConfig) -> list[Block]:
    """Each run but the first against the first, in pairs: on all photographs, and on each of several data sets."""
    pairs = [pair for other in runs[1:] for pair in [(runs[0], other), *_pair_datasets(runs[0], other)]]
    found = [_compare(*pair, config) for pair in pairs]
    compared = [item for item in found if isinstance(item, Comparison)]
    told = [Paragraph(item.sentence if isinstance(item, Comparison) else item, "quiet") for item in found]
    return [TableBlock(tabulate_comparisons(compared)), *told] if compared else [*told]


def _pair_datasets(
    first: PlottedPredictions, other: PlottedPredictions
) -> Iterator[tuple[PlottedPredictions, PlottedPredictions]]:
    before, after = first.by_dataset(), other.by_dataset()
    return ((before[name], after[name]) for name in before if name in after)


def _compare(first: PlottedPredictions, other: PlottedPredictions, config: PictureConfig) -> Comparison | str:
    """The comparison, or why there is none."""
    by = common_level(first.by, first.predictions.meta, other.predictions.meta)
    try:
        before, after = narrow_to_shared(first.read(by), other.read(by))
    except InputError as error:
        return f"Not compared: {error}."
    if not np.array_equal(before.cases.reference, after.cases.reference):
        return f"{other.name} is not compared with {first.name}: their reference grades are not the same."
    names, num_photographs = (first.name, other.name), len(before.reference)
    return compare_cases(
        names, *(aggregate_by_seed(each.predictions, each.reference, each.by) for each in (before, after)),
        num_photographs=num_photographs, by=by, num_resamples=config.resamples, seed=config.seed,
    )  # fmt: skip


def _draw_confusions(runs: Sequence[PlottedPredictions]) -> list[Block]:
    blocks: list[Block] = []
    if len(runs) > MOST_DRAWN:
        blocks.append(Paragraph(f"Drawn are the first {MOST_DRAWN} of {len(runs)}.", "quiet"))
    pictures = []
    for run in runs[:MOST_DRAWN]:
        pictures.append(embed_figure(draw_confusion([run], ["counts"]), f"{run.name}: reference against predicted"))
        pictures.append(embed_figure(draw_confusion([run], ["cost"]), f"{run.name}: what its confusions cost"))
        pictures.append(embed_figure(draw_scores([run]), f"{run.name}: scores over the reference grade"))
    return [*blocks, Pictures(pictures)]


def _tell_screening(runs: Sequence[PlottedPredictions], config: PictureConfig) -> list[Section]:
    """Referable DR and calibration, of those runs that have both referable and other cases."""
    shown = runs[:MOST_ON_AXES]
    try:
        found = [measure_screening(run, config.resamples, config.seed) for run in shown]
    except InputError as error:
        warn(f"no ROC curves: {error}")
        return []
    title = shared_title(shown)
    pictures = [
        embed_figure(draw_screening(found, title, ["roc"]), "ROC curves of referable DR"),
        embed_figure(draw_screening(found, title, ["precision-recall"]), "precision and recall of referable DR"),
    ]
    for question in QUESTIONS:
        measured = [measure_calibration(run, question, config.resamples, config.seed) for run in shown]
        pictures.append(embed_figure(draw_reliability(measured, title), f"reliability of probabilities: {question}"))
    told = (
        "Referable is grade 2 and worse. Thresholds are read off these very patients: fix one on them, test it on"
        " others. The calibration error is the mean distance of stated probability and observed share."
    )
    blocks: list[Block] = [Paragraph(told, "quiet"), TableBlock(_points(found)), Pictures(pictures)]
    return [Section("referable", "Referable DR and calibration", blocks)]


def _points(screenings: Sequence[Screening]) -> Table:
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
