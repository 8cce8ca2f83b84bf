"""The scores of all runs: groups of runs on the same photographs, and their paired differences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drkit.config.plot import PictureConfig
from drkit.evaluation import Comparison, EvaluationSet
from drkit.evaluation.scores import RunScore, compare_runs, score_run
from drkit.plotting.report.sources import ReportSource
from drkit.plotting.report.tasks import TRANSFER, infer_tasks


@dataclass(frozen=True)
class RunResult:
    """The agreement of one run.

    Args:
        source: Files of the run.
        drawn: The photographs that are scored and drawn.
        task: Task of the course that the run belongs to.
        score: Agreement with the reference grades, as `drkit score` measures it.
    """

    source: ReportSource
    drawn: EvaluationSet
    task: str
    score: RunScore

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.source.name


@dataclass(frozen=True)
class ResultGroup:
    """Runs that graded the same photographs for the same target, the highest quadratic kappa first.

    Args:
        title: Description of the photographs.
        results: One result per run.
        comparisons: Comparisons of the runs with the reference run, on all photographs and on each data set.
        not_compared: Sentences that state why a run is not compared.
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
            score = score_run(source.drawn, num_resamples=config.resamples, seed=config.seed)
            result = RunResult(source, source.drawn, tasks[source.name], score)
            groups.setdefault(_graded_photographs(source.drawn), []).append(result)
    return [_build_group(results, config) for results in sorted(groups.values(), key=len, reverse=True)]


def _graded_photographs(drawn: EvaluationSet) -> tuple[object, ...]:
    """What makes kappas comparable: whose grade, which photographs, and their reference grades."""
    image_ids = tuple(drawn.predictions.rows["image_id"])
    return drawn.by, drawn.predictions.meta.target, image_ids, tuple(drawn.reference)


def _build_group(results: Sequence[RunResult], config: PictureConfig) -> ResultGroup:
    """Compare with the first run of task (a), in the order given, else with the first run."""
    reference = next((result for result in results if result.task == TRANSFER), results[0])
    compared = [
        item
        for other in results
        if other is not reference
        for item in compare_runs(reference.drawn, other.drawn, num_resamples=config.resamples, seed=config.seed)
    ]
    return ResultGroup(
        _describe_photographs(results),
        sorted(results, key=lambda result: result.score.agreement.quadratic_weighted_kappa, reverse=True),
        [item for item in compared if isinstance(item, Comparison)],
        [f"{item}." for item in compared if isinstance(item, str)],
    )


def _describe_photographs(results: Sequence[RunResult]) -> str:
    """`DeepDRiD: eye's grade, train+val, by photograph, 1600 photographs of 400 patients`."""
    drawn = results[0].drawn
    data = next((result.drawn.data for result in results if result.drawn.data), "")
    counts = f"{len(drawn.reference)} photographs of {len(np.unique(drawn.cases.patients))} patients"
    return f"{data}{': ' if data else ''}{drawn.scope}, by {drawn.by}, {counts}"
