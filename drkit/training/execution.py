"""Run a training from its plan to the finished run, for every command that trains."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drkit.config.training import RunOptions, TrainingConfig
from drkit.errors import DiskFullError, Interrupted
from drkit.evaluation import SeedAgreement, measure_seeds, scorable_rows
from drkit.evaluation.agreement import Agreement, measure_agreement, with_interval
from drkit.grades import Target
from drkit.records.layouts import read_datasets
from drkit.records.locks import locking
from drkit.records.predictions import Predictions
from drkit.records.runs import Run, new_run
from drkit.reporting import Table
from drkit.training.devices import check_machine
from drkit.training.fitting import FittedNetwork, fit_networks
from drkit.training.plan import TrainingPlan
from drkit.training.planning import plan_training
from drkit.training.processes import is_helper, is_lost_process, leave_helpers
from drkit.training.resume import load_state
from drkit.training.run_writer import write_run
from drkit.training.setup import set_up
from drkit.training.trackers import find_log
from drkit.training.unfitted import predict_unfitted


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """The result of a training.

    Args:
        run: Stem of the run.
        target: Whose grade was learned.
        chosen_on: What selected the epoch: val, inner or last.
        weights_chosen_on: What selected the epoch of this training or of the weights that it started from; if it is a
            split, scores on it are optimistic.
        epochs: Number of the epoch that was kept, from 1, and number of trained epochs, for each network.
        agreements: Agreement with the reference grades on val and on out-of-fold predictions.
        seeds: Agreement of each seed's networks on the same photographs; empty for a run of one seed.
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
        """Return the lines that the command prints."""
        kept = ", ".join(f"{epoch} of {trained}" for epoch, trained in self.epochs)
        how = "kept the last epoch" if self.chosen_on == "last" else f"selected the epoch on {self.chosen_on}"
        yield f"{self.run}: {how} ({kept})"
        for rows, agreement in self.agreements.items():
            yield (
                f"{rows}{self._selection_note(rows)}, {self.target}'s grade, {agreement.cases} photographs of"
                f" {agreement.patients} patients: quadratic kappa"
                f" {with_interval(agreement.quadratic_weighted_kappa, agreement.quadratic_weighted_kappa_interval)},"
                f" plain kappa {with_interval(agreement.plain_kappa, agreement.plain_kappa_interval)},"
                f" {agreement.band}, accuracy {agreement.accuracy:.3f}"
            )
            if rows in self.seeds:
                yield f"{rows}, {self.seeds[rows]}"
        yield "wrote " + ", ".join(map(str, self.outputs))

    def _selection_note(self, rows: str) -> str:
        if rows == self.chosen_on:
            return " (optimistic: it selected the epoch)"
        is_parents = rows == self.weights_chosen_on
        return " (optimistic: it selected the epoch of the initial weights)" if is_parents else ""


def plan_run(config: TrainingConfig, options: RunOptions, suffix: str = "") -> tuple[TrainingPlan, Run]:
    """Plan a training, and check that its run can be written.

    Args:
        config: Options of the training.
        options: Options of the run's files.
        suffix: Suffix of the run's default name.

    Raises:
        DrkitError: a data set, an option, a device or the name cannot be used, or there is nothing to resume.
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
        load_state(run.unfinished()[0], plan.identity())  # refuses the state of another training before any work
    return plan, run


def execute(plan: TrainingPlan, run: Run, options: RunOptions) -> TrainingReport:
    """Train and write the run.

    Args:
        plan: Plan of the training.
        run: Files of the run.
        options: Whether to resume or to overwrite.

    Raises:
        InputError: a photograph or the weights cannot be used.
        LeakageError: the weights were trained on photographs to be scored.
        BusyError: another process trains a run of this name.
        Interrupted: the user stopped the training; finished epochs are kept.
    """
    with _lock(plan, run, options):
        try:
            setup = set_up(plan)
            fitted = fit_networks(setup, run, resume=options.resume)
            leave_helpers(setup.fabric)
            fitted = predict_unfitted(setup, fitted)
            predictions = write_run(setup, run, fitted, force=options.force or options.resume)
        except KeyboardInterrupt:
            raise _interrupted(run) from None
        except RuntimeError as error:
            if not is_lost_process(error):
                raise
            raise _interrupted(run, "a process of this training has ended") from None
        except DiskFullError as error:
            if states := run.unfinished():
                advice = f"the finished epochs are in {states[-1]}, continue with --resume"
                raise DiskFullError(f"{error}: {advice}") from None
            raise
    return _report(predictions, fitted, run)


@contextmanager
def _lock(plan: TrainingPlan, run: Run, options: RunOptions) -> Iterator[None]:
    """Prevent other trainings of a run of this name; all processes of a training share the first process's lock."""
    if is_helper():
        yield
        return
    with locking(run.stem):
        new_run(  # checks again, because another process may have written the run in the meantime
            run.stem.parent, run.name, run.name, networks=plan.networks, resume=options.resume, force=options.force
        )
        yield


def _report(predictions: Predictions, fitted: Sequence[FittedNetwork], run: Run) -> TrainingReport:
    meta = predictions.meta
    scorable = predictions.where(scorable_rows(predictions))
    in_fold = scorable.rows["fold"].notna()
    scored = {"val": scorable.where(~in_fold).of_split("val"), "out of fold": scorable.where(in_fold)}
    scored = {name: rows for name, rows in scored.items() if len(rows)}
    reference = {name: rows.reference().to_numpy(dtype=np.int64) for name, rows in scored.items()}
    seeds = {name: measure_seeds(rows, reference[name], "photograph") for name, rows in scored.items()}
    return TrainingReport(
        run=run.stem,
        target=meta.target,
        chosen_on=meta.provenance["choose"],
        weights_chosen_on=meta.chosen_on,
        epochs=tuple((network.best_epoch, network.num_epochs) for network in fitted),
        agreements={
            name: measure_agreement(reference[name], rows.rows["predicted_grade"], rows.patients())
            for name, rows in scored.items()
        },
        seeds={name: agreement for name, agreement in seeds.items() if agreement},
        outputs=run.outputs(network.network for network in fitted),
    )


def _interrupted(run: Run, reason: str = "") -> Interrupted:
    cause = f" ({reason})" if reason else ""
    if states := run.unfinished():
        message = f"interrupted{cause}: the finished epochs are in {states[-1]}"
        return Interrupted(message, ("--name", run.name, "--resume"))
    return Interrupted(f"interrupted{cause} before the first epoch was finished: nothing was written")
