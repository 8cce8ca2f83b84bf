"""`drkit score`: agreement of predictions with reference grades, and paired comparisons of runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drkit.config.score import ScoreConfig
from drkit.config.shared import NO_TABLES, TableFiles
from drkit.evaluation import Comparison, select_scorable, tabulate_comparisons
from drkit.evaluation.agreement import KAPPA_UNDEFINED, Agreement, check_resamples
from drkit.evaluation.scores import (
    RunScore,
    compare_runs,
    list_figures,
    score_run,
    tabulate_agreement,
    tabulate_datasets,
    tabulate_recalls,
)
from drkit.grades import Level
from drkit.progress import warn
from drkit.records.predictions import Predictions, read_all_predictions
from drkit.records.report_tables import check_table_files, write_table_files
from drkit.records.truth import read_truth
from drkit.reporting import Table

MIN_PATIENTS = 20  # fewer than these give unreliable intervals


@dataclass(frozen=True)
class ScoreReport:
    """The scores of all runs, and the comparisons of each later run with the first.

    Args:
        scores: Score of each run, in the order given.
        comparisons: Comparisons of later runs with the first, if they can be compared.
    """

    scores: tuple[RunScore, ...]
    comparisons: tuple[Comparison, ...]

    def render(self) -> Iterator[str | Table]:
        """Return tables of agreement and recall, remarks, and comparisons."""
        yield tabulate_agreement(self.scores)
        yield tabulate_recalls(self.scores)
        if any(score.datasets for score in self.scores):
            yield tabulate_datasets(self.scores)
        for score in self.scores:
            yield from score.remarks()
        if self.comparisons:
            yield tabulate_comparisons(self.comparisons)
        for comparison in self.comparisons:
            yield comparison.sentence

    def rows(self) -> list[dict[str, Any]]:
        """The figures of each run; for runs of several seeds also of the mean of the single seeds."""
        return [row for score in self.scores for row in list_figures(score)]


def run_score(files: Sequence[Path], config: ScoreConfig, tables: TableFiles = NO_TABLES) -> ScoreReport:
    """Score predictions, and compare later ones with the first.

    Raises:
        UsageError: too few resamples.
        InputError: a file that cannot be read, ids that do not match the reference grades, or nothing to score.
        LeakageError: a run was trained on every photograph that it would be scored on.
        OutputExistsError: a file of `tables` exists already.
    """
    check_table_files(tables, force=config.force)
    check_resamples(config.resamples)
    truth = None if config.truth is None else read_truth(config.truth)
    selections = [
        select_scorable(predictions, truth, split=config.split, by=config.by)
        for predictions in read_all_predictions(files)
    ]
    scores = [score_run(selection, num_resamples=config.resamples, seed=config.seed) for selection in selections]
    for selection, score in zip(selections, scores, strict=True):
        _warn_of_limits(selection.predictions, score.agreement, config.by)
    comparisons = []
    for other in selections[1:]:
        for compared in compare_runs(selections[0], other, num_resamples=config.resamples, seed=config.seed):
            if isinstance(compared, str):
                warn(compared)
            else:
                comparisons.append(compared)
    report = ScoreReport(tuple(scores), tuple(comparisons))
    write_table_files(report, tables, force=config.force)
    return report


def _warn_of_limits(predictions: Predictions, agreement: Agreement, by: Level) -> None:
    name, decision = predictions.name, predictions.meta.decision
    if agreement.degenerate:
        warn(f"{name}: {KAPPA_UNDEFINED}")
    if agreement.patients < MIN_PATIENTS:
        warn(f"{name}: intervals over only {agreement.patients} patients are unreliable")
    in_fold = predictions.rows["fold"].notna().any()
    if by != "photograph" and decision == "cut_points" and in_fold and not predictions.meta.fold_cut_points:
        warn(
            f"{name}: the cut points that decide the aggregated out-of-fold rows were also fitted on them, so that its"
            " scores are optimistic"
        )
