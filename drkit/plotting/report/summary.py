"""The summary: the best runs of each task, and the conclusions of all comparisons."""

from collections.abc import Sequence

from drkit.evaluation import Comparison
from drkit.evaluation.agreement import with_interval
from drkit.plotting.report.page import Block, Paragraph, Section, TableBlock
from drkit.plotting.report.results import ResultGroup, RunResult
from drkit.plotting.report.sources import ReportFiles
from drkit.reporting import Table

_COLUMNS = ("task", "best run", "quadratic kappa", "mean of single seeds", "runs", "graded")
_VERDICTS = ("helped", "made it worse", "unclear")
_HOW_TO_READ = (
    "The best of several runs is optimistic, the more so the more runs it was chosen from; an epoch that was selected"
    " on the photographs that count adds to it. Intervals are over patients, and over seeds where a run has several."
)


def build_summary(groups: Sequence[ResultGroup], files: ReportFiles) -> Section:
    """The best runs, and the verdicts of all paired comparisons.

    Args:
        groups: What was measured.
        files: With the comparisons of `drkit attend` and `drkit ensemble compare`.
    """
    rows = [_describe_best(result, group) for group in groups for result in group.best_of_tasks()]
    blocks: list[Block] = [
        TableBlock(Table("Best runs of each task, by quadratic kappa; in brackets 95 % intervals", _COLUMNS, rows)),
        Paragraph(_HOW_TO_READ, "quiet"),
    ]
    compared = {(item.run, item.against, item.photographs): item for group in groups for item in group.comparisons}
    for record in files.attention.values():
        item = record.comparison
        compared[item.run, item.against, item.photographs] = item
    blocks += _build_verdicts(list(compared.values()))
    blocks += [Paragraph(f"Ensembles: {record.sentence}") for record in files.ensembles.values()]
    return Section("summary", "Summary", blocks)


def _describe_best(result: RunResult, group: ResultGroup) -> tuple[str, ...]:
    agreement, seeds = result.score.agreement, result.score.seeds
    mark = "; selected there" if result.drawn.is_optimistic else ""
    mean = with_interval(seeds.quadratic_weighted_kappa, seeds.quadratic_weighted_kappa_interval) if seeds else "-"
    return (
        result.task,
        result.name,
        with_interval(agreement.quadratic_weighted_kappa, agreement.quadratic_weighted_kappa_interval) + mark,
        mean,
        str(sum(other.task == result.task for other in group.results)),
        group.title,
    )


def _build_verdicts(comparisons: Sequence[Comparison]) -> list[Block]:
    """What helped, what made it worse, and what is unclear, the largest difference first."""
    if not comparisons:
        return []
    columns = ("run", "against", "difference", "95 % interval", "verdict", "seeds", "patients")
    ordered = sorted(comparisons, key=lambda item: -item.difference)
    rows = [row for verdict in _VERDICTS for row in map(_describe_comparison, ordered) if row[4] == verdict]
    counts = [f"{sum(row[4] == verdict for row in rows)} {verdict}" for verdict in _VERDICTS]
    text = (
        f"Of {len(rows)} comparisons: {', '.join(counts)}. The intervals are not corrected for this number: of twenty"
        " equal runs one would seem to differ. With one seed the variation between trainings is not in the interval."
    )
    title = "What helped, and what is unclear: differences in quadratic kappa on the same patients"
    return [TableBlock(Table(title, columns, rows)), Paragraph(text, "quiet")]


def _describe_comparison(item: Comparison) -> tuple[str, ...]:
    low, high = item.interval
    verdict = _VERDICTS[0] if low > 0 else _VERDICTS[1] if high < 0 else _VERDICTS[2]
    num_seeds = len(item.kappas), len(item.against_kappas)
    return (
        item.run,
        item.against,
        f"{item.difference:+z.3f}",
        f"{low:+.3f} to {high:+.3f}",
        verdict,
        " / ".join(map(str, num_seeds)),
        str(item.patients),
    )
