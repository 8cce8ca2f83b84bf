"""Devices and precisions of a training, and of inference outside a training."""

from contextlib import nullcontext
from functools import partial
from typing import Literal

import torch
from lightning_fabric import Fabric

from drkit.config.training_options import MachineOptions
from drkit.errors import UsageError
from drkit.inference import Autocast

FabricPrecision = Literal["32-true", "bf16-mixed", "16-mixed"]
PRECISIONS: dict[str, FabricPrecision] = {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def pick_device(name: str) -> torch.device:
    """Pick the device that `--device` names; `auto` prefers a GPU.

    Raises:
        UsageError: this machine does not have the device, or torch cannot compute on it.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name != "auto" and not available[name]:
        raise UsageError(f"--device {name} is not on this machine: choose auto or cpu")
    kind = next(kind for kind in ("cuda", "mps", "cpu") if available[kind]) if name == "auto" else name
    device = torch.device(kind)
    _check_kernels(device)
    return device


def check_machine(config: MachineOptions) -> None:
    """Check, before any work, that this machine has the requested devices and precision.

    Raises:
        UsageError: a device or the precision is not available.
    """
    device = pick_device(config.device)
    num_devices = {"cuda": torch.cuda.device_count, "mps": lambda: 1}.get(device.type)
    if num_devices and config.devices > num_devices():
        raise UsageError(
            f"--devices {config.devices} needs {config.devices} GPUs, but this machine has {num_devices()}: choose"
            f" --devices {num_devices()}"
        )
    pick_precision(config.precision, device)


def pick_precision(name: str, device: torch.device) -> FabricPrecision:
    """Pick the precision that `--precision` names, by its name in Fabric.

    Raises:
        UsageError: the device does not have the precision.
    """
    if name == "fp16" and device.type == "cpu":
        raise UsageError("--precision fp16 needs a GPU: use bf16 or 32")
    if name != "auto":
        return PRECISIONS[name]
    if device.type != "cuda":
        return "32-true"
    has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)  # a T4, P100 or V100 emulates it slowly
    return "bf16-mixed" if has_bf16 else "16-mixed"


def build_autocast(precision: str, device: torch.device) -> Autocast:
    """Build the autocast context for inference outside a training.

    Args:
        precision: `auto`, `32`, `bf16` or `fp16`, as for `--precision`.
        device: Device on which the networks run.

    Raises:
        UsageError: the device does not have the precision.
    """
    dtypes = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    dtype = dtypes.get(pick_precision(precision, device))
    return partial(torch.autocast, device.type, dtype) if dtype else nullcontext


def describe_machine(fabric: Fabric) -> dict[str, str | int]:
    """Describe the device, precision and number of processes of a training."""
    fabric_name = fabric.strategy.precision.precision
    precision = next((name for name, known in PRECISIONS.items() if known == fabric_name), str(fabric_name))
    return {"device": fabric.device.type, "precision": precision, "processes": fabric.world_size}


def check_compiler(device: torch.device) -> None:
    """Check, before any work, that torch can compile a small function for a device.

    Raises:
        UsageError: torch cannot compile; on a CPU it needs a C++ compiler, on a GPU Triton and a C compiler.
    """
    try:
        torch.compile(torch.sin)(torch.ones(2, device=device))
    except Exception as error:  # dynamo, its backends and their compilers raise many kinds of errors
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(
            f"--compile: torch cannot compile on this machine ({reason}): install a C and C++ compiler (gcc and g++),"
            " or leave --compile out"
        ) from None


def _check_kernels(device: torch.device) -> None:
    """Check that torch has kernels for a device by running one.

    Raises:
        UsageError: torch has no kernels for the device, or the driver does not work.
    """
    if device.type == "cpu":
        return
    try:
        (torch.ones(2, device=device) + 1).tolist()
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(
            f"--device {device.type}: torch {torch.__version__} cannot compute on this GPU ({reason}): install a torch"
            " that is built for it, or use --device cpu"
        ) from None
