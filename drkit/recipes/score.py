"""`drkit score`: agreement of predictions with reference grades, and paired comparisons of runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from drkit import progress
from drkit.config.score import ScoreConfig
from drkit.config.shared import NO_TABLES, TableFiles
from drkit.errors import InputError
from drkit.evaluation import (
    Comparison,
    EvaluationSet,
    SeedAgreement,
    compare_cases,
    measure_seeds,
    select_scorable,
    tabulate_comparisons,
)
from drkit.evaluation.aggregation import (
    aggregate,
    aggregate_by_seed,
    common_level,
    describe_level,
    level_of,
)
from drkit.evaluation.agreement import Agreement, Interval, check_resamples, measure_agreement, with_interval
from drkit.grades import NUM_GRADES, Level, Target
from drkit.metrics import band
from drkit.records.predictions import Predictions, read_all_predictions
from drkit.records.report_tables import check_table_files, write_table_files
from drkit.records.truth import read_truth
from drkit.reporting import Table

FEW_PATIENTS = 20  # fewer than these give unreliable intervals


@dataclass(frozen=True, kw_only=True)
class RunScore:
    """How well one run agrees with the reference grades.

    Args:
        run: Its name.
        target: Whose grade it predicts.
        splits: The splits scored.
        reading: What counts as one case.
        joined_by: Whose photographs share one prediction.
        chosen_on: What the run's epoch or settings were selected on.
        photographs: Number of photographs scored.
        left_out_trained_on: Number of photographs left out because the run was trained on them.
        left_out_ungraded: Number of photographs left out because they have no reference grade.
        agreement: Over the cases; with several seeds, of the mean prediction of all networks.
        seeds: Of each seed's networks alone; None for a run of one seed.
        datasets: `agreement` over the cases of each data set, by name, if there are several.
        dataset_seeds: `seeds` likewise; empty for a run of one seed.
    """

    run: str
    target: Target
    splits: tuple[str, ...]
    reading: Level
    joined_by: Level
    chosen_on: str
    photographs: int
    left_out_trained_on: int
    left_out_ungraded: int
    agreement: Agreement
    seeds: SeedAgreement | None
    datasets: Mapping[str, Agreement]
    dataset_seeds: Mapping[str, SeedAgreement]

    @property
    def names(self) -> tuple[str, str]:
        """Row names: of the mean over the seeds' own figures, and of the mean prediction of their networks."""
        count = len(self.seeds.seeds) if self.seeds else 1
        if count == 1:
            return "", self.run
        return f"{self.run}, mean of {count} single seeds", f"{self.run}, networks of {count} seeds averaged"

    def remarks(self) -> Iterator[str]:
        """Caveats that the reader of the figures needs."""
        if self.left_out_trained_on:
            yield f"{self.run}: left out {self.left_out_trained_on} photographs that it was trained on."
        if self.left_out_ungraded:
            yield f"{self.run}: left out {self.left_out_ungraded} photographs without a reference grade."
        if self.seeds:
            yield f"{self.run}: {self.seeds}."
        if self.chosen_on in self.splits:
            yield f"{self.run} was selected on {self.chosen_on}, so its scores there are optimistic."


@dataclass(frozen=True)
class ScoreReport:
    """The scores of all runs, and the comparisons of each later run with the first.

    Args:
        scores: One per run, in the order given.
        comparisons: Of later runs with the first, if they can be compared.
    """

    scores: tuple[RunScore, ...]
    comparisons: tuple[Comparison, ...]

    def render(self) -> Iterator[str | Table]:
        """Tables of agreement and recall, remarks, and comparisons."""
        yield _agreement_table(self.scores)
        yield _recall_table(self.scores)
        if any(score.datasets for score in self.scores):
            yield _dataset_table(self.scores)
        for score in self.scores:
            yield from score.remarks()
        if self.comparisons:
            yield tabulate_comparisons(self.comparisons)
        for comparison in self.comparisons:
            yield comparison.sentence

    def rows(self) -> list[dict[str, Any]]:
        """The figures of each run; of runs of several seeds also of the mean of the single seeds."""
        return [row for score in self.scores for row in _figure_rows(score)]


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
    scores = [_score(selection, config) for selection in selections]
    comparisons = [found for other in selections[1:] for found in _compare_all(selections[0], other, config)]
    report = ScoreReport(tuple(scores), tuple(item for item in comparisons if item is not None))
    write_table_files(report, tables, force=config.force)
    return report


def _score(selection: EvaluationSet, config: ScoreConfig) -> RunScore:
    predictions = selection.predictions
    agreement = _measure(selection, config)
    parts = selection.by_dataset()
    of_parts = {name: _measure_seeds(part, config) for name, part in parts.items()}
    _warn(predictions, agreement, config.by)
    return RunScore(
        run=predictions.name,
        target=predictions.meta.target,
        splits=selection.splits,
        reading=config.by,
        joined_by=level_of(predictions.meta),
        chosen_on=predictions.meta.chosen_on,
        photographs=len(predictions),
        left_out_trained_on=selection.trained_on,
        left_out_ungraded=selection.ungraded,
        agreement=agreement,
        seeds=_measure_seeds(selection, config),
        datasets={name: _measure(part, config) for name, part in parts.items()},
        dataset_seeds={name: seeds for name, seeds in of_parts.items() if seeds},
    )


def _measure(selection: EvaluationSet, config: ScoreConfig) -> Agreement:
    cases = aggregate(selection.predictions, selection.reference, config.by)
    return measure_agreement(
        cases.reference, cases.predicted, cases.patients, num_resamples=config.resamples, seed=config.seed
    )


def _measure_seeds(selection: EvaluationSet, config: ScoreConfig) -> SeedAgreement | None:
    return measure_seeds(
        selection.predictions, selection.reference, config.by, num_resamples=config.resamples, seed=config.seed
    )


def _warn(predictions: Predictions, agreement: Agreement, by: Level) -> None:
    name, decision = predictions.name, predictions.meta.decision
    if agreement.degenerate:
        progress.warn(f"{name}: all reference and predicted grades are the same: kappa is undefined and reported as 0")
    if agreement.patients < FEW_PATIENTS:
        progress.warn(f"{name}: intervals over only {agreement.patients} patients are unreliable")
    in_fold = predictions.rows["fold"].notna().any()
    if by != "photograph" and decision == "cut_points" and in_fold and not predictions.meta.fold_cut_points:
        progress.warn(
            f"{name}: the cut points that decide the aggregated out-of-fold rows were also fitted on them, so that its"
            " scores are optimistic"
        )


def _compare_all(first: EvaluationSet, other: EvaluationSet, config: ScoreConfig) -> Iterator[Comparison | None]:
    """Paired differences: on all photographs that both have graded, and on each data set that both have graded."""
    yield _compare(first, other, config)
    before, after = first.by_dataset(), other.by_dataset()
    for name in (name for name in before if name in after):
        yield _compare(before[name], after[name], config)


def _compare(first: EvaluationSet, other: EvaluationSet, config: ScoreConfig) -> Comparison | None:
    """The paired difference; None, with a warning, if the runs cannot be paired."""
    names = first.predictions.name, other.predictions.name
    shared = pd.Index(first.predictions.rows["image_id"]).intersection(other.predictions.rows["image_id"])
    if shared.empty:
        progress.warn(f"{names[1]} is not compared with {names[0]}: they have no photograph in common")
        return None
    by = common_level(config.by, first.predictions.meta, other.predictions.meta)
    try:
        before, after = (
            aggregate_by_seed(item.predictions, item.reference, by)
            for item in (first.shared_with(shared), other.shared_with(shared))
        )
    except InputError as error:
        progress.warn(f"{names[1]} is not compared with {names[0]}: {error}")
        return None
    if not np.array_equal(before[0].reference, after[0].reference):
        progress.warn(f"{names[1]} is not compared with {names[0]}: their reference grades differ")
        return None
    return compare_cases(
        names, before, after, num_photographs=len(shared), by=by, num_resamples=config.resamples, seed=config.seed
    )


def _agreement_table(scores: Sequence[RunScore]) -> Table:
    columns = ("run", "quadratic kappa", "plain kappa", "accuracy")
    title = "Agreement with the reference grades, with 95 % intervals over patients"
    return Table(title, columns, [row for score in scores for row in _agreement_rows(score)])


def _agreement_rows(score: RunScore) -> Iterator[tuple[str, ...]]:
    """One row per run; with several seeds also one for the mean over single seeds."""
    found = score.seeds
    if found:
        yield (
            f"{score.names[0]}\nintervals over patients and seeds",
            _over_interval(found.quadratic_weighted_kappa, found.quadratic_weighted_kappa_interval),
            _over_interval(found.plain_kappa, found.plain_kappa_interval) + f"\n{band(found.plain_kappa)}",
            f"{found.accuracy:.3f}",
        )
    yield _agreement_row(score)


def _agreement_row(score: RunScore) -> tuple[str, ...]:
    found = score.agreement
    reading = describe_level(score.reading, score.joined_by)
    scored = (
        f"{score.names[1]}\n{score.target}'s grade, {'+'.join(score.splits)}, {reading}\n"
        f"{score.photographs} photographs of {found.patients} patients; selected on {score.chosen_on}"
    )
    return (
        scored,
        _over_interval(found.quadratic_weighted_kappa, found.quadratic_weighted_kappa_interval),
        _over_interval(found.plain_kappa, found.plain_kappa_interval) + f"\n{found.band}",
        f"{found.accuracy:.3f}",
    )


def _dataset_table(scores: Sequence[RunScore]) -> Table:
    columns = ("run", "data set", "cases", "patients", "quadratic kappa", "plain kappa", "accuracy")
    rows = [row for score in scores for name in score.datasets for row in _dataset_rows(score, name)]
    return Table("Agreement by data set", columns, rows)


def _dataset_rows(score: RunScore, name: str) -> Iterator[tuple[str, ...]]:
    """The rows of `_agreement_rows` for one data set."""
    whole = score.datasets[name]
    for what, found in zip(score.names, (score.dataset_seeds.get(name), whole), strict=True):
        if found:
            yield (
                what,
                name,
                str(whole.cases),
                str(whole.patients),
                with_interval(found.quadratic_weighted_kappa, found.quadratic_weighted_kappa_interval),
                with_interval(found.plain_kappa, found.plain_kappa_interval),
                f"{found.accuracy:.3f}",
            )


def _figure_rows(score: RunScore) -> Iterator[dict[str, Any]]:
    """The rows of `_agreement_rows` and `_dataset_rows` as numbers."""
    measured = [("", score.agreement, score.seeds)]
    measured += [(name, agreement, score.dataset_seeds.get(name)) for name, agreement in score.datasets.items()]
    for dataset, agreement, seeds in measured:
        context = {
            "run": score.run,
            "dataset": dataset,
            "target": score.target,
            "split": "+".join(score.splits),
            "by": score.reading,
            "selected_on": score.chosen_on,
            "cases": agreement.cases,
            "patients": agreement.patients,
        }
        if seeds:
            of_seeds = {"networks": f"mean of {len(seeds.seeds)} seeds", **_kappa_columns(seeds)}
            yield {**context, **of_seeds, **dict.fromkeys(_share_columns(agreement))}
        yield {**context, "networks": "all", **_kappa_columns(agreement), **_share_columns(agreement)}


def _kappa_columns(found: Agreement | SeedAgreement) -> dict[str, float]:
    quadratic, plain = found.quadratic_weighted_kappa_interval, found.plain_kappa_interval
    return {
        "quadratic_kappa": found.quadratic_weighted_kappa,
        "quadratic_kappa_low": quadratic[0],
        "quadratic_kappa_high": quadratic[1],
        "plain_kappa": found.plain_kappa,
        "plain_kappa_low": plain[0],
        "plain_kappa_high": plain[1],
        "accuracy": found.accuracy,
    }


def _share_columns(found: Agreement) -> dict[str, float | None]:
    names = (*(f"recall_{grade}" for grade in range(NUM_GRADES)), "referable_sensitivity", "referable_specificity")
    return dict(zip(names, _shares(found), strict=True))


def _over_interval(value: float, interval: Interval) -> str:
    return f"{value:.3f}\n{interval[0]:.3f} to {interval[1]:.3f}"


def _recall_table(scores: Sequence[RunScore]) -> Table:
    grades = map(str, range(NUM_GRADES))
    columns = ("run", *grades, "referable\nsensitivity", "referable\nspecificity")
    rows = [
        (score.run, *("-" if share is None else f"{share:.3f}" for share in _shares(score.agreement)))
        for score in scores
    ]
    return Table("Recall of grades 0 to 4; referable: grade 2 and worse", columns, rows)


def _shares(found: Agreement) -> tuple[float | None, ...]:
    return (*found.recalls, found.referable_sensitivity, found.referable_specificity)
