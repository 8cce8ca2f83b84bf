"""A training from its plan to its run, for every command that trains."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drkit.errors import DiskFullError, Interrupted
from drkit.evaluation import SeedAgreement, measure_seeds
from drkit.evaluation.agreement import Agreement, measure_agreement, with_interval
from drkit.grades import Target
from drkit.records.layouts import read_datasets
from drkit.records.locks import locking
from drkit.records.predictions import Predictions
from drkit.records.runs import Run, new_run
from drkit.reporting import Table
from drkit.training.config import TrainingConfig
from drkit.training.fitting import FittedNetwork, fit_networks
from drkit.training.plan import TrainingPlan, plan_training
from drkit.training.resume import load_state
from drkit.training.run_writer import write_run
from drkit.training.runtime import check_machine, is_helper, leave_helpers
from drkit.training.setup import set_up
from drkit.training.trackers import find_log


@dataclass(frozen=True)
class RunOptions:
    """Where a run goes.

    Args:
        runs_dir: Folder of runs.
        name: Of the run; None: made of what is trained.
        resume: Go on with the unfinished run of that name.
        force: Overwrite what is there.
    """

    runs_dir: Path = Path("runs")
    name: str | None = None
    resume: bool = False
    force: bool = False


@dataclass(frozen=True)
class TrainingReport:
    """What a training came to.

    Args:
        run: Its stem.
        target: Whose grade was learned.
        chosen_on: What picked the epoch.
        weights_chosen_on: What selected the epoch of this training or of the weights that it started from; if it is a
            split, scores on it are optimistic.
        epochs: Which was picked, of how many were trained, of each network.
        agreements: On the graded photographs of val, and on those that were held out of fold.
        seeds: Of each seed's networks alone, on the same; empty for a run of one seed.
        outputs: Files that were written.
    """

    run: Path
    target: Target
    chosen_on: str
    weights_chosen_on: str
    epochs: tuple[tuple[int, int], ...]
    agreements: Mapping[str, Agreement]
    seeds: Mapping[str, SeedAgreement]
    outputs: tuple[Path, ...]

    def render(self) -> Iterator[str | Table]:
        """The outcome, for people."""
        picked = ", ".join(f"{epoch} of {trained}" for epoch, trained in self.epochs)
        yield f"{self.run}: epoch {picked}, chosen on {self.chosen_on}"
        for which, found in self.agreements.items():
            yield (
                f"{which}{self._choice(which)}, {self.target}'s grade, {found.cases} photographs of {found.patients}"
                " patients: quadratic kappa"
                f" {with_interval(found.quadratic_weighted_kappa, found.quadratic_weighted_kappa_interval)},"
                f" plain kappa {with_interval(found.plain_kappa, found.plain_kappa_interval)}, {found.band},"
                f" accuracy {found.accuracy:.3f}"
            )
            if which in self.seeds:
                yield f"{which}, {self.seeds[which]}"
        yield "wrote " + ", ".join(map(str, self.outputs))

    def _choice(self, which: str) -> str:
        if which == self.chosen_on:
            return ", which chose the epoch"
        return ", which chose the epoch of the weights it started from" if which == self.weights_chosen_on else ""


def plan_run(config: TrainingConfig, options: RunOptions, suffix: str = "") -> tuple[TrainingPlan, Run]:
    """Decide what is trained and where the run goes.

    Args:
        config: The options.
        options: Where the run goes.
        suffix: Added to the name of a run that is not named.

    Raises:
        DrkitError: a data set, options, a device or a name that cannot be used, or nothing to resume.
    """
    check_machine(config)
    plan = plan_training(read_datasets(config.data), config)
    run = new_run(
        options.runs_dir,
        options.name,
        plan.default_name + suffix,
        networks=plan.networks,
        resume=options.resume,
        force=options.force,
    )
    if log := find_log(config, run):
        log.check(may_exist=options.resume or options.force)
    if options.resume:
        load_state(run.unfinished()[0], plan.identity())  # refuse another training's state before any work
    return plan, run


def execute(plan: TrainingPlan, run: Run, options: RunOptions) -> TrainingReport:
    """Train, and write the run.

    Raises:
        InputError: a photograph or the weights cannot be used.
        LeakageError: weights that were trained on photographs to be scored.
        BusyError: another process trains a run of this name.
        Interrupted: stopped by the user; finished epochs are kept.
    """
    if is_helper():
        return _execute(plan, run, options)
    with locking(run.stem):
        new_run(  # once more: another process may have trained it meanwhile
            run.stem.parent, run.name, run.name, networks=plan.networks, resume=options.resume, force=options.force
        )
        return _execute(plan, run, options)


def _execute(plan: TrainingPlan, run: Run, options: RunOptions) -> TrainingReport:
    try:
        setup = set_up(plan)
        fitted = fit_networks(setup, run, resume=options.resume)
        leave_helpers(setup.fabric)
        predictions = write_run(setup, run, fitted, force=options.force or options.resume)
    except KeyboardInterrupt:
        raise _interrupted(run) from None
    except DiskFullError as error:
        if states := run.unfinished():
            raise DiskFullError(f"{error}: the finished epochs are in {states[-1]}, go on with --resume") from None
        raise
    return _report(predictions, fitted, run)


def _report(predictions: Predictions, fitted: Sequence[FittedNetwork], run: Run) -> TrainingReport:
    meta = predictions.meta
    clean = predictions.where(predictions.reference().notna() & ~predictions.leaked_rows())
    in_fold = clean.rows["fold"].notna()
    parts = {"val": clean.where(~in_fold).of_split("val"), "out of fold": clean.where(in_fold)}
    return TrainingReport(
        run=run.stem,
        target=meta.target,
        chosen_on=meta.provenance["choose"],
        weights_chosen_on=meta.chosen_on,
        epochs=tuple((part.best_epoch, part.num_epochs) for part in fitted),
        agreements={name: _measure(part) for name, part in parts.items() if len(part)},
        seeds={name: seeds for name, part in parts.items() if len(part) and (seeds := _measure_seeds(part))},
        outputs=run.outputs(part.network for part in fitted),
    )


def _measure(graded: Predictions) -> Agreement:
    reference = graded.reference().to_numpy(dtype=np.int64)
    return measure_agreement(reference, graded.rows["predicted_grade"], graded.patients())


def _measure_seeds(graded: Predictions) -> SeedAgreement | None:
    return measure_seeds(graded, graded.reference().to_numpy(dtype=np.int64), "photograph")


def _interrupted(run: Run) -> Interrupted:
    states = run.unfinished()
    if states:
        return Interrupted(f"interrupted: the finished epochs are in {states[-1]}", ("--name", run.name, "--resume"))
    return Interrupted("interrupted before the first epoch was finished: nothing was written")
