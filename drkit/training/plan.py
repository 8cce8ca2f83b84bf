"""What a training is going to do, decided and checked before any work."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

import drkit
from drkit.catalogue import LOSSES
from drkit.data.bank import bank_side
from drkit.data.patients import ensure_validation, hold_out_patients, name_unknown_patients
from drkit.data.rendering import InputFormat
from drkit.errors import InputError, LeakageError, UsageError, first_few
from drkit.grades import TARGETS, Target, grade_column
from drkit.losses import Loss
from drkit.models.backbones import input_format, resolve_backbone
from drkit.records.labels import Labels
from drkit.records.manifest import read_steps
from drkit.talk import warn
from drkit.training.config import CIRCUMSTANTIAL, TrainingConfig
from drkit.training.fitting import Parts

INNER_SHARE = 0.15  # of the training patients, to pick the epoch with --choose inner
UNIT = "image"


@dataclass(frozen=True)
class TrainingPlan:
    """A training with everything resolved.

    Args:
        config: The options.
        labels: The photographs that take part: graded ones of train, all of val and test.
        target: Whose grade is learned.
        backbone: timm's name.
        wanted: What the backbone is fed.
        bank_side: Side of the photographs in the bank, in pixels.
        steps: Preprocessing that the photographs went through.
        parts: Who trains, who picks, who validates.
        own_validation: Whether the author of the data set made the val split.
    """

    config: TrainingConfig
    labels: Labels
    target: Target
    backbone: str
    wanted: InputFormat
    bank_side: int
    steps: tuple[str, ...]
    parts: Parts
    own_validation: bool

    @property
    def default_name(self) -> str:
        """What the run is called unless named."""
        return f"{self.config.backbone.replace('.', '-').replace('/', '-')}-{UNIT}-{self.target}"

    @property
    def grades(self) -> np.ndarray:
        """int64 (N,) grades of the target, -1 where unknown."""
        return self.labels.grades(self.target).fillna(-1).to_numpy(dtype=np.int64)

    def build_loss(self) -> Loss:
        """The loss that the options name."""
        return LOSSES[self.config.loss].load()()

    def identity(self) -> dict[str, Any]:
        """What makes this training this one: equal identities give equal weights on one kind of machine."""
        options = {key: value for key, value in asdict(self.config).items() if key not in CIRCUMSTANTIAL}
        resolved = {"target": self.target, "backbone": self.backbone, "size": self.wanted.side}
        return {
            **options,
            **resolved,
            "bank_size": self.bank_side,
            "steps": list(self.steps),
            "labels_sha256": self.labels.sha256,
            "drkit_version": drkit.__version__,
        }


def plan_training(labels: Labels, config: TrainingConfig) -> TrainingPlan:
    """Resolve what the options leave open, and refuse what cannot work.

    Args:
        labels: A whole data set.
        config: The options.

    Raises:
        UsageError: an unknown backbone, or options that do not fit together.
        InputError: the data set has no such grade, or too few photographs with one.
    """
    if config.choose == "last" and config.patience:
        raise UsageError("--patience waits for a better epoch, and --choose last wants none: leave one of them out")
    target = pick_target(labels, config.target)
    _check_patients(labels)
    gradable = name_unknown_patients(without_ungradable(labels))
    prepared = ensure_validation(gradable, target, config.val_share, config.seed)
    taking_part = _leave_out_ungraded(prepared, target)
    backbone = resolve_backbone(config.backbone)
    wanted = input_format(backbone, config.size)
    return TrainingPlan(
        config=config,
        labels=taking_part,
        target=target,
        backbone=backbone,
        wanted=wanted,
        bank_side=config.bank_size or bank_side(wanted.side),
        steps=read_steps(labels.root),
        parts=_assign_parts(taking_part, target, config),
        own_validation=bool((labels.rows["split"] == "val").sum() == (prepared.rows["split"] == "val").sum()),
    )


def pick_target(labels: Labels, wanted: Target | None) -> Target:
    """Whose grade is learned: as wanted, else the patient's where the data set states it.

    Raises:
        InputError: the data set does not state the wanted grade.
    """
    if not labels.targets:
        raise InputError(f"{labels.root} ({labels.layout}) has no grades: only drkit predict can use it")
    target: Target = wanted or ("patient" if "patient" in labels.targets else "eye")
    if target not in labels.targets:
        raise InputError(
            f"{labels.root} ({labels.layout}) has one grade a photograph, the {labels.targets[0]}'s:"
            f" choose --target {labels.targets[0]}"
        )
    return target


def without_ungradable(labels: Labels) -> Labels:
    """The labels without the grades of photographs that cannot be graded, which count for nothing."""
    rows = labels.rows.copy()
    rows.loc[~rows["gradable"], [grade_column(target) for target in TARGETS]] = pd.NA
    return replace(labels, rows=rows)


def _check_patients(labels: Labels) -> None:
    """Hold that nobody is trained on and scored.

    Raises:
        LeakageError: patients of train who stand in val or test, too.
    """
    known = labels.rows[labels.rows["patient_id"].notna()]
    trained = known["patient_id"][known["split"] == "train"]
    others = known["patient_id"][known["split"] != "train"]
    torn = sorted(set(trained) & set(others))
    if torn:
        raise LeakageError(
            f"{labels.root}: {len(torn)} patients stand in train and in val or test: {first_few(torn)}: give each"
            " patient one split (drkit check lists them all)"
        )


def _leave_out_ungraded(labels: Labels, target: Target) -> Labels:
    """Without training photographs that have no grade to learn."""
    in_training = labels.rows["split"] == "train"
    graded = labels.rows[grade_column(target)].notna() & labels.rows["gradable"]
    num_left_out = int((in_training & ~graded).sum())
    if num_left_out:
        warn(f"{num_left_out} training photographs have no {target} grade 0-4 and are left out of the training")
    if not (in_training & graded).any():
        raise InputError(f"{labels.root} has no training photographs with the {target}'s grade")
    return replace(labels, rows=labels.rows[~in_training | graded].reset_index(drop=True))


def _assign_parts(labels: Labels, target: Target, config: TrainingConfig) -> Parts:
    graded = (labels.rows[grade_column(target)].notna() & labels.rows["gradable"]).to_numpy()
    train = np.flatnonzero((labels.rows["split"] == "train").to_numpy())
    val = np.flatnonzero((labels.rows["split"] == "val").to_numpy() & graded)
    if config.choose != "inner":
        return Parts(train, np.empty(0, np.int64), val)
    training = replace(labels, rows=labels.rows.iloc[train].reset_index(drop=True))
    held_out = hold_out_patients(training, target, INNER_SHARE, config.seed)
    return Parts(train[~held_out], train[held_out], val)
