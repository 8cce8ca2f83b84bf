"""`drkit attend`: a training with attention, compared with one without."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from drkit.config.shared import NO_TABLES, TableFiles
from drkit.config.training import AttendConfig, RunOptions, TrainingConfig
from drkit.errors import InputError, Interrupted, UsageError, first_few
from drkit.evaluation import (
    Comparison,
    check_pair,
    compare_cases,
    differing_options,
    pair_cases,
    remark_pair,
    tabulate_seeds,
)
from drkit.grades import grade_column
from drkit.models.cost import Cost, measure_cost
from drkit.models.grader import build_grader
from drkit.plotting.tracking import log_pictures
from drkit.progress import notify
from drkit.records.atomic import check_writable
from drkit.records.comparisons import write_comparison
from drkit.records.predictions import Predictions, find_predictions, read_predictions
from drkit.records.provenance import canonical_json
from drkit.records.report_tables import check_table_files, write_table_files
from drkit.records.runs import Run, read_run_record
from drkit.reporting import Table, as_json
from drkit.training.description import PlanReport, describe_plan
from drkit.training.execution import TrainingReport, execute, plan_run
from drkit.training.plan import TrainingPlan
from drkit.training.processes import only_first_reports

MORE_SEEDS = "Train both runs with --seeds 3, so that the interval includes the variation between trainings."
# Options in which a run and its baseline may differ.
INCIDENTAL = frozenset({"attention_blocks", "drkit_version", "embeddings", "plugins", "seeds"})


@dataclass(frozen=True)
class AttendPlan:
    """What `run_attend` would do.

    Args:
        plan: Plan of the training.
        cost: Parameters and operations that attention adds.
        baseline: Plan of the same training without attention; None if it is not trained.
    """

    plan: PlanReport
    cost: Cost
    baseline: PlanReport | None

    def render(self) -> Iterator[str | Table]:
        """Return the plan in words."""
        yield from self.plan.render()
        yield f"attention: {self.plan.options['attention_blocks']}; {self.cost}"
        if self.baseline:
            yield "first trains the same network without attention; writes " + ", ".join(
                map(str, self.baseline.outputs)
            )


@dataclass(frozen=True)
class AttentionComparison:
    """A run with attention compared with its baseline.

    Args:
        cost: Parameters and operations that attention adds.
        comparison: Difference in quadratic kappa between the two runs.
        remarks: Caveats of the comparison.
    """

    cost: Cost
    comparison: Comparison
    remarks: tuple[str, ...]

    def render(self) -> Iterator[str | Table]:
        """Return the cost of attention, the kappas of both runs, and their difference."""
        comparison = self.comparison
        yield str(self.cost)
        yield from self.remarks
        yield tabulate_seeds(comparison)
        yield f"{comparison.sentence} Probability of no gain {comparison.probability_of_no_gain:.3f}."
        if min(len(comparison.kappas), len(comparison.against_kappas)) == 1:
            yield MORE_SEEDS

    def rows(self) -> list[dict[str, Any]]:
        """The figures of the baseline, and of the run with its difference."""
        comparison, cost = self.comparison, self.cost
        sizes = {"photographs": comparison.photographs, "patients": comparison.patients}
        before = {
            "run": comparison.against,
            "seeds": len(comparison.against_kappas),
            "quadratic_kappa": float(np.mean(comparison.against_kappas)),
        }
        after = {
            "run": comparison.run,
            "seeds": len(comparison.kappas),
            "quadratic_kappa": float(np.mean(comparison.kappas)),
            "difference": comparison.difference,
            "difference_low": comparison.interval[0],
            "difference_high": comparison.interval[1],
            "probability_of_no_gain": comparison.probability_of_no_gain,
            "added_parameters": cost.added_parameters,
            "added_multiply_adds": cost.added_multiply_adds,
        }
        return [{**dict.fromkeys(after), **before, **sizes}, {**after, **sizes}]


@dataclass(frozen=True, kw_only=True)
class AttendReport:
    """The outcome of a training with attention.

    Args:
        training: Report of the training.
        cost: Parameters and operations that attention adds.
        baseline: Report of the training without attention; None if it was not trained now.
        comparison: Comparison with the baseline; None without a baseline.
        remarks: Caveats of the comparison.
        outputs: Files that were written beside the runs.
    """

    training: TrainingReport
    cost: Cost
    baseline: TrainingReport | None
    comparison: Comparison | None
    remarks: tuple[str, ...]
    outputs: tuple[Path, ...]

    def render(self) -> Iterator[str | Table]:
        """Return the reports of the trainings, the cost of attention, and the comparison."""
        if self.baseline:
            yield from self.baseline.render()
        yield from self.training.render()
        if self.comparison:
            yield from AttentionComparison(self.cost, self.comparison, self.remarks).render()
            yield "wrote " + ", ".join(map(str, self.outputs))
        else:
            yield str(self.cost)


@dataclass(frozen=True)
class _TrainingJob:
    """A training, and whether it is finished already."""

    plan: TrainingPlan
    run: Run
    options: RunOptions
    is_done: bool


def plan_attend(config: AttendConfig, options: RunOptions, *, train_baseline: bool = False) -> AttendPlan:
    """Plan what `run_attend` would do, without doing it.

    Raises:
        DrkitError: anything that `run_attend` would refuse before training.
    """
    jobs = _plan_jobs(config, options, train_baseline=train_baseline)
    *earlier, plan = [describe_plan(job.plan, job.run) for job in jobs]
    return AttendPlan(plan, _measure(jobs[-1].plan), next(iter(earlier), None))


def run_attend(
    config: AttendConfig,
    options: RunOptions,
    baseline: Path | None = None,
    *,
    train_baseline: bool = False,
    tables: TableFiles = NO_TABLES,
) -> AttendReport:
    """Train with attention, and compare with a run without.

    Args:
        config: Settings of the training.
        options: Name and folder of the run.
        baseline: A run, or its predictions, to compare with; None for no comparison.
        train_baseline: First train the same network without attention, as NAME-baseline, and compare with it. With
            `resume` a finished baseline is kept.
        tables: Files that the comparison is also written to.

    Raises:
        InputError: a data set, weights or a baseline that cannot be used, or that do not fit together.
        UsageError: options that do not exist or do not fit together.
        OutputExistsError: the run, the comparison or a file of `tables` exists already.
        Interrupted: stopped by the user; finished epochs are kept.
    """
    if train_baseline and baseline is not None:
        raise UsageError("--train-baseline cannot be combined with --baseline: leave out one of them")
    if tables != NO_TABLES and not train_baseline and baseline is None:
        raise UsageError("--markdown and --csv hold the comparison: add --baseline or --train-baseline")
    with only_first_reports():
        *earlier, job = _plan_jobs(config, options, train_baseline=train_baseline)  # all, before any work
        force, record, cost = options.force or options.resume, job.run.comparison, _measure(job.plan)
        compared = earlier[0].run.stem if earlier else baseline
        if compared is not None:
            check_writable(record, force=force)
            check_table_files(tables, force=force)
        if baseline is not None:
            _check_baseline(read_predictions(baseline), job.plan)
        notify(str(cost))
        trained = [_train_baseline(other, job.run) for other in earlier]
        training = execute(job.plan, job.run, job.options)
        log_pictures(config, job.run)
        if compared is None:
            return AttendReport(training=training, cost=cost, baseline=None, comparison=None, remarks=(), outputs=())
        result = _compare_runs(compared, job.run, cost, force=force)
        write_table_files(result, tables, force=force)
        return AttendReport(
            training=training,
            cost=cost,
            baseline=next(iter(trained), None),
            comparison=result.comparison,
            remarks=result.remarks,
            outputs=(record, *(path for path in (tables.markdown, tables.csv) if path)),
        )


def _compare_runs(baseline: Path, run: Run, cost: Cost, *, force: bool) -> AttentionComparison:
    """Compare a run with its baseline, and write the record of the comparison."""
    before, after = read_predictions(baseline), read_predictions(run.stem)
    cases = pair_cases(before, after)
    comparison = compare_cases((before.name, after.name), *cases, num_photographs=len(cases[0][0].reference))
    remarks = remark_pair(before, after, INCIDENTAL)
    content = {"comparison": comparison, "cost": cost, "remarks": remarks}
    write_comparison(run.comparison, as_json(content), (find_predictions(baseline), run.predictions), force=force)
    return AttentionComparison(cost, comparison, remarks)


def _plan_jobs(config: AttendConfig, options: RunOptions, *, train_baseline: bool) -> list[_TrainingJob]:
    """Plan the training with attention, preceded by the training without if `train_baseline` is on."""
    if not train_baseline:
        return [_TrainingJob(*plan_run(config, options, _suffix(config)), options, is_done=False)]
    if config.devices * config.nodes > 1:
        raise UsageError(
            "--train-baseline trains two runs in one process: leave --devices and --nodes at 1, or train the baseline"
            " with drkit finetune and give it with --baseline"
        )
    anew = replace(options, resume=False, force=options.force or options.resume)
    name = options.name or plan_run(config, anew, _suffix(config))[1].name
    jobs = [
        _plan_job(config.without_attention(), f"{name}-baseline", options),
        _plan_job(config, name, options),
    ]
    if options.resume and (jobs[-1].is_done or not any(job.is_done or job.options.resume for job in jobs)):
        state = "is finished" if jobs[-1].is_done else "was never started"
        raise InputError(f"{jobs[-1].run.stem} {state}: there is nothing to resume")
    return jobs


def _plan_job(config: TrainingConfig, name: str, options: RunOptions) -> _TrainingJob:
    """Plan the training of a run; with `resume` it is resumed, started or kept as it is, depending on its files."""
    run = Run(options.runs_dir / name)
    is_done = options.resume and run.record.is_file() and not run.unfinished()
    own = RunOptions(options.runs_dir, name, options.resume and bool(run.unfinished()), options.force or is_done)
    plan, _ = plan_run(config, own)
    if is_done:
        identity = json.loads(canonical_json(plan.identity()))  # as in a record
        if differences := differing_options(read_run_record(run)["options"], identity):
            raise UsageError(
                f"{run.stem} is finished, but with other options: {first_few(differences)}: choose another --name"
            )
    return _TrainingJob(plan, run, own, is_done)


def _train_baseline(job: _TrainingJob, last: Run) -> TrainingReport | None:
    """Train the baseline before the run `last`; None if it is finished already."""
    if job.is_done:
        notify(f"keeping {job.run.stem}, which is finished")
        return None
    try:
        report = execute(job.plan, job.run, job.options)
    except Interrupted as stop:
        raise Interrupted(str(stop), ("--name", last.name, "--resume")) from None
    log_pictures(job.plan.config, job.run)
    return report


def _check_baseline(before: Predictions, plan: TrainingPlan) -> None:
    """Check before the training that a baseline can be compared with it."""
    splits = [split.held_out if plan.folds else split.val for split in plan.fold_splits]
    rows = plan.labels.rows.iloc[np.concatenate(splits)]
    reference: pd.Series = rows.set_index("image_id")[grade_column(plan.target)]
    check_pair(before, plan.target, plan.architecture.unit, plan.folds, reference.dropna())


def _measure(plan: TrainingPlan) -> Cost:
    return measure_cost(build_grader(plan.architecture), plan.input_format.side)


def _suffix(config: AttendConfig) -> str:
    return "".join(f"-{block.partition(':')[0]}" for block in config.attention.split(","))
