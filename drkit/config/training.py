"""The settings of a training, as every command that trains takes them; light enough for `--help`."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated

from typer import Option

from drkit.catalogue import ATTENTIONS, TRAINING_DECISIONS
from drkit.config.shared import Force
from drkit.config.training_options import (
    Choose,
    DataOptions,
    LearningOptions,
    MachineOptions,
    ModelOptions,
    in_panel,
)
from drkit.errors import UsageError
from drkit.grades import Split
from drkit.specs import Spec, describe_catalogue, parse_spec, parse_specs


@dataclass(frozen=True)
class TrainingConfig(MachineOptions, LearningOptions, ModelOptions, DataOptions):
    """The settings of a training; each field is an option of the command line.

    None leaves a setting to the data set or the backbone; `--dry-run` shows the resulting value.
    """

    def __post_init__(self) -> None:
        """Check that the options fit together.

        Raises:
            UsageError: options that do not fit together.
        """
        for is_wrong, message in self._contradictions():
            if is_wrong:
                raise UsageError(message)

    @property
    def shares(self) -> dict[Split, float]:
        """Shares of the training patients for the splits that a data set lacks, by split."""
        return {"val": self.val_share, **({"test": self.test_share} if self.test_share else {})}

    @property
    def trained_splits(self) -> tuple[Split, ...]:
        """Splits that networks are trained on."""
        return ("train", "val") if self.folds_over == "train+val" else ("train",)

    @property
    def chooses(self) -> Choose:
        """How the epoch to keep is selected."""
        return self.choose or ("inner" if self.folds else "val")

    @property
    def keeps_statistics(self) -> bool:
        """Whether the backbone's batch norm layers use the statistics of the initial weights."""
        return (self.norms or ("batch" if self.weights == "none" else "kept")) == "kept"

    @property
    def frozen_stages(self) -> int | None:
        """K of `--freeze K`, 0 for none, and None for the whole backbone."""
        return None if self.freeze == "backbone" else 0 if self.freeze == "none" else int(self.freeze)

    @property
    def decides(self) -> Spec:
        """How a prediction becomes a grade."""
        return parse_spec(TRAINING_DECISIONS, "decision", self.decision)

    @property
    def attention(self) -> str:
        """Attention blocks between backbone and pooling; none here."""
        return ""

    def _contradictions(self) -> tuple[tuple[bool, str], ...]:
        is_whole = self.freeze.isascii() and self.freeze.isdecimal() and int(self.freeze) > 0
        return (
            (
                self.val_share + self.test_share >= 1,
                f"--val-share {self.val_share:g} and --test-share {self.test_share:g} leave no patients to train on",
            ),
            (
                self.freeze not in ("none", "backbone") and not is_whole,
                f"--freeze {self.freeze}: expected none, backbone, or a number of stages, at least 1",
            ),
            (
                self.chooses == "last" and self.patience is not None,
                "--patience cannot be combined with --choose last: leave out one of them",
            ),
            (
                self.unit == "patient" and self.target == "eye",
                "--unit patient joins both eyes, whose grades may differ: use --target patient (--auxiliary also learns"
                " the eyes' grades), or --unit eye",
            ),
            (
                self.folds is None and (self.folds_over != "train" or self.decides.name == "cut-points"),
                "--folds-over and --decision cut-points need out-of-fold predictions: add --folds 5",
            ),
            (
                self.folds_over == "train+val" and self.choose == "val",
                "--folds-over train+val leaves no val split to select the epoch on: use --choose inner or last",
            ),
            (
                self.unshared and (self.unit == "image" or self.freeze != "none"),
                "--unshared needs --unit eye or patient, and --freeze none",
            ),
            (
                self.unfreeze_every is not None and self.freeze != "none",
                "--unfreeze-every trains all stages in the end, while --freeze keeps some fixed: leave out one of them",
            ),
        )


@dataclass(frozen=True)
class RunOptions:
    """Name and folder of a run, and whether it is resumed or overwritten."""

    runs_dir: Annotated[Path, Option(help="Folder of the runs.")] = Path("runs")
    name: Annotated[
        str | None, Option(help="Run name: letters, digits, '-' and '_'. Default: backbone, unit and target.")
    ] = None
    resume: Annotated[bool, Option("--resume", help="Resume the unfinished run of this name.")] = False
    force: Force = False


@dataclass(frozen=True)
class AttendConfig(TrainingConfig):
    """A training with attention blocks between backbone and pooling."""

    attention_blocks: Annotated[
        str,
        in_panel(
            "Model",
            "Attention blocks in order, separated by commas, e.g. se:reduction=8,spatial."
            f" {describe_catalogue(ATTENTIONS)}. For attention over the photographs of an eye or a patient, use"
            " --fusion attention.",
            "--attention",
        ),
    ] = field(kw_only=True)

    def __post_init__(self) -> None:
        """Check that the options fit together.

        Raises:
            UsageError: no such block, or options that do not fit together.
        """
        super().__post_init__()
        parse_specs(ATTENTIONS, "attention block", self.attention_blocks)

    @property
    def attention(self) -> str:
        """Attention blocks between backbone and pooling, with all their parameters."""
        return ",".join(map(str, parse_specs(ATTENTIONS, "attention block", self.attention_blocks)))

    def without_attention(self) -> TrainingConfig:
        """The same training without attention."""
        return TrainingConfig(**{item.name: getattr(self, item.name) for item in fields(TrainingConfig)})


# Options that may differ when a training is resumed: paths, and options that do not change the weights.
CIRCUMSTANTIAL = frozenset({"data", "weights", "device", "workers", "cache_dir", "log", "log_dir"})
# Options that may differ as well, although they are recorded in the run and change its weights slightly.
EXCHANGEABLE = frozenset({"devices", "nodes", "strategy", "precision"})
