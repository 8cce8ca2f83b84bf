"""The plan of a training: all options resolved, and the photographs of each split."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

import drkit
from drkit.catalogue import ATTENTIONS, FILTERS, LOSSES
from drkit.config.training import CIRCUMSTANTIAL, TrainingConfig
from drkit.data.augmentation import load_policy, policy_record
from drkit.data.rendering import InputFormat
from drkit.data.stream import SquareDecoder
from drkit.data.units import Units, unit_grades
from drkit.grades import Split, Target
from drkit.losses import Loss, build_loss
from drkit.records.checkpoint import Architecture
from drkit.records.labels import Labels
from drkit.records.layouts import LAYOUTS
from drkit.records.preprocessed import read_plugins
from drkit.records.runs import NetworkId, list_networks
from drkit.specs import names_in
from drkit.training.initial_weights import InitialWeights
from drkit.training.splits import FoldSplit


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """A training with all options resolved.

    Args:
        config: The options.
        initial_weights: Weights that the backbone starts from.
        labels: Labels of the N photographs: the graded ones of train, and all of val and test.
        target: Whose grade is learned.
        units: Photographs that one forward pass sees together.
        input_format: Side and normalisation of the backbone's input images.
        bank_side: Side of the decoded photographs in pixels.
        round_discs: Whether squashed photographs, whose discs are ellipses, are made round.
        steps: Preprocessing steps of the network's input.
        pending_steps: The steps that have not been applied to the data set yet.
        fold_splits: Row numbers of the training, inner, val and held-out photographs of each fold; a single entry
            without folds.
        held_out: Names of the data sets without a graded val split (with `--test-share`, also test), for which a share
            of the training patients was moved to that split; by split.
    """

    config: TrainingConfig
    initial_weights: InitialWeights
    labels: Labels
    target: Target
    units: Units
    input_format: InputFormat
    bank_side: int
    round_discs: bool
    steps: tuple[str, ...]
    pending_steps: tuple[str, ...]
    fold_splits: tuple[FoldSplit, ...]
    held_out: Mapping[Split, tuple[str, ...]]

    @property
    def folds(self) -> int:
        """Number of folds; 0 without folds."""
        return self.config.folds or 0

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds, in the order of training; empty with a single seed."""
        first, count = self.config.seed, self.config.seeds
        return tuple(range(first, first + count)) if count > 1 else ()

    @property
    def networks(self) -> tuple[NetworkId, ...]:
        """The fold and seed of each network, in the order of training."""
        return list_networks(self.folds, self.seeds)

    def of_seed(self, seed: int) -> "TrainingPlan":
        """The plan of one seed's networks; the fold splits do not depend on the seed."""
        return replace(self, config=replace(self.config, seed=seed))

    @property
    def default_name(self) -> str:
        """Name of the run without `--name`."""
        backbone = (self.config.backbone or self.initial_weights.backbone).rstrip("/").rpartition("/")[2]
        return f"{re.sub(r'[^A-Za-z0-9_]+', '-', backbone).strip('-')}-{self.config.unit}-{self.target}"

    @cached_property
    def grades(self) -> np.ndarray:
        """Grades of the units, int64 (U,); -1 where unknown."""
        return unit_grades(self.labels, self.units, self.target)

    @cached_property
    def auxiliary_grades(self) -> np.ndarray:
        """Grades of the eyes for the auxiliary head, which learns the other target, int64 (E,); -1 where unknown."""
        other: Target = "eye" if self.target == "patient" else "patient"
        grades = self.labels.grades(other).fillna(-1).to_numpy(dtype=np.int64)
        of_eyes = np.full(self.units.eye_of.max() + 1, -1)
        np.maximum.at(of_eyes, self.units.eye_of, grades)
        return of_eyes

    @property
    def fitted_rows(self) -> np.ndarray:
        """Row numbers of the photographs that train a network of any fold, or select its epoch with `inner`."""
        return np.unique(np.concatenate([rows for split in self.fold_splits for rows in (split.train, split.inner)]))

    @property
    def banked_rows(self) -> np.ndarray:
        """Row numbers of the photographs that every epoch reads: those that are trained or evaluated on."""
        return np.unique(np.concatenate([rows for split in self.fold_splits for rows in split.used]))

    @property
    def square_decoder(self) -> SquareDecoder:
        """The decoder of the photographs."""
        return SquareDecoder(self.bank_side, self.pending_steps, self.round_discs)

    @property
    def unfitted_rows(self) -> np.ndarray:
        """Row numbers of val and test photographs that no fold holds out."""
        held_out = np.concatenate([split.held_out for split in self.fold_splits])
        return np.setdiff1d(np.flatnonzero(self.labels.rows["split"] != "train"), held_out)

    @property
    def scored_rows(self) -> np.ndarray:
        """Row numbers of the photographs that the run is scored on; with folds, all photographs."""
        return np.arange(len(self.labels)) if self.folds else self.unfitted_rows

    @property
    def architecture(self) -> Architecture:
        """Architecture of the network."""
        config = self.config
        return Architecture(
            backbone=self.initial_weights.backbone,
            side=self.input_format.side,
            unit=config.unit,
            num_slots=self.units.num_slots,
            fusion=config.fusion,
            unshared=config.unshared,
            attention=config.attention,
            loss=config.loss,
            auxiliary=config.auxiliary,
            dropout=config.dropout,
        )

    @property
    def decision(self) -> str:
        """Decision of the run, one of `drkit.decisions.DECISIONS`."""
        name = self.config.decides.name
        return self.build_loss().decision if name == "own" else name.replace("-", "_")

    def build_loss(self) -> Loss:
        """Build the loss of `--loss`."""
        return build_loss(self.config.loss)

    def identity(self) -> dict[str, Any]:
        """Everything that determines the weights: equal identities give equal weights on the same machine."""
        options = {key: value for key, value in asdict(self.config).items() if key not in CIRCUMSTANTIAL}
        return {
            **options,
            "target": self.target,
            "backbone": self.initial_weights.backbone,
            "size": self.input_format.side,
            "choose": self.config.chooses,
            "norms": "kept" if self.config.keeps_statistics else "batch",
            "weights": self.initial_weights.sha256 or self.config.weights,
            "augment": policy_record(load_policy(self.config.augment)),
            "bank_size": self.bank_side,
            "round_discs": self.round_discs,
            "steps": list(self.steps),
            "labels_sha256": self.labels.sha256,
            "drkit_version": drkit.__version__,
            **({"plugins": plugins} if (plugins := self._plugins()) else {}),
        }

    def _plugins(self) -> dict[str, str]:
        """The packages, with versions, that provide parts of the training or of its data set."""
        datasets = (self.labels.datasets or {"": self.labels}).values()
        parent = self.initial_weights.parent
        inherited = parent.plugins if parent else {}
        return {
            **{name: package for name, package in inherited.items() if name.startswith(FILTERS.kind)},
            **read_plugins(self.labels.roots),
            **LAYOUTS.packages(labels.layout for labels in datasets),
            **FILTERS.packages(step.partition(":")[0] for step in self.pending_steps),
            **LOSSES.packages(names_in(self.config.loss)),
            **ATTENTIONS.packages(names_in(self.config.attention)),
        }
