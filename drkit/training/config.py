"""The options of a training, shared by all commands that train; imports nothing heavy, for `--help`."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Option

from drkit.catalogue import ATTENTIONS, LOSSES, POLICIES, TRAINING_DECISIONS
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
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "32", "bf16", "fp16"]
Log = Literal["csv", "tensorboard"]


def _panel(name: str, help: str = "", *flags: str, **limits: Any) -> Any:
    """An option in a panel of `--help`."""
    return Option(*flags, help=help, rich_help_panel=name, **limits)


@dataclass(frozen=True)
class DataOptions:
    """Photographs, grades and splits."""

    data: Annotated[
        list[Path],
        _panel("Data", "Data set in any known layout; --data A --data B joins several.", "--data", envvar="DRKIT_DATA"),
    ] = field(default_factory=lambda: [Path("DeepDRiD")])
    unit: Annotated[
        Unit,
        _panel(
            "Data",
            "Photographs in one forward pass: image: one; eye: both views of an eye; patient: all of a patient's.",
        ),
    ] = "image"
    target: Annotated[
        Target | None,
        _panel("Data", "Grade to learn: by default the patient's where the data set has it, else the eye's."),
    ] = None
    auxiliary: Annotated[
        bool, _panel("Data", "Also learn the other target's grade, with a second head on each eye.", "--auxiliary")
    ] = False
    val_share: Annotated[
        float,
        _panel(
            "Data",
            "Share of the training patients held out for validation, for data sets without a graded val split.",
            min=0.01,
            max=0.9,
        ),
    ] = 0.2
    test_share: Annotated[
        float,
        _panel(
            "Data",
            "Share of the training patients held out for a final test (drkit score --split test), for data sets without"
            " a graded test split; the run predicts them and uses them for nothing else.",
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
    folds_over: Annotated[FoldsOver, _panel("Data", "Splits whose patients are assigned to folds.")] = "train"
    oversample: Annotated[
        Oversample,
        _panel(
            "Data",
            "patient: repeat patients of rare grades, with all their photographs, until grades are equally frequent.",
        ),
    ] = "none"
    dedupe: Annotated[
        bool,
        _panel(
            "Data",
            "Find near duplicates as drkit check does and treat them as one patient, so that copies are never in both"
            " training and evaluation.",
            "--dedupe",
        ),
    ] = False
    balance: Annotated[
        Balance,
        _panel(
            "Data",
            "dataset: every epoch takes as many units from each data set, a part of large ones and repetitions of small"
            " ones.",
        ),
    ] = "none"
    bootstrap_patients: Annotated[
        int | None,
        _panel("Data", "Train on a bootstrap sample of patients, drawn with this seed.", min=0, max=2**32 - 1),
    ] = None


@dataclass(frozen=True)
class ModelOptions:
    """The network and its initial weights."""

    backbone: Annotated[
        str | None,
        _panel(
            "Model",
            "resnet18, resnet34, vgg16, efficientnet_b0, densenet121, mobilenet_v2, any timm model, or a timm"
            " repository (hf-hub:OWNER/NAME, local-dir:PATH) with its weights; by default that of the run or"
            " repository named by --weights, else tf_efficientnet_lite0.",
        ),
    ] = None
    weights: Annotated[
        str,
        _panel(
            "Model",
            "Initial weights of the backbone: imagenet, fundus, none (random), a file, a folder of files, a finished"
            " run, or hf-hub:OWNER/NAME (:FILE where there are several).",
        ),
    ] = "imagenet"
    allow_seen: Annotated[
        bool,
        _panel("Model", "Accept initial weights that were trained on photographs of val or test.", "--allow-seen"),
    ] = False
    keep_head: Annotated[
        bool,
        _panel("Model", "Also take the head of the run named by --weights.", "--keep-head"),
    ] = False
    size: Annotated[
        int | None,
        _panel(
            "Model",
            "Side of the input images in pixels; by default that of --weights, else the backbone's.",
            min=32,
        ),
    ] = None
    round_discs: Annotated[
        bool | None,
        _panel(
            "Model",
            "Make the discs of squashed photographs round; by default as in the run named by --weights, else not.",
            "--round-discs/--no-round-discs",
        ),
    ] = None
    fusion: Annotated[Fusion, _panel("Model", "How the photographs of an eye or a patient are fused.")] = "mean-max"
    unshared: Annotated[
        bool,
        _panel(
            "Model", "Separate backbones for the photographs of a unit, as in the course's dual network.", "--unshared"
        ),
    ] = False
    dropout: Annotated[float, _panel("Model", "Dropout probability before the head.", min=0.0, max=0.95)] = 0.2
    freeze: Annotated[
        str,
        _panel(
            "Model",
            "none; backbone: train the head alone; K: freeze the first K stages. Frozen stages run once, on each"
            " photograph and on --copies augmented copies of it.",
        ),
    ] = "none"
    copies: Annotated[int, _panel("Model", "Augmented copies per photograph, with --freeze.", min=0)] = 8


@dataclass(frozen=True)
class LearningOptions:
    """Loss, augmentation and optimisation."""

    loss: Annotated[str, _panel("Learning", describe_catalogue(LOSSES))] = "regression"
    decision: Annotated[
        str, _panel("Learning", f"How a grade is decided. {describe_catalogue(TRAINING_DECISIONS)}.")
    ] = "own"
    augment: Annotated[str, _panel("Learning", describe_catalogue(POLICIES) + "; or a TOML file")] = "medium"
    mixup: Annotated[float, _panel("Learning", "Mixup: alpha of its beta distribution; 0: no mixup.", min=0.0)] = 0.0
    epochs: Annotated[int, _panel("Learning", "Number of epochs.", min=1)] = 12
    batch_size: Annotated[int, _panel("Learning", "Units per batch.", min=1)] = 16
    accumulate: Annotated[int, _panel("Learning", "Batches per optimiser step (gradient accumulation).", min=1)] = 1
    optimizer: Annotated[Optimizer, _panel("Learning", "sgd: with Nesterov momentum 0.9.")] = "adamw"
    lr: Annotated[float, _panel("Learning", "Peak learning rate, reached after the warm-up.", min=0.0)] = 3e-4
    layer_decay: Annotated[
        float, _panel("Learning", "Factor on the learning rate per stage, from the head down.", min=0.01, max=1.0)
    ] = 1.0
    weight_decay: Annotated[float, _panel("Learning", "Weight decay; none on biases and norms.", min=0.0)] = 0.02
    unfreeze_every: Annotated[
        int | None,
        _panel(
            "Learning",
            "Gradual unfreezing: train the head alone at first, and one more stage after every so many epochs.",
            min=1,
        ),
    ] = None
    clip: Annotated[float | None, _panel("Learning", "Clip the norm of the gradient at this value.", min=0.0)] = None
    norms: Annotated[
        Norms | None,
        _panel(
            "Learning",
            "Batch norms of the backbone use the pretrained running statistics (kept), or those of each batch (batch),"
            " which are noisy in small batches; by default kept, with --weights none batch.",
        ),
    ] = None
    ema: Annotated[
        bool, _panel("Learning", "Evaluate and keep an exponential moving average of the weights.", "--ema/--no-ema")
    ] = True
    class_weights: Annotated[
        bool, _panel("Learning", "Weight the loss of each grade by how rare it is.", "--class-weights")
    ] = False
    choose: Annotated[
        Choose | None,
        _panel(
            "Learning",
            "How the epoch is selected: by the quadratic kappa on val (default) or on an inner 15 % of the training"
            " patients (default with --folds), or last: keep the last epoch.",
        ),
    ] = None
    patience: Annotated[
        int | None,
        _panel("Learning", "Early stopping: stop after so many epochs without a better quadratic kappa.", min=1),
    ] = None
    tta: Annotated[
        bool,
        _panel("Learning", "Test-time augmentation: predict by the mean over eight flips and quarter turns.", "--tta"),
    ] = False
    seed: Annotated[int, _panel("Learning", "Random seed.", min=0, max=2**32 - 1)] = 0
    seeds: Annotated[
        int,
        _panel(
            "Learning",
            "Number of random seeds, from --seed on; the run predicts by the mean of their networks, which share folds"
            " and held-out patients.",
            min=1,
            max=100,
        ),
    ] = 1


@dataclass(frozen=True)
class MachineOptions:
    """Device, precision, processes and memory."""

    device: Annotated[Device, _panel("Machine", "auto: a GPU if there is one, else the CPU.")] = "auto"
    precision: Annotated[
        Precision, _panel("Machine", "auto: bf16 on a GPU, fp16 where it has no bf16; else 32 bits.")
    ] = "auto"
    compile: Annotated[bool, _panel("Machine", "Compile the network with torch.compile.", "--compile")] = False
    devices: Annotated[int, _panel("Machine", "Number of devices, with a process each.", min=1)] = 1
    nodes: Annotated[int, _panel("Machine", "Number of machines.", min=1)] = 1
    strategy: Annotated[str, _panel("Machine", "Strategy of Lightning Fabric for several devices, e.g. ddp.")] = "auto"
    bank_size: Annotated[
        int | None,
        _panel(
            "Machine",
            "Side in pixels of the decoded photographs; by default 1.15 times --size.",
            min=32,
        ),
    ] = None
    workers: Annotated[
        int | None, _panel("Machine", "Threads that decode photographs; by default one per core.", min=1)
    ] = None
    cache_dir: Annotated[
        Path | None,
        _panel(
            "Machine",
            "Folder for decoded photographs that do not fit in memory, by default in the user's cache; if given, it"
            " also keeps the features of frozen stages for the next run.",
        ),
    ] = None
    embeddings: Annotated[
        bool, _panel("Machine", "Store each photograph's embedding in the predictions file.", "--embeddings")
    ] = False
    log: Annotated[
        Log | None,
        _panel(
            "Machine",
            "Also log every epoch, and pictures at the end, for an experiment tracker; nothing is sent.",
        ),
    ] = None
    log_dir: Annotated[Path, _panel("Machine", "Folder of the logs; each run has one of its name in it.")] = Path(
        "logs"
    )


@dataclass(frozen=True)
class TrainingConfig(MachineOptions, LearningOptions, ModelOptions, DataOptions):
    """The options of a training; each field is an option on the command line.

    Fields that are None are resolved from the data set or the backbone; the plan (`--dry-run`) shows them.
    """

    def __post_init__(self) -> None:
        """Check that the options fit together.

        Raises:
            UsageError: they do not.
        """
        for wrong, what in self._contradictions():
            if wrong:
                raise UsageError(what)

    @property
    def shares(self) -> dict[Split, float]:
        """Share of the training patients held out for val and test, in data sets without such a split."""
        return {"val": self.val_share, **({"test": self.test_share} if self.test_share else {})}

    @property
    def chooses(self) -> Choose:
        """How the epoch is selected, resolved."""
        return self.choose or ("inner" if self.folds else "val")

    @property
    def keeps_statistics(self) -> bool:
        """Whether the backbone's batch norms use the pretrained running statistics."""
        return (self.norms or ("batch" if self.weights == "none" else "kept")) == "kept"

    @property
    def frozen_stages(self) -> int | None:
        """K of `--freeze K`, 0 for none, and None for the whole backbone."""
        return None if self.freeze == "backbone" else 0 if self.freeze == "none" else int(self.freeze)

    @property
    def decides(self) -> Spec:
        """The decision, parsed."""
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
                f"--freeze {self.freeze}: expected none, backbone, or how many stages, from 1",
            ),
            (
                self.chooses == "last" and self.patience is not None,
                "--patience cannot be combined with --choose last: leave one of them out",
            ),
            (
                self.unit == "patient" and self.target == "eye",
                "--unit patient joins both eyes, whose grades may differ: use --target patient (with --auxiliary the"
                " eyes' grades are learned, too), or --unit eye",
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
                "--unfreeze-every cannot be combined with --freeze: leave one of them out",
            ),
        )


@dataclass(frozen=True)
class AttendConfig(TrainingConfig):
    """A training with attention between backbone and pooling.

    Args:
        attention_blocks: The blocks, as typed.
    """

    attention_blocks: Annotated[
        str,
        _panel(
            "Model",
            f"Attention blocks in order, separated by commas, e.g. se:reduction=8,spatial."
            f" {describe_catalogue(ATTENTIONS)}."
            " For attention over the photographs of an eye or a patient: --fusion attention.",
            "--attention",
        ),
    ] = field(kw_only=True)

    def __post_init__(self) -> None:
        """Check that the options fit together.

        Raises:
            UsageError: they do not, or there is no such block.
        """
        super().__post_init__()
        parse_specs(ATTENTIONS, "attention block", self.attention_blocks)

    @property
    def attention(self) -> str:
        """Attention blocks between backbone and pooling, with all their parameters."""
        return ",".join(map(str, parse_specs(ATTENTIONS, "attention block", self.attention_blocks)))

    def without_attention(self) -> TrainingConfig:
        """The same training without attention, as a baseline."""
        return TrainingConfig(**{item.name: getattr(self, item.name) for item in fields(TrainingConfig)})


# May differ when an interrupted training is resumed: locations and the machine.
CIRCUMSTANTIAL = frozenset({"data", "weights", "device", "workers", "cache_dir", "log", "log_dir"})
# May differ, too, although the run records it: the weights then come out slightly different.
EXCHANGEABLE = frozenset({"devices", "nodes", "strategy", "precision"})
