"""Export a run's network to a folder that `timm.create_model("local-dir:...")` can open."""

from collections.abc import Mapping
from functools import singledispatch
from pathlib import Path
from typing import Any

import torch
from timm.models import save_for_hf
from torch import Tensor, nn

from drkit.data.units import UnitIndex
from drkit.errors import UsageError
from drkit.grades import GRADE_NAMES
from drkit.losses.ordinal import SeverityAndThresholds
from drkit.models.fusion import AttentionFusion, Fusion, MeanMaxFusion, SinglePhotograph
from drkit.models.grader import Grader
from drkit.models.networks import create_network, side_options
from drkit.models.restoring import OpenedRun

POOL = "catavgmax"  # timm's name of the concatenated mean and maximum
TOLERANCE = 1e-3  # of logits


def build_timm_network(opened: OpenedRun) -> nn.Module:
    """Build a timm network that computes the run's logits for a single photograph.

    drkit's pool is timm's `catavgmax`. For a single photograph, every fusion except concatenation is linear and is
    merged into the linear head.

    Args:
        opened: A run of a single network.

    Raises:
        UsageError: timm cannot represent the run's network.
    """
    grader, architecture = opened.graders[0], opened.header.architecture
    if len(opened.graders) > 1:
        raise UsageError(
            f"{opened.run.stem} has {len(opened.graders)} networks, but a timm folder can only contain one: choose it"
            " with --fold or --network-seed, or export their mean with --format onnx"
        )
    for is_used, part in ((architecture.attention, "attention blocks"), (architecture.unshared, "unshared backbones")):
        if is_used:
            raise UsageError(f"{opened.run.stem} has {part}, which timm cannot represent: use --format onnx")
    weight, bias = _linear_head(grader.head.output)
    weight = fold_fusion(grader.fusion, weight)
    try:
        network = create_network(
            architecture.backbone,
            global_pool=POOL,
            num_classes=len(bias),
            **side_options(architecture.backbone, architecture.side),
        )
        network.load_state_dict({**network.state_dict(), **grader.backbone.network.state_dict()})
        classifier = network.get_classifier()  # type: ignore[operator]
        with torch.no_grad():
            classifier.weight.copy_(weight)
            classifier.bias.copy_(bias)
        _check_same(grader, network.eval(), architecture.side)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"timm's {architecture.backbone} cannot be built with drkit's pool and head ({reason}): use --format onnx"
        ) from error
    return network


def write_timm_folder(opened: OpenedRun, network: nn.Module, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write `config.json` and `model.safetensors`.

    Args:
        opened: The run.
        network: The network from `build_timm_network`.
        folder: Folder to create.
        facts: Facts about the run that are stored in config.json under `drkit`.
    """
    header = opened.header
    num_outputs = network.num_classes
    names = [name.replace(" ", "_") for name in GRADE_NAMES] if num_outputs == len(GRADE_NAMES) else None
    save_for_hf(
        network,
        str(folder),
        model_config={"num_classes": num_outputs, "drkit": dict(facts)} | ({"label_names": names} if names else {}),
        model_args={"global_pool": POOL, **side_options(header.architecture.backbone, header.architecture.side)},
        data_config={
            "input_size": (3, header.architecture.side, header.architecture.side),
            "mean": header.mean,
            "std": header.std,
            "interpolation": "bilinear",
            "crop_pct": 1.0,
        },
        safe_serialization=True,
    )


@singledispatch
def fold_fusion(fusion: Fusion, weight: Tensor) -> Tensor:
    """Merge a fusion into the head's weight (O, F'), giving the weight (O, F) for units of a single photograph.

    Raises:
        UsageError: the fusion needs all photographs of a unit.
    """
    raise UsageError("the run uses --fusion concat, which cannot grade single photographs: use --format onnx")


@fold_fusion.register(SinglePhotograph)
@fold_fusion.register(AttentionFusion)
def _(fusion: Fusion, weight: Tensor) -> Tensor:
    return weight


@fold_fusion.register
def _(fusion: MeanMaxFusion, weight: Tensor) -> Tensor:
    of_mean, of_highest = weight.chunk(2, 1)
    return of_mean + of_highest


def _linear_head(output: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight (O, F) and bias (O,) of a head's last layer."""
    if isinstance(output, SeverityAndThresholds):
        thresholds = output.thresholds().detach()
        return output.severity.weight.detach().expand(len(thresholds), -1), -thresholds
    return output.get_parameter("weight").detach(), output.get_parameter("bias").detach()


def _check_same(grader: Grader, network: nn.Module, side: int) -> None:
    """Check that both networks compute the same logits.

    Raises:
        ValueError: the logits differ.
    """
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        difference = float((grader(images, UnitIndex.alone(2)) - network(images)).abs().max())
    if difference > TOLERANCE:
        raise ValueError(f"its logits differ by {difference:.3g}")
