"""The scores of runs: agreement with reference grades, overall, by seed and by data set, and their tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from drkit.errors import InputError
from drkit.evaluation.aggregation import aggregate_by_seed, common_level, describe_level, level_of
from drkit.evaluation.agreement import Agreement, Interval, measure_agreement, with_interval
from drkit.evaluation.differences import Comparison, compare_cases
from drkit.evaluation.seeds import SeedAgreement, measure_seeds
from drkit.evaluation.selection import EvaluationSet
from drkit.grades import NUM_GRADES, Level, Target
from drkit.metrics import band
from drkit.reporting import Table

SHARE_COLUMNS = (*(f"recall_{grade}" for grade in range(NUM_GRADES)), "referable_sensitivity", "referable_specificity")


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


def score_run(selection: EvaluationSet, *, num_resamples: int, seed: int) -> RunScore:
    """Score one run, with intervals over resampled patients.

    Args:
        selection: The photographs to score.
        num_resamples: Number of resamples of the patients.
        seed: Random seed of the resampling.

    Raises:
        InputError: photographs that cannot be joined to cases.
    """

    def agreement(part: EvaluationSet) -> Agreement:
        cases = part.cases
        return measure_agreement(
            cases.reference, cases.predicted, cases.patients, num_resamples=num_resamples, seed=seed
        )

    def seeds(part: EvaluationSet) -> SeedAgreement | None:
        return measure_seeds(part.predictions, part.reference, part.by, num_resamples=num_resamples, seed=seed)

    meta, datasets = selection.predictions.meta, selection.by_dataset()
    dataset_seeds = {name: seeds(part) for name, part in datasets.items()}
    return RunScore(
        run=selection.predictions.name,
        target=meta.target,
        splits=selection.predictions.splits,
        reading=selection.by,
        joined_by=level_of(meta),
        chosen_on=meta.chosen_on,
        photographs=len(selection.predictions),
        left_out_trained_on=selection.trained_on,
        left_out_ungraded=selection.ungraded,
        agreement=agreement(selection),
        seeds=seeds(selection),
        datasets={name: agreement(part) for name, part in datasets.items()},
        dataset_seeds={name: each for name, each in dataset_seeds.items() if each},
    )


def compare_runs(
    first: EvaluationSet, other: EvaluationSet, *, num_resamples: int, seed: int
) -> Iterator[Comparison | str]:
    """Compare two runs on the photographs that both have graded, and on those of each data set if there are several.

    Args:
        first: The photographs to score of the run that is compared with.
        other: The photographs to score of the other run, aggregated to the same level.
        num_resamples: Number of resamples of the patients.
        seed: Random seed of the resampling.

    Yields:
        Paired differences; instead of one, a sentence that states why the runs cannot be paired.
    """
    before, after = first.by_dataset(), other.by_dataset()
    for pair in ((first, other), *((before[name], after[name]) for name in before if name in after)):
        yield _compare_pair(*pair, num_resamples=num_resamples, seed=seed)


def _compare_pair(first: EvaluationSet, other: EvaluationSet, *, num_resamples: int, seed: int) -> Comparison | str:
    names = first.name, other.name
    shared = pd.Index(first.predictions.rows["image_id"]).intersection(other.predictions.rows["image_id"])
    if shared.empty:
        return f"{names[1]} is not compared with {names[0]}: they have no photograph in common"
    level = common_level(first.by, first.predictions.meta, other.predictions.meta)
    try:
        before, after = (
            aggregate_by_seed(item.predictions, item.reference, level)
            for item in (first.shared_with(shared), other.shared_with(shared))
        )
    except InputError as error:
        return f"{names[1]} is not compared with {names[0]}: {error}"
    if not np.array_equal(before[0].reference, after[0].reference):
        return f"{names[1]} is not compared with {names[0]}: their reference grades differ"
    return compare_cases(
        names, before, after, num_photographs=len(shared), by=level, num_resamples=num_resamples, seed=seed
    )


def tabulate_agreement(scores: Sequence[RunScore]) -> Table:
    """Tabulate kappas and accuracy, one row per run; for several seeds, also the mean over single seeds."""
    columns = ("run", "quadratic kappa", "plain kappa", "accuracy")
    title = "Agreement with the reference grades, with 95 % intervals over patients"
    return Table(title, columns, [row for score in scores for row in _agreement_rows(score)])


def _agreement_rows(score: RunScore) -> Iterator[tuple[str, ...]]:
    selection = "last epoch" if score.chosen_on == "last" else f"selected on {score.chosen_on}"
    if score.seeds:
        yield (f"{score.names[0]}\nintervals over patients and seeds", *_agreement_cells(score.seeds))
    yield (
        f"{score.names[1]}\n{score.target}'s grade, {'+'.join(score.splits)},"
        f" {describe_level(score.reading, score.joined_by)}\n{score.photographs} photographs of"
        f" {score.agreement.patients} patients; {selection}",
        *_agreement_cells(score.agreement),
    )


def _agreement_cells(figures: Agreement | SeedAgreement) -> tuple[str, str, str]:
    return (
        _over_interval(figures.quadratic_weighted_kappa, figures.quadratic_weighted_kappa_interval),
        _over_interval(figures.plain_kappa, figures.plain_kappa_interval) + f"\n{band(figures.plain_kappa)}",
        f"{figures.accuracy:.3f}",
    )


def _over_interval(value: float, interval: Interval) -> str:
    return f"{value:z.3f}\n{interval[0]:z.3f} to {interval[1]:z.3f}"


def tabulate_recalls(scores: Sequence[RunScore]) -> Table:
    """Tabulate the recall of each grade, one row per run; a dash if no case has the grade."""
    columns = ("run", *map(str, range(NUM_GRADES)), "referable\nsensitivity", "referable\nspecificity")
    rows = [
        (score.run, *("-" if share is None else f"{share:.3f}" for share in _shares(score.agreement)))
        for score in scores
    ]
    return Table("Recall of grades 0 to 4; referable: grade 2 and worse", columns, rows)


def tabulate_datasets(scores: Sequence[RunScore]) -> Table:
    """Tabulate kappas and accuracy by data set, with the rows of `tabulate_agreement`."""
    columns = ("run", "data set", "cases", "patients", "quadratic kappa", "plain kappa", "accuracy")
    rows = []
    for score in scores:
        for dataset, agreement in score.datasets.items():
            for name, figures in zip(score.names, (score.dataset_seeds.get(dataset), agreement), strict=True):
                if figures:
                    rows.append(
                        (
                            name,
                            dataset,
                            str(agreement.cases),
                            str(agreement.patients),
                            with_interval(figures.quadratic_weighted_kappa, figures.quadratic_weighted_kappa_interval),
                            with_interval(figures.plain_kappa, figures.plain_kappa_interval),
                            f"{figures.accuracy:.3f}",
                        )
                    )
    return Table("Agreement by data set", columns, rows)


def list_figures(score: RunScore) -> Iterator[dict[str, Any]]:
    """List the rows of `tabulate_agreement` and `tabulate_datasets` as numbers, by column of a CSV."""
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
        shares = dict(zip(SHARE_COLUMNS, _shares(agreement), strict=True))
        if seeds:
            networks = f"mean of {len(seeds.seeds)} seeds"
            yield {**context, "networks": networks, **_kappa_columns(seeds), **dict.fromkeys(shares)}
        yield {**context, "networks": "all", **_kappa_columns(agreement), **shares}


def _kappa_columns(figures: Agreement | SeedAgreement) -> dict[str, float]:
    quadratic, plain = figures.quadratic_weighted_kappa_interval, figures.plain_kappa_interval
    return {
        "quadratic_kappa": figures.quadratic_weighted_kappa,
        "quadratic_kappa_low": quadratic[0],
        "quadratic_kappa_high": quadratic[1],
        "plain_kappa": figures.plain_kappa,
        "plain_kappa_low": plain[0],
        "plain_kappa_high": plain[1],
        "accuracy": figures.accuracy,
    }


def _shares(agreement: Agreement) -> tuple[float | None, ...]:
    """The shares of `SHARE_COLUMNS`."""
    return (*agreement.recalls, agreement.referable_sensitivity, agreement.referable_specificity)
