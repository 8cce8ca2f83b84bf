"""The options of a training, as every command that trains shows them; light enough for `--help`."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Option

from drkit.catalogue import ATTENTIONS, LOSSES, POLICIES, TRAINING_DECISIONS
from drkit.config.shared import (
    CACHE_HELP,
    DATA_HELP,
    DEFAULT_DATA,
    DEVICE_HELP,
    EMBEDDINGS_HELP,
    MAX_SEED,
    PRECISION_HELP,
    SEED_HELP,
    WORKERS_HELP,
    Device,
    Force,
    Precision,
)
from drkit.errors import UsageError
from drkit.grades import Split, Target
from drkit.specs import Spec, describe_catalogue, parse_spec, parse_specs

Unit = Literal["image", "eye", "patient"]
Fusion = Literal["mean-max", "attention", "concat"]
Optimizer = Literal["adamw", "sgd"]
Choose = Literal["val", "inner", "last"]
FoldsOver = Literal["train", "train+val"]
Oversample = Literal["none", "patient"]
Balance = Literal["none", "dataset"]
Norms = Literal["batch", "kept"]
Log = Literal["csv", "tensorboard"]


def _panel(name: str, help: str, *flags: str, **limits: Any) -> Any:
    """An option in one of the panels of `--help`."""
    return Option(*flags, help=help, rich_help_panel=name, **limits)


@dataclass(frozen=True)
class DataOptions:
    """Photographs, grades and splits that a training uses."""

    data: Annotated[
        list[Path],
        _panel("Data", DATA_HELP, "--data", envvar="DRKIT_DATA"),
    ] = field(default_factory=DEFAULT_DATA.copy)
    unit: Annotated[
        Unit,
        _panel(
            "Data",
            "Input of one forward pass. image: one photograph; eye: all photographs of an eye (dual-view); patient: all"
            " photographs of a patient.",
        ),
    ] = "image"
    target: Annotated[
        Target | None,
        _panel(
            "Data", "Grade to learn: the patient's or the eye's. Default: the patient's if it is known, else the eye's."
        ),
    ] = None
    auxiliary: Annotated[
        bool, _panel("Data", "Also learn the other grade, with a second head on each eye.", "--auxiliary")
    ] = False
    val_share: Annotated[
        float,
        _panel(
            "Data",
            "Share of the training patients to validate on, for a data set without a graded val split.",
            min=0.01,
            max=0.9,
        ),
    ] = 0.2
    test_share: Annotated[
        float,
        _panel(
            "Data",
            "Share of the training patients to hold out for a final test, for a data set without a graded test split."
            " The run predicts them for drkit score --split test; nothing else uses them.",
            min=0.0,
            max=0.9,
        ),
    ] = 0.0
    folds: Annotated[
        int | None,
        _panel(
            "Data",
            "K-fold cross-validation over patients: each fold predicts the patients it was not trained on.",
            min=2,
        ),
    ] = None
    folds_over: Annotated[FoldsOver, _panel("Data", "Splits whose patients are divided into folds.")] = "train"
    oversample: Annotated[
        Oversample,
        _panel(
            "Data",
            "patient: repeat the patients of rare grades, with all their photographs, until the grades are balanced.",
        ),
    ] = "none"
    dedupe: Annotated[
        bool,
        _panel(
            "Data",
            "Search for near duplicates, as drkit check does, and treat the patients that share them as one, so that no"
            " copy is on both sides of a split or fold.",
            "--dedupe",
        ),
    ] = False
    balance: Annotated[
        Balance,
        _panel(
            "Data",
            "dataset: draw equally many photographs from each data set in an epoch, a part of large data sets and small"
            " ones repeatedly.",
        ),
    ] = "none"
    bootstrap_patients: Annotated[
        int | None,
        _panel(
            "Data",
            "Train on a bootstrap sample of the patients, drawn with this seed (for bagging).",
            min=0,
            max=MAX_SEED,
        ),
    ] = None


@dataclass(frozen=True)
class ModelOptions:
    """The network and its initial weights."""

    backbone: Annotated[
        str | None,
        _panel(
            "Model",
            "resnet18, resnet34, vgg16, efficientnet_b0, densenet121, mobilenet_v2, any timm model, or a timm"
            " repository with its weights (hf-hub:OWNER/NAME or local-dir:PATH). Default: the backbone of the run or"
            " repository given with --weights, else tf_efficientnet_lite0.",
        ),
    ] = None
    weights: Annotated[
        str,
        _panel(
            "Model",
            "Initial weights of the backbone: imagenet, fundus (the run that comes with drkit), none, a file, a folder"
            " of files, a finished run, or hf-hub:OWNER/NAME (hf-hub:OWNER/NAME:FILE if there are several files).",
        ),
    ] = "imagenet"
    allow_seen: Annotated[
        bool,
        _panel("Model", "Accept initial weights that were trained on photographs of val or test.", "--allow-seen"),
    ] = False
    keep_head: Annotated[
        bool,
        _panel("Model", "Also start from the classification head of the run given with --weights.", "--keep-head"),
    ] = False
    size: Annotated[
        int | None,
        _panel(
            "Model",
            "Side of the network's input in pixels. Default: that of --weights, else the backbone's.",
            min=32,
        ),
    ] = None
    round_discs: Annotated[
        bool | None,
        _panel(
            "Model",
            "Restore the aspect ratio of photographs whose fundus disc is not round. Default: as in the run given with"
            " --weights, else off.",
            "--round-discs/--no-round-discs",
        ),
    ] = None
    fusion: Annotated[
        Fusion, _panel("Model", "How the features of the photographs of an eye or a patient are combined.")
    ] = "mean-max"
    unshared: Annotated[
        bool,
        _panel(
            "Model",
            "Use a separate backbone for each photograph of a unit, as the course's dual network does.",
            "--unshared",
        ),
    ] = False
    dropout: Annotated[float, _panel("Model", "Dropout rate before the classification head.", min=0.0, max=0.95)] = 0.2
    freeze: Annotated[
        str,
        _panel(
            "Model",
            "Layers whose weights stay fixed. none; backbone: train only the head; a number K: the first K stages."
            " Their features are computed once, for each photograph and --copies augmented copies of it.",
        ),
    ] = "none"
    copies: Annotated[
        int,
        _panel("Model", "Augmented copies per photograph whose frozen features are computed (with --freeze).", min=0),
    ] = 8


@dataclass(frozen=True)
class LearningOptions:
    """Loss, augmentation, optimisation and the choice of the epoch."""

    loss: Annotated[str, _panel("Learning", f"Loss function. {describe_catalogue(LOSSES)}.")] = "regression"
    decision: Annotated[
        str, _panel("Learning", f"How a prediction becomes a grade. {describe_catalogue(TRAINING_DECISIONS)}.")
    ] = "own"
    augment: Annotated[
        str, _panel("Learning", f"Augmentation policy. {describe_catalogue(POLICIES)}; or a TOML file.")
    ] = "medium"
    mixup: Annotated[
        float, _panel("Learning", "Mixup: alpha of the beta distribution of the mixing weights. 0: no mixup.", min=0.0)
    ] = 0.0
    epochs: Annotated[int, _panel("Learning", "Number of epochs.", min=1)] = 12
    batch_size: Annotated[int, _panel("Learning", "Batch size, in units (see --unit).", min=1)] = 16
    accumulate: Annotated[int, _panel("Learning", "Gradient accumulation: batches per optimizer step.", min=1)] = 1
    optimizer: Annotated[Optimizer, _panel("Learning", "Optimizer. sgd has Nesterov momentum 0.9.")] = "adamw"
    lr: Annotated[float, _panel("Learning", "Peak learning rate, reached after the warm-up.", min=0.0)] = 3e-4
    layer_decay: Annotated[
        float,
        _panel(
            "Learning", "Layer-wise learning rate decay: factor from each stage to the one below it.", min=0.01, max=1.0
        ),
    ] = 1.0
    weight_decay: Annotated[float, _panel("Learning", "Weight decay.", min=0.0)] = 0.02
    unfreeze_every: Annotated[
        int | None,
        _panel(
            "Learning",
            "Gradual unfreezing: train only the head at first, and unfreeze one more stage every N epochs.",
            min=1,
        ),
    ] = None
    clip: Annotated[float | None, _panel("Learning", "Gradient clipping: maximum norm of the gradient.", min=0.0)] = (
        None
    )
    norms: Annotated[
        Norms | None,
        _panel(
            "Learning",
            "Statistics of the backbone's batch norm layers. kept: those of the initial weights; batch: those of each"
            " batch, which are noisy in small batches. Default: kept, or batch with --weights none.",
        ),
    ] = None
    ema: Annotated[
        bool, _panel("Learning", "Evaluate and keep an exponential moving average of the weights.", "--ema/--no-ema")
    ] = True
    class_weights: Annotated[
        bool,
        _panel("Learning", "Weight the loss of each unit by the inverse frequency of its grade.", "--class-weights"),
    ] = False
    choose: Annotated[
        Choose | None,
        _panel(
            "Learning",
            "How the epoch to keep is selected. val: best on the val split; inner: best on 15 % of the training"
            " patients; last: the last epoch. Default: val, or inner with --folds.",
        ),
    ] = None
    patience: Annotated[
        int | None,
        _panel("Learning", "Early stopping: number of epochs without an improvement of quadratic kappa.", min=1),
    ] = None
    tta: Annotated[
        bool,
        _panel(
            "Learning", "Test-time augmentation: average the predictions over eight flips and quarter turns.", "--tta"
        ),
    ] = False
    seed: Annotated[int, _panel("Learning", SEED_HELP, min=0, max=MAX_SEED)] = 0
    seeds: Annotated[
        int,
        _panel(
            "Learning",
            "Number of seeds to train with, starting at --seed; their predictions are averaged. All seeds share the"
            " same folds and held-out patients.",
            min=1,
            max=100,
        ),
    ] = 1


@dataclass(frozen=True)
class MachineOptions:
    """Devices, precision, memory and caches."""

    device: Annotated[Device, _panel("Machine", DEVICE_HELP)] = "auto"
    precision: Annotated[
        Precision,
        _panel("Machine", PRECISION_HELP),
    ] = "auto"
    compile: Annotated[bool, _panel("Machine", "Compile the network with torch.compile.", "--compile")] = False
    devices: Annotated[int, _panel("Machine", "Number of processes per machine, each with one device.", min=1)] = 1
    nodes: Annotated[int, _panel("Machine", "Number of machines.", min=1)] = 1
    strategy: Annotated[
        str, _panel("Machine", "Strategy of distributed training, by its name in Lightning Fabric.")
    ] = "auto"
    bank_size: Annotated[
        int | None,
        _panel("Machine", "Side in pixels of the photographs kept in memory. Default: 1.15 times --size.", min=32),
    ] = None
    workers: Annotated[int | None, _panel("Machine", WORKERS_HELP, min=1)] = None
    cache_dir: Annotated[
        Path | None,
        _panel(
            "Machine",
            f"{CACHE_HELP} If given, it also keeps the features of frozen stages for the next run.",
        ),
    ] = None
    embeddings: Annotated[bool, _panel("Machine", EMBEDDINGS_HELP, "--embeddings")] = False
    log: Annotated[
        Log | None,
        _panel(
            "Machine",
            "Also log every epoch, and pictures at the end, as CSV or for TensorBoard. Nothing leaves the machine.",
        ),
    ] = None
    log_dir: Annotated[Path, _panel("Machine", "Folder of the logs, with one folder per run.")] = Path("logs")


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
        for wrong, what in self._contradictions():
            if wrong:
                raise UsageError(what)

    @property
    def shares(self) -> dict[Split, float]:
        """Shares of the training patients for the splits that a data set lacks, by split."""
        return {"val": self.val_share, **({"test": self.test_share} if self.test_share else {})}

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
                f"--freeze {self.freeze}: expected none, backbone, or a number of stages from 1",
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
        _panel(
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


# Options that may differ when a training is resumed: paths, and what computes.
CIRCUMSTANTIAL = frozenset({"data", "weights", "device", "workers", "cache_dir", "log", "log_dir"})
# These may differ, too, although they are recorded in the run and change its weights slightly.
EXCHANGEABLE = frozenset({"devices", "nodes", "strategy", "precision"})
