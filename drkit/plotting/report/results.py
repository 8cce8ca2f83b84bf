"""What was measured of all runs: groups of runs with the same photographs, and their paired differences."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drkit.config.plot import PictureConfig
from drkit.errors import InputError
from drkit.evaluation import Comparison, SeedAgreement, compare_cases, measure_seeds
from drkit.evaluation.aggregation import aggregate_by_seed, common_level
from drkit.evaluation.agreement import Agreement, measure_agreement
from drkit.grades import SPLITS
from drkit.plotting.report.sources import ReportSource
from drkit.plotting.report.tasks import TRANSFER, infer_tasks
from drkit.plotting.selection import PlottedPredictions, narrow_to_shared


@dataclass(frozen=True)
class RunResult:
    """The agreement of one run.

    Args:
        source: Its files.
        drawn: Its rows that count.
        task: The course's task that it answers.
        agreement: Of the mean prediction of all its networks, as `drkit score` measures it.
        seeds: Of each seed's networks alone; None for a run of one seed.
        datasets: `agreement` on the photographs of each data set, by name, if there are several.
    """

    source: ReportSource
    drawn: PlottedPredictions
    task: str
    agreement: Agreement
    seeds: SeedAgreement | None
    datasets: Mapping[str, Agreement]

    @property
    def name(self) -> str:
        """The run's."""
        return self.source.name


@dataclass(frozen=True)
class ResultGroup:
    """Runs that graded the same photographs for the same target, the highest quadratic kappa first.

    Args:
        title: What was graded, in words.
        results: One per run.
        comparisons: Of the runs with the group's reference run, on all photographs and on each data set.
        not_compared: Why runs are not compared, in sentences.
    """

    title: str
    results: Sequence[RunResult]
    comparisons: Sequence[Comparison]
    not_compared: Sequence[str]

    def best_of_tasks(self) -> list[RunResult]:
        """The best run of each task."""
        best: dict[str, RunResult] = {}
        for result in self.results:
            best.setdefault(result.task, result)
        return list(best.values())


def measure_results(sources: Sequence[ReportSource], config: PictureConfig) -> list[ResultGroup]:
    """Measure all sources that can be scored, in groups that can be compared, the largest group first."""
    tasks = infer_tasks(sources)
    groups: dict[tuple[object, ...], list[RunResult]] = {}
    for source in sources:
        if source.drawn:
            result = _measure(source, source.drawn, tasks[source.name], config)
            groups.setdefault(_graded_photographs(source.drawn), []).append(result)
    return [_build_group(results, config) for results in sorted(groups.values(), key=len, reverse=True)]


def _graded_photographs(drawn: PlottedPredictions) -> tuple[object, ...]:
    """What makes kappas comparable: whose grade, which photographs, and their reference grades."""
    image_ids = tuple(drawn.predictions.rows["image_id"])
    return drawn.by, drawn.predictions.meta.target, image_ids, tuple(drawn.reference)


def _measure(source: ReportSource, drawn: PlottedPredictions, task: str, config: PictureConfig) -> RunResult:
    seeds = measure_seeds(
        drawn.predictions, drawn.reference, drawn.by, num_resamples=config.resamples, seed=config.seed
    )
    datasets = {name: _measure_agreement(part, config) for name, part in drawn.by_dataset().items()}
    return RunResult(source, drawn, task, _measure_agreement(drawn, config), seeds, datasets)


def _measure_agreement(drawn: PlottedPredictions, config: PictureConfig) -> Agreement:
    cases = drawn.cases
    return measure_agreement(
        cases.reference, cases.predicted, cases.patients, num_resamples=config.resamples, seed=config.seed
    )


def _build_group(results: Sequence[RunResult], config: PictureConfig) -> ResultGroup:
    """Compare with the first run of task (a), in the order given, else with the first run."""
    reference = next((result for result in results if result.task == TRANSFER), results[0])
    pairs = [pair for other in results if other is not reference for pair in _pair(reference.drawn, other.drawn)]
    compared = [_compare(*pair, config) for pair in pairs]
    return ResultGroup(
        _describe_photographs(results),
        sorted(results, key=lambda result: result.agreement.quadratic_weighted_kappa, reverse=True),
        [item for item in compared if isinstance(item, Comparison)],
        [item for item in compared if isinstance(item, str)],
    )


def _describe_photographs(results: Sequence[RunResult]) -> str:
    """`DeepDRiD: eye's grade, train+val, by photograph, 1600 photographs of 400 patients`."""
    drawn = results[0].drawn
    data = next((result.drawn.data for result in results if result.drawn.data), "")
    target = "patient" if drawn.by == "patient" else drawn.predictions.meta.target
    splits = "+".join(split for split in SPLITS if (drawn.predictions.rows["split"] == split).any())
    counts = f"{len(drawn.reference)} photographs of {len(np.unique(drawn.cases.patients))} patients"
    return f"{data}{': ' if data else ''}{target}'s grade, {splits}, by {drawn.by}, {counts}"


def _pair(
    first: PlottedPredictions, other: PlottedPredictions
) -> Iterator[tuple[PlottedPredictions, PlottedPredictions]]:
    """Both on all photographs, and on each data set that both have graded."""
    yield first, other
    before, after = first.by_dataset(), other.by_dataset()
    yield from ((before[name], after[name]) for name in before if name in after)


def _compare(first: PlottedPredictions, other: PlottedPredictions, config: PictureConfig) -> Comparison | str:
    """The comparison, or why there is none."""
    by = common_level(first.by, first.predictions.meta, other.predictions.meta)
    try:
        before, after = narrow_to_shared(first.read(by), other.read(by))
    except InputError as error:
        return f"Not compared: {error}."
    if not np.array_equal(before.cases.reference, after.cases.reference):
        return f"{other.name} is not compared with {first.name}: their reference grades are not the same."
    return compare_cases(
        (first.name, other.name),
        *(aggregate_by_seed(each.predictions, each.reference, each.by) for each in (before, after)),
        num_photographs=len(before.reference),
        by=by,
        num_resamples=config.resamples,
        seed=config.seed,
    )
