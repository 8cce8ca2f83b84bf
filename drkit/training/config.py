"""The options of a training, as every command that trains shows them; light enough for `--help`."""

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
    """An option of one of the panels that `--help` shows."""
    return Option(*flags, help=help, rich_help_panel=name, **limits)


@dataclass(frozen=True)
class DataOptions:
    """What is learned from which photographs."""

    data: Annotated[
        list[Path],
        _panel(
            "Data", "A data set in any known layout; --data A --data B joins several.", "--data", envvar="DRKIT_DATA"
        ),
    ] = field(default_factory=lambda: [Path("DeepDRiD")])
    unit: Annotated[
        Unit, _panel("Data", "What one forward pass sees: a photograph, an eye's views (dual), all of a patient's.")
    ] = "image"
    target: Annotated[
        Target | None,
        _panel("Data", "Whose grade is learned; by default the patient's where it is known, else the eye's."),
    ] = None
    auxiliary: Annotated[
        bool, _panel("Data", "Learn the other target, too, by a second head on each eye.", "--auxiliary")
    ] = False
    val_share: Annotated[
        float,
        _panel(
            "Data",
            "Share of a data set's training patients to validate on, where it has no graded val split.",
            min=0.01,
            max=0.9,
        ),
    ] = 0.2
    test_share: Annotated[
        float,
        _panel(
            "Data",
            "Share of a data set's training patients to keep for a final test, where it has no graded test"
            " split, with or without a val split: graded by the run, for drkit score --split test, and used for nothing"
            " else.",
            min=0.0,
            max=0.9,
        ),
    ] = 0.0
    folds: Annotated[
        int | None,
        _panel("Data", "Train so many times, each without one part of the patients, which it then grades.", min=2),
    ] = None
    folds_over: Annotated[FoldsOver, _panel("Data", "Whose patients are parted into folds.")] = "train"
    oversample: Annotated[
        Oversample,
        _panel("Data", "patient: repeat patients of rare grades, with all their photographs, until grades are even."),
    ] = "none"
    dedupe: Annotated[
        bool,
        _panel(
            "Data",
            "Search for near duplicates as drkit check does: copies count as one patient, so that they never stand on"
            " both sides of a split or a fold.",
            "--dedupe",
        ),
    ] = False
    balance: Annotated[
        Balance,
        _panel(
            "Data",
            "dataset: an epoch sees each of several data sets as often as the others, large ones in part, small ones"
            " again and again.",
        ),
    ] = "none"
    bootstrap_patients: Annotated[
        int | None,
        _panel("Data", "Train on patients drawn with replacement by this seed, for bagging.", min=0, max=2**32 - 1),
    ] = None


@dataclass(frozen=True)
class ModelOptions:
    """The network and what it starts from."""

    backbone: Annotated[
        str | None,
        _panel(
            "Model",
            "resnet18, resnet34, vgg16, efficientnet_b0, densenet121, mobilenet_v2, any timm model, or a timm"
            " repository (hf-hub:OWNER/NAME, local-dir:PATH) with its weights; by default that of the run or"
            " repository that --weights names, else tf_efficientnet_lite0.",
        ),
    ] = None
    weights: Annotated[
        str,
        _panel(
            "Model",
            "What the backbone starts from: imagenet, fundus, none, a file, a folder of files, a finished run, or"
            " hf-hub:OWNER/NAME (:FILE where there are several).",
        ),
    ] = "imagenet"
    allow_seen: Annotated[
        bool,
        _panel("Model", "Accept weights that were trained on photographs of val or test.", "--allow-seen"),
    ] = False
    keep_head: Annotated[
        bool,
        _panel("Model", "Also start from the head of the run that --weights names.", "--keep-head"),
    ] = False
    size: Annotated[
        int | None,
        _panel(
            "Model",
            "Side of the network's input in pixels; by default that of --weights, else the backbone's.",
            min=32,
        ),
    ] = None
    round_discs: Annotated[
        bool | None,
        _panel(
            "Model",
            "Make the discs of squashed photographs round; by default as the run did that --weights names, else not.",
            "--round-discs/--no-round-discs",
        ),
    ] = None
    fusion: Annotated[Fusion, _panel("Model", "How the photographs of an eye or a patient are joined.")] = "mean-max"
    unshared: Annotated[
        bool, _panel("Model", "A backbone for each photograph of a unit, as the course's dual network.", "--unshared")
    ] = False
    dropout: Annotated[float, _panel("Model", "Before the head.", min=0.0, max=0.95)] = 0.2
    freeze: Annotated[
        str,
        _panel(
            "Model",
            "none; backbone: train the head alone; a number K: all but the first K stages. What is frozen runs once,"
            " on the plain photograph and --copies augmented ones.",
        ),
    ] = "none"
    copies: Annotated[int, _panel("Model", "Augmented copies a photograph, with --freeze.", min=0)] = 8


@dataclass(frozen=True)
class LearningOptions:
    """How it is learned."""

    loss: Annotated[str, _panel("Learning", describe_catalogue(LOSSES))] = "regression"
    decision: Annotated[
        str, _panel("Learning", f"How a grade is decided. {describe_catalogue(TRAINING_DECISIONS)}.")
    ] = "own"
    augment: Annotated[str, _panel("Learning", describe_catalogue(POLICIES) + "; or a TOML file")] = "medium"
    mixup: Annotated[float, _panel("Learning", "Alpha of the beta that mixes two units; 0: none.", min=0.0)] = 0.0
    epochs: Annotated[int, _panel("Learning", min=1)] = 12
    batch_size: Annotated[int, _panel("Learning", "Units a batch.", min=1)] = 16
    accumulate: Annotated[int, _panel("Learning", "Batches a step.", min=1)] = 1
    optimizer: Annotated[Optimizer, _panel("Learning", "sgd: with Nesterov momentum 0.9.")] = "adamw"
    lr: Annotated[float, _panel("Learning", "Highest learning rate, after the warm-up.", min=0.0)] = 3e-4
    layer_decay: Annotated[
        float, _panel("Learning", "Factor of the learning rate from stage to stage, downwards.", min=0.01, max=1.0)
    ] = 1.0
    weight_decay: Annotated[float, _panel("Learning", min=0.0)] = 0.02
    unfreeze_every: Annotated[
        int | None,
        _panel("Learning", "Begin with the head alone and let one more stage learn after so many epochs.", min=1),
    ] = None
    clip: Annotated[float | None, _panel("Learning", "Highest norm of the gradient.", min=0.0)] = None
    norms: Annotated[
        Norms | None,
        _panel(
            "Learning",
            "The backbone's batch norms standardise by the statistics they came with (kept), or by those of each batch"
            " (batch), which few photographs disturb; by default kept, unless --weights none brings no statistics.",
        ),
    ] = None
    ema: Annotated[bool, _panel("Learning", "Judge and keep a running average of the weights.", "--ema/--no-ema")] = (
        True
    )
    class_weights: Annotated[
        bool, _panel("Learning", "Weight units by how rare their grade is.", "--class-weights")
    ] = False
    choose: Annotated[
        Choose | None,
        _panel(
            "Learning",
            "What picks the epoch: val (default), an inner 15 % of the training patients (default with --folds), or"
            " none (last).",
        ),
    ] = None
    patience: Annotated[
        int | None, _panel("Learning", "Stop after so many epochs without a better quadratic kappa.", min=1)
    ] = None
    tta: Annotated[bool, _panel("Learning", "Grade by the mean over eight flips and quarter turns.", "--tta")] = False
    seed: Annotated[int, _panel("Learning", min=0, max=2**32 - 1)] = 0
    seeds: Annotated[
        int,
        _panel(
            "Learning",
            "Train with so many seeds, from --seed on, and grade by the mean of their networks; folds and held-out"
            " patients are the same for all.",
            min=1,
            max=100,
        ),
    ] = 1


@dataclass(frozen=True)
class MachineOptions:
    """What computes."""

    device: Annotated[Device, _panel("Machine", "auto: a GPU if there is one.")] = "auto"
    precision: Annotated[Precision, _panel("Machine", "auto: bf16 or else fp16 on a GPU, 32 bits elsewhere.")] = "auto"
    compile: Annotated[bool, _panel("Machine", "Let torch compile the network.", "--compile")] = False
    devices: Annotated[int, _panel("Machine", "Processes of one device each.", min=1)] = 1
    nodes: Annotated[int, _panel("Machine", "Machines.", min=1)] = 1
    strategy: Annotated[str, _panel("Machine", "How they share the work, in Lightning Fabric's words.")] = "auto"
    bank_size: Annotated[
        int | None,
        _panel("Machine", "Side of the photographs kept in memory; by default 1.15 times --size.", min=32),
    ] = None
    workers: Annotated[
        int | None, _panel("Machine", "Threads that read photographs; one a core by default.", min=1)
    ] = None
    cache_dir: Annotated[
        Path | None,
        _panel(
            "Machine",
            "Where photographs go that do not fit in memory, the user's cache by default; named, it keeps what"
            " frozen stages gave, too, for the next run.",
        ),
    ] = None
    embeddings: Annotated[
        bool, _panel("Machine", "Keep each photograph's activations in the predictions file.", "--embeddings")
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
    """What a training is made of; each field is an option of the command line.

    Whatever is None is decided by the data set or the backbone, and stands in the plan (`--dry-run`).
    """

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            UsageError: options that do not fit together.
        """
        for wrong, what in self._contradictions():
            if wrong:
                raise UsageError(what)

    @property
    def shares(self) -> dict[Split, float]:
        """Which splits a data set's training patients are given to where it has none of its own, and how many."""
        return {"val": self.val_share, **({"test": self.test_share} if self.test_share else {})}

    @property
    def chooses(self) -> Choose:
        """What picks the epoch."""
        return self.choose or ("inner" if self.folds else "val")

    @property
    def keeps_statistics(self) -> bool:
        """Whether the backbone's batch norms standardise by the statistics they came with."""
        return (self.norms or ("batch" if self.weights == "none" else "kept")) == "kept"

    @property
    def frozen_stages(self) -> int | None:
        """K of `--freeze K`, 0 for none, and None for the whole backbone."""
        return None if self.freeze == "backbone" else 0 if self.freeze == "none" else int(self.freeze)

    @property
    def decides(self) -> Spec:
        """What decides a grade."""
        return parse_spec(TRAINING_DECISIONS, "decision", self.decision)

    @property
    def attention(self) -> str:
        """Blocks between backbone and pool; none here."""
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
                "--patience waits for a better epoch, and --choose last wants none: leave one of them out",
            ),
            (
                self.unit == "patient" and self.target == "eye",
                "--unit patient sees both eyes, whose grades may differ: use --target patient (with --auxiliary the"
                " eyes' grades are learned beside it), or --unit eye",
            ),
            (
                self.folds is None and (self.folds_over != "train" or self.decides.name == "cut-points"),
                "--folds-over and --decision cut-points need rows that were held out of fold: add --folds 5",
            ),
            (
                self.folds_over == "train+val" and self.choose == "val",
                "--folds-over train+val leaves no val split to choose on: use --choose inner or last",
            ),
            (
                self.unshared and (self.unit == "image" or self.freeze != "none"),
                "--unshared is for --unit eye or patient, with --freeze none",
            ),
            (
                self.unfreeze_every is not None and self.freeze != "none",
                "--unfreeze-every lets all stages learn in the end, --freeze none of some: leave one of them out",
            ),
        )


@dataclass(frozen=True)
class AttendConfig(TrainingConfig):
    """A training with attention between backbone and pool.

    Args:
        attention_blocks: As typed.
    """

    attention_blocks: Annotated[
        str,
        _panel(
            "Model",
            f"Blocks in order, commas between, as se:reduction=8,spatial. {describe_catalogue(ATTENTIONS)}. Over the"
            " photographs of an eye or a patient: --fusion attention.",
            "--attention",
        ),
    ] = field(kw_only=True)

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            UsageError: no such block, or options that do not fit together.
        """
        super().__post_init__()
        parse_specs(ATTENTIONS, "attention block", self.attention_blocks)

    @property
    def attention(self) -> str:
        """Blocks between backbone and pool, with all their parameters."""
        return ",".join(map(str, parse_specs(ATTENTIONS, "attention block", self.attention_blocks)))

    def without_attention(self) -> TrainingConfig:
        """The same training without it, to compare with."""
        return TrainingConfig(**{item.name: getattr(self, item.name) for item in fields(TrainingConfig)})


# What may differ between an interrupted training and the one that goes on: where things lie and what computes.
CIRCUMSTANTIAL = frozenset({"data", "weights", "device", "workers", "cache_dir", "log", "log_dir"})
# What may differ, too, although it stands in the run: its weights come out a little different.
EXCHANGEABLE = frozenset({"devices", "nodes", "strategy", "precision"})
