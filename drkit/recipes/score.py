"""`drkit score`: predictions against reference grades, kappas with intervals, runs compared in pairs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drkit import talk
from drkit.agreement import Agreement, Interval, measure_agreement, with_interval
from drkit.comparison import Comparison, SeedAgreement, compare_cases, measure_seeds, tabulate_comparisons
from drkit.errors import InputError, LeakageError, UsageError, first_few
from drkit.grades import NUM_GRADES, SPLITS, Split, Target, grade_column
from drkit.metrics import band
from drkit.readings import (
    Index,
    Reading,
    common_reading,
    describe_reading,
    joined_by,
    read_cases,
    read_seed_cases,
)
from drkit.records.labels import image_stem
from drkit.records.predictions import Predictions, read_all_predictions
from drkit.records.truth import Truth, read_truth
from drkit.reporting import Table

MIN_RESAMPLES = 100
FEW_PATIENTS = 20


@dataclass(frozen=True)
class ScoreConfig:
    """What is compared with what.

    Args:
        truth: A CSV of reference grades; None takes those in the predictions.
        split: The rows to score; None takes the splits that the truth touches, or all with a grade.
        by: What counts as one case: each photograph, or those of an eye or a patient joined.
        resamples: How often patients are drawn for an interval.
        seed: Of the draws.
    """

    truth: Path | None = None
    split: Split | None = None
    by: Reading = "photograph"
    resamples: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class RunScore:
    """How well one run agrees with the reference grades.

    Args:
        run: Its name.
        target: Whose grade it predicts.
        splits: The splits scored.
        reading: What counts as one case.
        joined_by: Whose photographs share one answer.
        chosen_on: What picked the run's epoch or settings.
        photographs: Number of photographs scored.
        left_out_trained_on: Photographs left out because the run was trained on them.
        left_out_ungraded: Photographs left out because they have no reference grade.
        agreement: Over the cases; of a run of several seeds, that of its networks' mean answer.
        seeds: Of each seed's networks alone; None for a run of one seed.
        datasets: `agreement` over the cases of each data set, by name, where there are several.
        dataset_seeds: `seeds` likewise; empty for a run of one seed.
    """

    run: str
    target: Target
    splits: tuple[str, ...]
    reading: Reading
    joined_by: Reading
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
        """What the means of the seeds' own figures and those of their networks' mean answer are called."""
        count = len(self.seeds.seeds) if self.seeds else 1
        if count == 1:
            return "", self.run
        return f"{self.run}, mean of {count} seeds alone", f"{self.run}, the {count} seeds' networks averaged"

    def remarks(self) -> Iterator[str]:
        """What must be known to read the figures rightly."""
        if self.left_out_trained_on:
            yield f"{self.run}: {self.left_out_trained_on} photographs it was trained on are left out."
        if self.left_out_ungraded:
            yield f"{self.run}: {self.left_out_ungraded} photographs without a reference grade are left out."
        if self.seeds:
            yield f"{self.run}: {self.seeds}."
        if self.chosen_on in self.splits:
            yield f"{self.run} was selected on {self.chosen_on}, so its scores there are optimistic."


@dataclass(frozen=True)
class ScoreReport:
    """All runs, and each but the first against the first.

    Args:
        scores: One a run, in the order given.
        comparisons: Of the second and later runs with the first, where they can be compared.
    """

    scores: tuple[RunScore, ...]
    comparisons: tuple[Comparison, ...]

    def story(self) -> Iterator[str | Table]:
        """Agreement, recall by grade, agreement by data set, remarks, and the differences."""
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


@dataclass(frozen=True)
class Selection:
    """The photographs of a run that are scored.

    Args:
        predictions: Their rows, ordered by image id, none of them trained on.
        reference: (N,) their reference grades.
        trained_on: How many were left out because the run was trained on them.
        ungraded: How many were left out because they have no reference grade.
    """

    predictions: Predictions
    reference: Index
    trained_on: int
    ungraded: int

    def shared_with(self, image_ids: pd.Index) -> "Selection":
        """Those among `image_ids`."""
        keep = self.predictions.rows["image_id"].isin(image_ids).to_numpy(dtype=bool)
        return self._where(keep)

    def by_dataset(self) -> dict[str, "Selection"]:
        """Those of each data set, by name, where there are several; called `RUN on NAME`."""
        parts = {name: self._where(rows) for name, rows in self.predictions.rows_by_dataset().items()}
        return {
            name: replace(part, predictions=replace(part.predictions, name=f"{self.predictions.name} on {name}"))
            for name, part in parts.items()
        }

    def _where(self, keep: NDArray[np.bool_]) -> "Selection":
        return Selection(self.predictions.where(keep), self.reference[keep], 0, 0)


def run_score(files: Sequence[Path], config: ScoreConfig) -> ScoreReport:
    """Score predictions, and compare the second and later ones with the first.

    Raises:
        UsageError: too few resamples.
        InputError: a file that cannot be read, ids that do not match the truth, nothing to score.
        LeakageError: a run was trained on every photograph it would be scored on.
    """
    if config.resamples < MIN_RESAMPLES:
        raise UsageError(f"--resamples {config.resamples}: an interval needs at least {MIN_RESAMPLES}")
    truth = None if config.truth is None else read_truth(config.truth)
    selections = [_select(predictions, truth, config) for predictions in read_all_predictions(files)]
    scores = [_score(selection, config) for selection in selections]
    comparisons = [found for other in selections[1:] for found in _compare_all(selections[0], other, config)]
    return ScoreReport(tuple(scores), tuple(item for item in comparisons if item is not None))


def _select(predictions: Predictions, truth: Truth | None, config: ScoreConfig) -> Selection:
    """Choose the rows to score, in the order: split, match with the truth, trained on, graded."""
    target: Target = "patient" if config.by == "patient" else predictions.meta.target
    splits = _splits(predictions, truth, target, config)
    ordered = replace(predictions, rows=predictions.rows.sort_values("image_id", ignore_index=True))
    chosen = ordered.of_split(*splits)
    if truth is not None:
        _check_match(chosen, predictions, truth, target, splits)
    grades = _reference(chosen, truth, target)
    leaked, graded = chosen.leaked_rows(), grades.notna().to_numpy(dtype=bool)
    _check_scorable(chosen, leaked, graded, target)
    keep = graded & ~leaked
    reference = grades[keep].to_numpy(dtype=np.int64)
    return Selection(chosen.where(keep), reference, int((leaked & graded).sum()), int((~graded & ~leaked).sum()))


def _check_scorable(chosen: Predictions, leaked: NDArray[np.bool_], graded: NDArray[np.bool_], target: Target) -> None:
    """Check that something clean and graded is left.

    Raises:
        LeakageError: the run was trained on all of it.
        InputError: no reference grades.
    """
    where = f"{chosen.name}, split {' and '.join(chosen.rows['split'].unique())}"
    if leaked.all():
        raise LeakageError(
            f"{where}: the run was trained on all {len(chosen)} photographs:"
            " score it on another split, or train it with --folds"
        )
    if not (graded & ~leaked).any():
        raise InputError(
            f"{where}: no photograph it was not trained on has a reference grade of the {target}:"
            " give the grades with --truth"
        )


def _splits(predictions: Predictions, truth: Truth | None, target: Target, config: ScoreConfig) -> tuple[Split, ...]:
    """The splits to score, in the order train, val, test."""
    rows = predictions.rows
    if config.split is not None:
        predictions.check_split(config.split)
        return (config.split,)
    if truth is None:
        return _in_order(rows["split"][rows[grade_column(target)].notna()].unique()) or predictions.splits
    touched = _in_order(rows["split"][_stems(predictions).isin(truth.rows["image_id"])].unique())
    if not touched:
        raise InputError(
            f"{truth.source} and {predictions.name} share no photograph: the first has ids such as"
            f" {truth.rows['image_id'].iloc[0]}, the second such as {rows['image_id'].iloc[0]}"
        )
    return touched


def _in_order(splits: Iterable[str]) -> tuple[Split, ...]:
    """Those of train, val, test that are among `splits`."""
    given = set(splits)
    return tuple(split for split in SPLITS if split in given)


def _check_match(
    chosen: Predictions, predictions: Predictions, truth: Truth, target: Target, splits: Sequence[Split]
) -> None:
    """Check that photographs and reference grades fit one to one.

    Raises:
        InputError: photographs without a row in the truth, or graded ones without a prediction.
    """
    stems = _stems(chosen)
    unknown = stems[~stems.isin(truth.rows["image_id"])].tolist()
    if unknown:
        raise InputError(
            f"{truth.source}: {len(unknown)} photographs of {predictions.name} have no row: {first_few(unknown)}"
        )
    elsewhere = truth.rows["split"].notna() & ~truth.rows["split"].isin(splits)
    graded = truth.rows["image_id"].isin(truth.grades_for(target).dropna().index)
    asked = truth.rows["image_id"][graded & ~elsewhere]
    missing = asked[~asked.isin(_stems(predictions))].tolist()
    if missing:
        raise InputError(
            f"{predictions.name}: {len(missing)} graded photographs of {truth.source} have no prediction:"
            f" {first_few(missing)}"
        )


def _reference(chosen: Predictions, truth: Truth | None, target: Target) -> pd.Series:
    """(N,) Int8, null where unknown."""
    if truth is None:
        return chosen.rows[grade_column(target)]
    return _stems(chosen).map(truth.grades_for(target)).astype("Int8")


def _stems(predictions: Predictions) -> pd.Series:
    return predictions.rows["image_id"].map(image_stem).astype("string")


def _score(selection: Selection, config: ScoreConfig) -> RunScore:
    predictions = selection.predictions
    agreement = _measure(selection, config)
    parts = selection.by_dataset()
    of_parts = {name: _measure_seeds(part, config) for name, part in parts.items()}
    _warn(predictions, agreement, config.by)
    return RunScore(
        run=predictions.name,
        target=predictions.meta.target,
        splits=_in_order(predictions.rows["split"].unique()),
        reading=config.by,
        joined_by=joined_by(predictions.meta),
        chosen_on=predictions.meta.chosen_on,
        photographs=len(predictions),
        left_out_trained_on=selection.trained_on,
        left_out_ungraded=selection.ungraded,
        agreement=agreement,
        seeds=_measure_seeds(selection, config),
        datasets={name: _measure(part, config) for name, part in parts.items()},
        dataset_seeds={name: seeds for name, seeds in of_parts.items() if seeds},
    )


def _measure(selection: Selection, config: ScoreConfig) -> Agreement:
    cases = read_cases(selection.predictions, selection.reference, config.by)
    return measure_agreement(
        cases.reference, cases.predicted, cases.patients, num_resamples=config.resamples, seed=config.seed
    )


def _measure_seeds(selection: Selection, config: ScoreConfig) -> SeedAgreement | None:
    return measure_seeds(
        selection.predictions, selection.reference, config.by, num_resamples=config.resamples, seed=config.seed
    )


def _warn(predictions: Predictions, agreement: Agreement, by: Reading) -> None:
    name, decision = predictions.name, predictions.meta.decision
    if agreement.degenerate:
        talk.warn(f"{name}: one single grade, so nothing could disagree: kappa is undefined and given as 0")
    if agreement.patients < FEW_PATIENTS:
        talk.warn(f"{name}: {agreement.patients} patients are too few for an interval to be trusted")
    in_fold = predictions.rows["fold"].notna().any()
    if by != "photograph" and decision == "cut_points" and in_fold and not predictions.meta.fold_cut_points:
        talk.warn(f"{name}: joined out-of-fold rows are decided by cut points that were fitted on them too")


def _compare_all(first: Selection, other: Selection, config: ScoreConfig) -> Iterator[Comparison | None]:
    """The paired difference on all that both have graded, and on each data set that both have graded of several."""
    yield _compare(first, other, config)
    before, after = first.by_dataset(), other.by_dataset()
    for name in (name for name in before if name in after):
        yield _compare(before[name], after[name], config)


def _compare(first: Selection, other: Selection, config: ScoreConfig) -> Comparison | None:
    """The paired difference, or None (and a warning) where there is nothing to pair."""
    names = first.predictions.name, other.predictions.name
    shared = pd.Index(first.predictions.rows["image_id"]).intersection(other.predictions.rows["image_id"])
    if shared.empty:
        talk.warn(f"{names[1]} is not compared with {names[0]}: they share no photograph")
        return None
    by = common_reading(config.by, first.predictions.meta, other.predictions.meta)
    try:
        before, after = (
            read_seed_cases(item.predictions, item.reference, by)
            for item in (first.shared_with(shared), other.shared_with(shared))
        )
    except InputError as error:
        talk.warn(f"{names[1]} is not compared with {names[0]}: {error}")
        return None
    if not np.array_equal(before[0].reference, after[0].reference):
        talk.warn(f"{names[1]} is not compared with {names[0]}: their reference grades are not the same")
        return None
    return compare_cases(
        names, before, after, num_photographs=len(shared), by=by, num_resamples=config.resamples, seed=config.seed
    )


def _agreement_table(scores: Sequence[RunScore]) -> Table:
    columns = ("run", "quadratic kappa", "plain kappa", "accuracy")
    title = "Agreement with the reference grades, 95 % intervals over patients"
    return Table(title, columns, [row for score in scores for row in _agreement_rows(score)])


def _agreement_rows(score: RunScore) -> Iterator[tuple[str, ...]]:
    """The run's; of several seeds the mean of their own agreements, and that of the networks' mean answer."""
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
    reading = describe_reading(score.reading, score.joined_by)
    scored = (
        f"{score.names[1]}\n{score.target}'s grade, {'+'.join(score.splits)}, {reading}\n"
        f"{score.photographs} photographs of {found.patients} patients; chosen on {score.chosen_on}"
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
    return Table("The same by data set", columns, rows)


def _dataset_rows(score: RunScore, name: str) -> Iterator[tuple[str, ...]]:
    """What `_agreement_rows` gives, of one data set."""
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


def _over_interval(value: float, interval: Interval) -> str:
    return f"{value:.3f}\n{interval[0]:.3f} to {interval[1]:.3f}"


def _recall_table(scores: Sequence[RunScore]) -> Table:
    grades = map(str, range(NUM_GRADES))
    columns = ("run", *grades, "referable\nsensitivity", "referable\nspecificity")
    rows = [(score.run, *map(_share, _shares(score.agreement))) for score in scores]
    return Table("Share found of grades 0 to 4; referable is grade 2 and worse", columns, rows)


def _shares(found: Agreement) -> tuple[float | None, ...]:
    return (*found.recalls, found.referable_sensitivity, found.referable_specificity)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
