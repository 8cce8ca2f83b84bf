"""The weights that a training starts from: ImageNet weights, random weights, a file, or a finished run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from drkit.data.rendering import InputFormat
from drkit.errors import UsageError
from drkit.models.backbones import Backbone, resolve_backbone
from drkit.models.timm_config import NoTimmConfigError, TimmConfig, read_timm_config
from drkit.models.weights import ForeignWeights, parse_address, read_foreign
from drkit.progress import notify
from drkit.records.checkpoint import CheckpointHeader
from drkit.records.runs import UNKNOWN_PHOTOGRAPHS, read_run_record, verify_checksums

DEFAULT_BACKBONE = "tf_efficientnet_lite0"


@dataclass(frozen=True, kw_only=True)
class InitialWeights:
    """The weights that a training starts from.

    Args:
        backbone: timm's name of the backbone.
        foreign: Weights from a file; None for ImageNet or random weights.
        is_pretrained: Whether the backbone starts from timm's ImageNet weights.
        seen: SHA-256 of the photographs that the weights were trained on; "unknown" for weights not from drkit.
        chosen_by: SHA-256 of the photographs that selected the epoch of the weights but were not trained on.
        descends_from: Names of the packaged runs among the weights and their own initial weights.
        input_format: Input format stated by the repository that names the backbone; None if timm knows it.
    """

    backbone: str
    foreign: ForeignWeights | None = None
    is_pretrained: bool = False
    seen: frozenset[str] = frozenset()
    chosen_by: frozenset[str] = frozenset()
    descends_from: tuple[str, ...] = ()
    input_format: InputFormat | None = None

    def __str__(self) -> str:
        """Name of the weights in messages."""
        return str(self.foreign or ("imagenet" if self.is_pretrained else "none"))

    @property
    def parent(self) -> CheckpointHeader | None:
        """Header of the drkit run that the weights come from; None for other weights."""
        return self.foreign.header if self.foreign else None

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the weights file; None for ImageNet or random weights."""
        return self.foreign.sha256 if self.foreign else None

    def load(self, backbones: Sequence[Backbone]) -> None:
        """Load weights from a file into a grader's backbones; timm loads ImageNet and random weights.

        Raises:
            InputError: the file contains less than 95 % of the backbone's parameters.
        """
        if self.foreign is None:
            return
        report = backbones[0].load_foreign(self.foreign)
        for line in report.render():
            notify(str(line))
        for other in backbones[1:]:
            other.load_foreign(self.foreign.of_second())


def find_initial_weights(weights: str, backbone: str | None) -> InitialWeights:
    """Find the weights that `--weights` and `--backbone` name.

    Raises:
        UsageError: the backbone is unknown.
        InputError: the file or repository does not exist, or has no weights.
    """
    repository, config = _find_config(weights, backbone)
    name = config.backbone if config else resolve_backbone(backbone or DEFAULT_BACKBONE)
    initial = InitialWeights(backbone=name, input_format=config.input_format if config else None)
    if weights == "none":
        return initial
    if weights == "imagenet" and not repository:
        return replace(initial, is_pretrained=True)
    foreign = read_foreign(repository if weights == "imagenet" else weights, name)
    initial = replace(initial, foreign=foreign)
    if foreign.header and not backbone:
        initial = replace(initial, backbone=foreign.header.architecture.backbone)
    if foreign.run is None or not foreign.run.record.is_file():
        return replace(initial, seen=frozenset([UNKNOWN_PHOTOGRAPHS]))
    record = read_run_record(foreign.run)
    verify_checksums(foreign.run, record, foreign.path)
    return replace(
        initial,
        seen=frozenset(record["trained_on_photographs"]),
        chosen_by=frozenset(record["chosen_by_photographs"]),
        descends_from=tuple(record["descends_from"]),
    )


def _find_config(weights: str, backbone: str | None) -> tuple[str, TimmConfig | None]:
    """Find the repository that `--backbone` names, and the timm configuration of that repository or of `--weights`."""
    if backbone and (address := parse_address(backbone)):
        repository, file = address
        if file:
            raise UsageError(f"--backbone {backbone} names a file: use --backbone {repository} --weights {backbone}")
        return str(repository), read_timm_config(repository)
    if backbone or not (address := parse_address(weights)):
        return "", None
    try:
        return "", read_timm_config(address[0])
    except NoTimmConfigError:  # the weights may be drkit's, whose header names the backbone
        return "", None
