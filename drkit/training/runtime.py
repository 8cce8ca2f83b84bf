"""Devices, precision, processes, and the random seeds of an epoch."""

import ctypes
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import cache, partial
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.utilities.rank_zero import rank_zero_only
from torch.nn.parallel import DistributedDataParallel

from drkit.config.training_options import MachineOptions
from drkit.errors import DrkitError, Interrupted, UsageError
from drkit.inference import Autocast
from drkit.machine import allowed_cpus
from drkit.progress import SilentReporter, reporting_to

if TYPE_CHECKING:  # some builds of torch have no processes
    from torch.distributed import ProcessGroup

warnings.filterwarnings("ignore", "The `srun` command")  # of Lightning, about how its own programs are started

POLL_SECONDS = 0.05
TIMEOUT = timedelta(days=1)  # of waiting for another process; long, because one decodes all photographs
# Messages of gloo when another process has ended; NCCL raises errors of torch.distributed.
LOST_PROCESS = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo/transport")
Result = TypeVar("Result")
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
    _pick_precision(config.precision, device)


def start_fabric(config: MachineOptions, *, leaves_out: bool = False) -> Fabric:
    """Start the processes of a training; every process returns from this function with its own device.

    Args:
        config: Device, number of devices and nodes, strategy and precision.
        leaves_out: Whether some parameters get no gradient in some steps.

    Raises:
        UsageError: a device, precision or strategy is not available on this machine.
    """
    check_machine(config)
    device = pick_device(config.device)
    if torch.get_num_threads() > allowed_cpus():
        torch.set_num_threads(allowed_cpus())
    strategy: str | DDPStrategy = config.strategy
    if strategy in ("auto", "ddp") and config.devices * config.nodes > 1:
        strategy = _ddp_strategy(leaves_out)
    settings: dict[str, Any] = {"strategy": strategy, "devices": config.devices, "num_nodes": config.nodes}
    options = f"--devices {config.devices} --nodes {config.nodes} --strategy {config.strategy}"
    try:
        fabric = Fabric(accelerator=device.type, precision=_pick_precision(config.precision, device), **settings)
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"{options}: {str(error).splitlines()[0]}") from None
    try:
        fabric.launch()
    except ValueError as error:  # torchrun or SLURM has started another number of processes
        raise UsageError(f"{options}: {str(error).splitlines()[0]}") from None
    return fabric


def build_autocast(precision: str, device: torch.device) -> Autocast:
    """Build the autocast context for inference outside a training.

    Args:
        precision: `auto`, `32`, `bf16` or `fp16`, as for `--precision`.
        device: Device on which the networks run.

    Raises:
        UsageError: the device does not have the precision.
    """
    dtypes = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    dtype = dtypes.get(_pick_precision(precision, device))
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


def is_helper() -> bool:
    """Whether this process is not the first of its training."""
    return bool(rank_zero_only.rank)  # type: ignore[attr-defined]


@contextmanager
def only_first_reports() -> Iterator[None]:
    """Silence progress and errors in all processes of a training but the first."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    if not is_helper():
        yield
        return
    with reporting_to(SilentReporter()):
        try:
            yield
        except Interrupted:
            leave_at_once()
        except DrkitError as error:
            leave_at_once(error.exit_code)


def leave_at_once(exit_code: int = 0) -> None:
    """End this process without the usual clean-up, which would wait for processes that have ended."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def leave_helpers(fabric: Fabric) -> None:
    """End all processes but the first, which writes the results; their launcher ends all when one fails."""
    if fabric.global_rank > 0:
        leave_at_once()


def run_together(fabric: Fabric, function: Callable[[], Result], group: "ProcessGroup | None" = None) -> list[Result]:
    """Call a function in every process, wait until all have returned, and gather their results.

    Args:
        fabric: Processes of the training.
        function: Function to call.
        group: The processes that call it; None: all.

    Raises:
        DrkitError: the error that one of them raised, in every process.
    """
    if fabric.world_size == 1:
        return [function()]
    outcome: Result | DrkitError
    try:
        outcome = function()
    except DrkitError as error:
        outcome = error
    barrier = torch.distributed.barrier(group, async_op=True)
    while not barrier.is_completed():  # polled, because a blocking wait would ignore signals
        time.sleep(POLL_SECONDS)
    outcomes: list[Any] = [None] * torch.distributed.get_world_size(group)
    torch.distributed.all_gather_object(outcomes, outcome, group)
    for each in outcomes:
        if isinstance(each, DrkitError):
            raise each
    return outcomes


def make_once(fabric: Fabric, make: Callable[[], Result], group: "ProcessGroup | None" = None) -> Result:
    """Call a function in the first process of each machine only, and send its result to the machine's processes.

    Args:
        fabric: Processes of the training.
        make: Function to call; large arrays in its result must be in files that other processes can map.
        group: The processes that take part; None: all.

    Raises:
        DrkitError: the error that `make` raised, in every process.
    """
    results = run_together(fabric, lambda: (fabric.node_rank, make() if fabric.local_rank == 0 else None), group)
    return next(result for node, result in results if node == fabric.node_rank)  # type: ignore[return-value]


@cache
def machine_group(fabric: Fabric) -> "ProcessGroup | None":
    """Return the group of this machine's processes; all processes of the training make the first call together."""
    nodes = run_together(fabric, lambda: fabric.node_rank)
    if len(set(nodes)) == 1:
        return None
    ranks = [[rank for rank, node in enumerate(nodes) if node == each] for each in sorted(set(nodes))]
    group, _ = torch.distributed.new_subgroups_by_enumeration(ranks, TIMEOUT)
    return cast("ProcessGroup", group)


def is_lost_process(error: Exception) -> bool:
    """Whether an error means that another process of the training has ended."""
    is_gloo = isinstance(error, RuntimeError) and any(message in str(error) for message in LOST_PROCESS)
    return isinstance(error, torch.distributed.DistError) or is_gloo


def gather(fabric: Fabric, rows: np.ndarray) -> np.ndarray:
    """Concatenate the rows (N, ...) of all processes, in the order of the processes."""
    if fabric.world_size == 1:
        return rows
    gathered = [rows] * fabric.world_size
    torch.distributed.all_gather_object(gathered, rows)
    return np.concatenate(gathered)


def _ddp_strategy(leaves_out: bool) -> DDPStrategy:
    """DDP that synchronises gradients but not buffers; the saved network has the buffers of the first process."""
    parameters = signature(DistributedDataParallel).parameters
    option = "forward_sync_buffers" if "forward_sync_buffers" in parameters else "broadcast_buffers"  # in older torch
    settings: dict[str, Any] = {"find_unused_parameters": leaves_out, option: False}
    return DDPStrategy(timeout=TIMEOUT, **settings)


def _pick_precision(name: str, device: torch.device) -> FabricPrecision:
    if name == "fp16" and device.type == "cpu":
        raise UsageError("--precision fp16 needs a GPU: use bf16 or 32")
    if name != "auto":
        return PRECISIONS[name]
    if device.type != "cuda":
        return "32-true"
    has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)  # a T4, P100 or V100 emulates it slowly
    return "bf16-mixed" if has_bf16 else "16-mixed"


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


def keep_freed_memory() -> None:
    """Let the C library keep the memory of freed tensors instead of returning it to the system after every layer.

    With glibc on Linux, this saves a tenth of the time of training and a third of the time of inference; on other
    systems, the function does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mmap_max, trim_threshold = -4, -1  # glibc's malloc.h: M_MMAP_MAX, M_TRIM_THRESHOLD
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
    except (OSError, AttributeError):  # another C library
        return


def seed_epoch(seed: int, epoch: int) -> np.random.Generator:
    """Seed all random generators by (seed, epoch), so that a resumed training draws the same numbers.

    Returns:
        The generator that draws and shuffles the epoch's units; torch's own generators are seeded as well.
    """
    sequence = np.random.SeedSequence([seed % 2**64, epoch])
    torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))
    return np.random.default_rng(sequence)
