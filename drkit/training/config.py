"""The options of a training, as every command that trains shows them; light enough for `--help`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from drkit.catalogue import LOSSES, POLICIES, Catalogue, find
from drkit.grades import Target

Weights = Literal["imagenet", "none"]
Freeze = Literal["none", "backbone"]
Choose = Literal["val", "inner", "last"]
Device = Literal["auto", "cpu", "cuda", "mps"]

DATA, MODEL, LEARNING, MACHINE = "Data", "Model", "Learning", "Machine"


def _listing(catalogue: Catalogue) -> str:
    return "; ".join(f"{name}: {entry.summary}" for name, entry in catalogue.items())


@dataclass(frozen=True)
class TrainingConfig:
    """What a training is made of; each field is an option of the command line.

    Whatever is None is decided by the data set or the backbone, and stands in the plan (`--dry-run`).
    """

    data: Annotated[
        Path,
        Option(help="The data set, in any known layout.", envvar="DRKIT_DATA", rich_help_panel=DATA),
    ] = Path("DeepDRiD")
    target: Annotated[
        Target | None,
        Option(
            help="Whose grade is learned; by default the patient's where the data set states it, else the eye's.",
            rich_help_panel=DATA,
        ),
    ] = None
    val_share: Annotated[
        float,
        Option(
            min=0.01, max=0.9, rich_help_panel=DATA,
            help="Share of the patients to validate on where the data set has no graded val split.",
        ),
    ] = 0.2  # fmt: skip
    backbone: Annotated[
        str,
        Option(
            help="resnet18, resnet34, vgg16, efficientnet_b0, densenet121, mobilenet_v2, or any timm model.",
            rich_help_panel=MODEL,
        ),
    ] = "tf_efficientnet_lite0"
    weights: Annotated[Weights, Option(help="What the backbone starts from.", rich_help_panel=MODEL)] = "imagenet"
    size: Annotated[
        int | None,
        Option(
            min=32,
            help="Side of the network's input in pixels; the backbone's own by default.",
            rich_help_panel=MODEL,
        ),
    ] = None
    dropout: Annotated[float, Option(min=0.0, max=0.95, help="Before the head.", rich_help_panel=MODEL)] = 0.2
    freeze: Annotated[
        Freeze,
        Option(
            help="backbone: train the head alone, on activations computed once for the plain photograph and --copies"
            " augmented ones.",
            rich_help_panel=MODEL,
        ),
    ] = "none"
    copies: Annotated[
        int,
        Option(min=0, help="Augmented copies a photograph for --freeze backbone.", rich_help_panel=MODEL),
    ] = 8
    loss: Annotated[str, Option(help=_listing(LOSSES), rich_help_panel=LEARNING)] = "regression"
    augment: Annotated[str, Option(help=_listing(POLICIES), rich_help_panel=LEARNING)] = "medium"
    epochs: Annotated[int, Option(min=1, rich_help_panel=LEARNING)] = 12
    batch_size: Annotated[int, Option(min=1, rich_help_panel=LEARNING)] = 16
    lr: Annotated[
        float, Option(min=0.0, help="Highest learning rate, after the warm-up.", rich_help_panel=LEARNING)
    ] = 3e-4
    weight_decay: Annotated[float, Option(min=0.0, rich_help_panel=LEARNING)] = 0.02
    choose: Annotated[
        Choose,
        Option(
            help="What picks the epoch: val, an inner 15 % of the training patients, or none (the last epoch counts).",
            rich_help_panel=LEARNING,
        ),
    ] = "val"
    patience: Annotated[
        int | None,
        Option(
            min=1,
            help="Stop after so many epochs without a better quadratic kappa.",
            rich_help_panel=LEARNING,
        ),
    ] = None
    seed: Annotated[int, Option(min=0, max=2**32 - 1, rich_help_panel=LEARNING)] = 0
    device: Annotated[Device, Option(help="auto: a GPU if there is one.", rich_help_panel=MACHINE)] = "auto"
    bank_size: Annotated[
        int | None,
        Option(
            min=32, rich_help_panel=MACHINE,
            help="Side of the photographs kept in memory; by default 1.15 times --size, room to zoom in.",
        ),
    ] = None  # fmt: skip
    workers: Annotated[
        int | None,
        Option(min=1, help="Threads that read photographs; one a core by default.", rich_help_panel=MACHINE),
    ] = None
    cache_dir: Annotated[
        Path | None,
        Option(
            help="Where photographs go that do not fit in memory; the user's cache by default.",
            rich_help_panel=MACHINE,
        ),
    ] = None

    def __post_init__(self) -> None:
        """Check names against the catalogue.

        Raises:
            UsageError: an unknown loss or augmentation policy.
        """
        find(LOSSES, "loss", self.loss)
        find(POLICIES, "augmentation policy", self.augment)


# What may differ between an interrupted training and the one that goes on: where things lie and what computes.
CIRCUMSTANTIAL = frozenset({"data", "device", "workers", "cache_dir"})
