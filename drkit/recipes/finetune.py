"""`drkit finetune`: transfer learning, from a data set to a run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from drkit.config.training import RunOptions, TrainingConfig
from drkit.data.augmentation import load_policy
from drkit.data.bank import build_bank
from drkit.data.cache import default_cache_dir
from drkit.data.preview import preview_policy
from drkit.errors import UsageError
from drkit.images.files import PICTURE_SUFFIXES, encode_photograph
from drkit.plotting.tracking import log_pictures
from drkit.records.atomic import check_writable, write_bytes
from drkit.records.layouts import read_datasets
from drkit.reporting import Table
from drkit.training.description import PlanReport, describe_plan
from drkit.training.execution import TrainingReport, execute, plan_run
from drkit.training.planning import plan_training
from drkit.training.processes import only_first_reports

PREVIEWED = 6  # photographs


@dataclass(frozen=True)
class AugmentationPreview:
    """A picture of augmented photographs.

    Args:
        sheet: The picture.
        augmentation: The augmentation policy.
        photographs: Number of training photographs in it.
    """

    sheet: Path
    augmentation: str
    photographs: int

    def render(self) -> Iterator[str | Table]:
        """Return one sentence."""
        yield f"drew {self.photographs} training photographs under augmentation {self.augmentation} in {self.sheet}"


def plan_finetune(config: TrainingConfig, options: RunOptions) -> PlanReport:
    """Plan what `run_finetune` would do, without doing it; only a few photographs are read.

    Raises:
        DrkitError: anything that `run_finetune` would refuse before training.
    """
    return describe_plan(*plan_run(config, options))


def run_finetune(config: TrainingConfig, options: RunOptions) -> TrainingReport:
    """Fine-tune a backbone on a data set and write the run.

    Args:
        config: Settings of the training.
        options: Name and folder of the run.

    Raises:
        InputError: the data set, a photograph or the weights cannot be used.
        UsageError: options that do not exist or do not fit together.
        OutputExistsError: the run exists already.
        Interrupted: stopped by the user; finished epochs are kept.
    """
    with only_first_reports():
        plan, run = plan_run(config, options)
        report = execute(plan, run, options)
        log_pictures(config, run)
        return report


def preview_augmentation(config: TrainingConfig, path: Path, *, force: bool) -> AugmentationPreview:
    """Draw a few training photographs under augmentation, without training.

    Raises:
        UsageError: the suffix of `path` is no picture format.
        OutputExistsError: `path` exists and `force` is off.
    """
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise UsageError(f"--preview-augmentation {path}: expected a name that ends in {', '.join(PICTURE_SUFFIXES)}")
    check_writable(path, force=force)
    plan = plan_training(read_datasets(config.data), config)
    shown = plan.fold_splits[0].train[:: max(len(plan.fold_splits[0].train) // PREVIEWED, 1)][:PREVIEWED]
    labels = replace(plan.labels, rows=plan.labels.rows.iloc[shown].reset_index(drop=True))
    bank = build_bank(
        labels,
        plan.bank_side,
        config.cache_dir or default_cache_dir(),
        workers=config.workers,
        steps=plan.pending_steps,
        round_discs=plan.round_discs,
    )
    names = labels.rows["image_id"].tolist()
    policy = load_policy(config.augment)
    sheet = preview_policy(bank.pixels, policy, plan.input_format, config.seed, title=config.augment, image_ids=names)
    write_bytes(path, encode_photograph(sheet, path.suffix), force=force)
    return AugmentationPreview(path, config.augment, len(names))
