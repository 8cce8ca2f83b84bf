"""`attend`: a training with attention, and an honest answer to what it does."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from drkit.comparison import (
    Comparison,
    SeedPair,
    SeedsOutcome,
    check_pair,
    compare_cases,
    differing_options,
    judge_seeds,
    pair_cases,
    remark_pair,
)
from drkit.errors import Interrupted, UsageError, first_few
from drkit.grades import grade_column
from drkit.models.cost import Cost, measure_cost
from drkit.models.grader import build_grader
from drkit.records.atomic import check_writable
from drkit.records.comparisons import write_comparison
from drkit.records.predictions import Predictions, find_predictions, read_predictions
from drkit.records.provenance import canonical_json
from drkit.records.runs import Run, new_run, read_run_record
from drkit.reporting import Table, as_json
from drkit.talk import say
from drkit.training.config import AttendConfig, TrainingConfig
from drkit.training.description import PlanReport, describe_plan
from drkit.training.execution import RunPlace, TrainingReport, execute, plan_run
from drkit.training.plan import TrainingPlan
from drkit.training.runtime import first_alone_talks

ONE_SEED = "One pair of trainings: with another seed it may fall out otherwise; --seeds 3 shows how far."
INCIDENTAL = frozenset({"attention_blocks", "drkit_version", "embeddings"})  # runs may differ in them


@dataclass(frozen=True)
class AttendPlan:
    """What a training with attention would do.

    Args:
        plan: Of the training.
        cost: What attention adds.
        seeds: Number of trainings with it, and of as many without.
    """

    plan: PlanReport
    cost: Cost
    seeds: int

    def story(self) -> Iterator[str | Table]:
        """The plan, for people."""
        yield from self.plan.story()
        yield f"attention: {self.plan.options['attention_blocks']}; {self.cost}"
        if self.seeds > 1:
            yield f"the same with {self.seeds} seeds, and without attention: {2 * self.seeds} trainings"


@dataclass(frozen=True)
class AttendReport:
    """What a training with attention came to.

    Args:
        training: The training itself.
        cost: What attention adds.
        comparison: With the baseline; None where none was named.
        remarks: What must be known to read the comparison rightly.
        outputs: Files that were written beside the run.
    """

    training: TrainingReport
    cost: Cost
    comparison: Comparison | None
    remarks: tuple[str, ...]
    outputs: tuple[Path, ...]

    def story(self) -> Iterator[str | Table]:
        """The outcome, for people."""
        yield from self.training.story()
        yield str(self.cost)
        yield from self.remarks
        if self.comparison:
            yield f"{self.comparison.sentence} Probability of no gain {self.comparison.probability_of_no_gain:.3f}."
            yield ONE_SEED
            yield "wrote " + ", ".join(map(str, self.outputs))


@dataclass(frozen=True)
class SeedsReport:
    """What trainings with attention and without came to, seed by seed.

    Args:
        outcome: The comparison.
        cost: What attention adds.
        remarks: What must be known to read it rightly.
        outputs: The comparison's file, and the stems of the runs.
    """

    outcome: SeedsOutcome
    cost: Cost
    remarks: tuple[str, ...]
    outputs: tuple[Path, ...]

    def story(self) -> Iterator[str | Table]:
        """The outcome, for people."""
        yield self.outcome.table()
        yield str(self.cost)
        yield from self.remarks
        yield self.outcome.sentence
        yield "wrote " + ", ".join(map(str, self.outputs))


def plan_attend(config: AttendConfig, place: RunPlace, seeds: int = 1) -> AttendPlan:
    """Say what `run_attend` or `run_attend_seeds` would do, without doing it.

    Raises:
        DrkitError: a data set, options, a device or a name that would be refused.
    """
    plan, run = plan_run(config, place, _suffix(config))
    return AttendPlan(describe_plan(plan, run), _measure(plan), seeds)


def run_attend(config: AttendConfig, place: RunPlace, baseline: Path | None = None) -> AttendReport:
    """Train with attention, and compare with a run without.

    Args:
        config: What is trained, on what, and how.
        place: Where the run goes.
        baseline: A run or its predictions to compare with; None: none.

    Raises:
        InputError: a data set, weights or a baseline that cannot be used, or that do not fit together.
        UsageError: options that do not exist or do not fit together.
        OutputExistsError: the run or the comparison is there already.
        Interrupted: stopped by the user; finished epochs are kept.
    """
    with first_alone_talks():
        plan, run = plan_run(config, place, _suffix(config))
        record, cost = run.comparison, _measure(plan)
        before = _read_baseline(baseline, plan, record, force=place.force or place.resume) if baseline else None
        say(str(cost))
        training = execute(plan, run, place)
        if baseline is None or before is None:
            return AttendReport(training, cost, None, (), ())
        after = read_predictions(run.stem)
        comparison, remarks = _compare(before, after), remark_pair(before, after, INCIDENTAL)
        content = {"comparison": comparison, "cost": cost, "remarks": remarks}
        files = (find_predictions(baseline), run.predictions)
        write_comparison(record, as_json(content), files, force=place.force or place.resume)
        return AttendReport(training, cost, comparison, remarks, (record,))


def run_attend_seeds(config: AttendConfig, place: RunPlace, seeds: int) -> SeedsReport:
    """Train with attention and without, with several seeds, and compare.

    Args:
        config: What is trained, on what, and how; its seed is the first.
        place: Where the runs go: NAME-s0, NAME-baseline-s0 and so on. With `resume`, those that are finished are kept.
        seeds: How many, at least 2.

    Raises:
        DrkitError: as `run_attend`.
    """
    if config.devices * config.nodes > 1:
        raise UsageError("--seeds trains one run after another in one process: leave --devices and --nodes at 1")
    with first_alone_talks():
        base = _name_base(config, place)
        record = base.comparison
        check_writable(record, force=place.force or place.resume)
        numbers = range(config.seed, config.seed + seeds)
        jobs = [_plan_pair(replace(config, seed=seed), base, place) for seed in numbers]  # all, before any work
        cost = _measure(jobs[0][1].plan)
        say(str(cost))
        _train_all([job for pair in jobs for job in pair], base)
        pairs = [
            SeedPair(seed, *(read_predictions(job.run.stem) for job in pair))
            for seed, pair in zip(numbers, jobs, strict=True)
        ]
        outcome, remarks = (
            judge_seeds(config.attention_blocks, pairs),
            remark_pair(pairs[0].without, pairs[0].attending, INCIDENTAL),
        )
        files = [job.run.predictions for pair in jobs for job in pair]
        content = {"seeds": outcome, "cost": cost, "remarks": remarks}
        write_comparison(record, as_json(content), files, force=place.force or place.resume)
        return SeedsReport(outcome, cost, remarks, (record, *(job.run.stem for pair in jobs for job in pair)))


@dataclass(frozen=True)
class _Job:
    """A training that is to be done, unless it is."""

    plan: TrainingPlan
    run: Run
    place: RunPlace
    is_done: bool


def _plan_pair(config: AttendConfig, base: Run, place: RunPlace) -> tuple[_Job, _Job]:
    """Without attention and with it."""
    names = (f"{base.name}-baseline-s{config.seed}", f"{base.name}-s{config.seed}")
    without, attending = config.without_attention(), config
    return _plan_job(without, names[0], place), _plan_job(attending, names[1], place)


def _plan_job(config: TrainingConfig, name: str, place: RunPlace) -> _Job:
    run = Run(place.runs_dir / name)
    is_done = place.resume and run.record.is_file() and not run.unfinished()
    own = RunPlace(place.runs_dir, name, place.resume and bool(run.unfinished()), place.force or is_done)
    plan, _ = plan_run(config, own)
    if is_done:
        _check_same(read_run_record(run)["options"], plan, run)
    return _Job(plan, run, own, is_done)


def _train_all(jobs: Sequence[_Job], base: Run) -> None:
    for number, job in enumerate(jobs, start=1):
        say(f"training {number} of {len(jobs)}: {job.run.stem}" + (" is finished" if job.is_done else ""))
        if job.is_done:
            continue
        try:
            execute(job.plan, job.run, job.place)
        except Interrupted as stop:
            raise Interrupted(str(stop), ("--name", base.name, "--resume")) from None


def _check_same(options: dict[str, Any], plan: TrainingPlan, run: Run) -> None:
    """Hold that a finished run is the one that was to be trained."""
    odd = differing_options(options, _identity(plan))
    if odd:
        raise UsageError(f"{run.stem} is finished with other options: {first_few(odd)}: choose another --name")


def _read_baseline(path: Path, plan: TrainingPlan, record: Path, *, force: bool) -> Predictions:
    """The baseline's predictions, held to be comparable before any work is done."""
    check_writable(record, force=force)
    before = read_predictions(path)
    parts = [part.held_out if plan.folds else part.val for part in plan.parts]
    rows = plan.labels.rows.iloc[np.concatenate(parts)]
    reference: pd.Series = rows.set_index("image_id")[grade_column(plan.target)]
    check_pair(before, plan.target, plan.architecture.unit, plan.folds, reference)
    return before


def _compare(before: Predictions, after: Predictions) -> Comparison:
    cases = pair_cases(before, after)
    return compare_cases((before.name, after.name), *cases, num_photographs=len(cases[0].reference))


def _identity(plan: TrainingPlan) -> dict[str, Any]:
    """The plan's identity as a record holds it."""
    identity: dict[str, Any] = json.loads(canonical_json(plan.identity()))
    return identity


def _measure(plan: TrainingPlan) -> Cost:
    return measure_cost(build_grader(plan.architecture), plan.wanted.side)


def _suffix(config: AttendConfig) -> str:
    return "".join(f"-{block.partition(':')[0]}" for block in config.attention.split(","))


def _name_base(config: AttendConfig, place: RunPlace) -> Run:
    """What the runs of several seeds are called before the seed."""
    if place.name is None:
        return plan_run(config, replace(place, resume=False, force=True), _suffix(config))[1]
    return new_run(place.runs_dir, place.name, "", force=True)
