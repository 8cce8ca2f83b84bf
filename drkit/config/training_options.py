"""The options of a training by panel of `--help`: data, model, learning and machine."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Option

from drkit.catalogue import LOSSES, POLICIES, TRAINING_DECISIONS
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
    Precision,
)
from drkit.grades import Target, Unit
from drkit.specs import describe_catalogue

Fusion = Literal["mean-max", "attention", "concat"]
Optimizer = Literal["adamw", "sgd"]
Choose = Literal["val", "inner", "last"]
FoldsOver = Literal["train", "train+val"]
Oversample = Literal["none", "patient"]
Balance = Literal["none", "dataset"]
Norms = Literal["batch", "kept"]
Log = Literal["csv", "tensorboard"]


def in_panel(name: str, help: str, *flags: str, **limits: Any) -> Any:
    """Create an option in one of the panels of `--help`."""
    return Option(*flags, help=help, rich_help_panel=name, **limits)


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Photographs, grades and splits that a training uses."""

    data: Annotated[
        list[Path],
        in_panel("Data", DATA_HELP, "--data", envvar="DRKIT_DATA"),
    ] = field(default_factory=DEFAULT_DATA.copy)
    unit: Annotated[
        Unit,
        in_panel(
            "Data",
            "Input of one forward pass. image: one photograph; eye: all photographs of an eye (dual-view); patient: all"
            " photographs of a patient.",
        ),
    ] = "image"
    target: Annotated[
        Target | None,
        in_panel(
            "Data", "Grade to learn: the patient's or the eye's. Default: the patient's if it is known, else the eye's."
        ),
    ] = None
    auxiliary: Annotated[
        bool, in_panel("Data", "Also learn the other grade, with a second head on each eye.", "--auxiliary")
    ] = False
    val_share: Annotated[
        float,
        in_panel(
            "Data",
            "Share of the training patients to validate on, for a data set without a graded val split.",
            min=0.01,
            max=0.9,
        ),
    ] = 0.2
    test_share: Annotated[
        float,
        in_panel(
            "Data",
            "Share of the training patients to hold out for a final test, for a data set without a graded test split."
            " The run predicts them for drkit score --split test; nothing else uses them.",
            min=0.0,
            max=0.9,
        ),
    ] = 0.0
    folds: Annotated[
        int | None,
        in_panel(
            "Data",
            "K-fold cross-validation over patients: each fold predicts the patients it was not trained on.",
            min=2,
        ),
    ] = None
    folds_over: Annotated[FoldsOver, in_panel("Data", "Splits whose patients are divided into folds.")] = "train"
    oversample: Annotated[
        Oversample,
        in_panel(
            "Data",
            "patient: repeat the patients of rare grades, with all their photographs, until the grades are balanced.",
        ),
    ] = "none"
    dedupe: Annotated[
        bool,
        in_panel(
            "Data",
            "Search for near duplicates, as drkit check does, and treat the patients that share them as one, so that no"
            " copy is on both sides of a split or fold.",
            "--dedupe",
        ),
    ] = False
    balance: Annotated[
        Balance,
        in_panel(
            "Data",
            "dataset: draw equally many photographs from each data set in an epoch: only a part of a large one, and"
            " those of a small one repeatedly.",
        ),
    ] = "none"
    bootstrap_patients: Annotated[
        int | None,
        in_panel(
            "Data",
            "Train on a bootstrap sample of the patients, drawn with this seed (for bagging).",
            min=0,
            max=MAX_SEED,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The network and its initial weights."""

    backbone: Annotated[
        str | None,
        in_panel(
            "Model",
            "resnet18, resnet34, vgg16, efficientnet_b0, densenet121, mobilenet_v2, any timm model, or a timm"
            " repository with its weights (hf-hub:OWNER/NAME or local-dir:PATH). Default: the backbone of the run or"
            " repository given with --weights, else tf_efficientnet_lite0.",
        ),
    ] = None
    weights: Annotated[
        str,
        in_panel(
            "Model",
            "Initial weights of the backbone: imagenet, fundus (the run that comes with drkit), none, a file, a folder"
            " of files, a finished run, or hf-hub:OWNER/NAME (hf-hub:OWNER/NAME:FILE if there are several files).",
        ),
    ] = "imagenet"
    allow_seen: Annotated[
        bool,
        in_panel("Model", "Accept initial weights that were trained on photographs of val or test.", "--allow-seen"),
    ] = False
    keep_head: Annotated[
        bool,
        in_panel("Model", "Also start from the classification head of the run given with --weights.", "--keep-head"),
    ] = False
    size: Annotated[
        int | None,
        in_panel(
            "Model",
            "Side of the network's input in pixels. Default: that of --weights, else the backbone's.",
            min=32,
        ),
    ] = None
    round_discs: Annotated[
        bool | None,
        in_panel(
            "Model",
            "Restore the aspect ratio of photographs whose fundus disc is not round. Default: as in the run given with"
            " --weights, else off.",
            "--round-discs/--no-round-discs",
        ),
    ] = None
    fusion: Annotated[
        Fusion, in_panel("Model", "How the features of the photographs of an eye or a patient are combined.")
    ] = "mean-max"
    unshared: Annotated[
        bool,
        in_panel(
            "Model",
            "Use a separate backbone for each photograph of a unit, as the course's dual network does.",
            "--unshared",
        ),
    ] = False
    dropout: Annotated[float, in_panel("Model", "Dropout rate before the classification head.", min=0.0, max=0.95)] = (
        0.2
    )
    freeze: Annotated[
        str,
        in_panel(
            "Model",
            "Layers whose weights stay fixed. none; backbone: train only the head; a number K: the first K stages."
            " Their features are computed once, for each photograph and --copies augmented copies of it.",
        ),
    ] = "none"
    copies: Annotated[
        int,
        in_panel("Model", "Augmented copies per photograph whose frozen features are computed (with --freeze).", min=0),
    ] = 8


@dataclass(frozen=True, kw_only=True)
class LearningOptions:
    """Loss, augmentation, optimisation and the choice of the epoch."""

    loss: Annotated[str, in_panel("Learning", f"Loss function. {describe_catalogue(LOSSES)}.")] = "regression"
    decision: Annotated[
        str, in_panel("Learning", f"How a prediction becomes a grade. {describe_catalogue(TRAINING_DECISIONS)}.")
    ] = "own"
    augment: Annotated[
        str, in_panel("Learning", f"Augmentation policy. {describe_catalogue(POLICIES)}; or a TOML file.")
    ] = "medium"
    mixup: Annotated[
        float,
        in_panel("Learning", "Mixup: alpha of the beta distribution of the mixing weights. 0: no mixup.", min=0.0),
    ] = 0.0
    epochs: Annotated[int, in_panel("Learning", "Number of epochs.", min=1)] = 12
    batch_size: Annotated[int, in_panel("Learning", "Batch size, in units (see --unit).", min=1)] = 16
    accumulate: Annotated[int, in_panel("Learning", "Gradient accumulation: batches per optimiser step.", min=1)] = 1
    optimizer: Annotated[Optimizer, in_panel("Learning", "Optimiser. sgd: with Nesterov momentum 0.9.")] = "adamw"
    lr: Annotated[float, in_panel("Learning", "Peak learning rate, reached after the warm-up.", min=0.0)] = 3e-4
    layer_decay: Annotated[
        float,
        in_panel(
            "Learning", "Layer-wise learning rate decay: factor from each stage to the one below it.", min=0.01, max=1.0
        ),
    ] = 1.0
    weight_decay: Annotated[float, in_panel("Learning", "Weight decay.", min=0.0)] = 0.02
    unfreeze_every: Annotated[
        int | None,
        in_panel(
            "Learning",
            "Gradual unfreezing: train only the head at first, and unfreeze one more stage every N epochs.",
            min=1,
        ),
    ] = None
    clip: Annotated[float | None, in_panel("Learning", "Gradient clipping: maximum norm of the gradient.", min=0.0)] = (
        None
    )
    norms: Annotated[
        Norms | None,
        in_panel(
            "Learning",
            "Statistics of the backbone's batch norm layers. kept: those of the initial weights; batch: those of each"
            " batch, which are noisy in small batches. Default: kept, or batch with --weights none.",
        ),
    ] = None
    ema: Annotated[
        bool, in_panel("Learning", "Evaluate and keep an exponential moving average of the weights.", "--ema/--no-ema")
    ] = True
    class_weights: Annotated[
        bool,
        in_panel("Learning", "Weight the loss of each unit by the inverse frequency of its grade.", "--class-weights"),
    ] = False
    choose: Annotated[
        Choose | None,
        in_panel(
            "Learning",
            "How the epoch to keep is selected. val: best on the val split; inner: best on 15 % of the training"
            " patients; last: the last epoch. Default: val, or inner with --folds.",
        ),
    ] = None
    patience: Annotated[
        int | None,
        in_panel("Learning", "Early stopping: number of epochs without an improvement of quadratic kappa.", min=1),
    ] = None
    tta: Annotated[
        bool,
        in_panel(
            "Learning", "Test-time augmentation: average the predictions over eight flips and quarter turns.", "--tta"
        ),
    ] = False
    seed: Annotated[int, in_panel("Learning", SEED_HELP, min=0, max=MAX_SEED)] = 0
    seeds: Annotated[
        int,
        in_panel(
            "Learning",
            "Number of seeds to train with, starting at --seed; their predictions are averaged. All seeds share the"
            " same folds and held-out patients.",
            min=1,
            max=100,
        ),
    ] = 1


@dataclass(frozen=True, kw_only=True)
class MachineOptions:
    """Devices, precision, memory and caches."""

    device: Annotated[Device, in_panel("Machine", DEVICE_HELP)] = "auto"
    precision: Annotated[
        Precision,
        in_panel("Machine", PRECISION_HELP),
    ] = "auto"
    compile: Annotated[bool, in_panel("Machine", "Compile the network with torch.compile.", "--compile")] = False
    devices: Annotated[int, in_panel("Machine", "Number of processes per machine, each with one device.", min=1)] = 1
    nodes: Annotated[int, in_panel("Machine", "Number of machines.", min=1)] = 1
    strategy: Annotated[
        str, in_panel("Machine", "Strategy of distributed training, by its name in Lightning Fabric.")
    ] = "auto"
    bank_size: Annotated[
        int | None,
        in_panel("Machine", "Side in pixels of the photographs kept in memory. Default: 1.15 times --size.", min=32),
    ] = None
    workers: Annotated[int | None, in_panel("Machine", WORKERS_HELP, min=1)] = None
    cache_dir: Annotated[
        Path | None,
        in_panel(
            "Machine",
            f"{CACHE_HELP} If given, it also keeps the features of frozen stages for the next run.",
        ),
    ] = None
    embeddings: Annotated[bool, in_panel("Machine", EMBEDDINGS_HELP, "--embeddings")] = False
    log: Annotated[
        Log | None,
        in_panel(
            "Machine",
            "Also log every epoch, and pictures at the end, as CSV or for TensorBoard. Nothing leaves the machine.",
        ),
    ] = None
    log_dir: Annotated[Path, in_panel("Machine", "Folder of the logs, with one folder per run.")] = Path("logs")
