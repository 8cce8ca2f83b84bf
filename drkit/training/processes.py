"""Processes of a training: how they start, work together, and end."""

import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.utilities.rank_zero import rank_zero_only
from torch.nn.parallel import DistributedDataParallel

from drkit.config.training_options import MachineOptions
from drkit.errors import DrkitError, Interrupted, UsageError
from drkit.machine import allowed_cpus
from drkit.progress import SilentReporter, reporting_to
from drkit.training.devices import check_machine, pick_device, pick_precision

if TYPE_CHECKING:  # some builds of torch have no processes
    from torch.distributed import ProcessGroup

warnings.filterwarnings("ignore", "The `srun` command")  # of Lightning, about how its own programs are started

POLL_SECONDS = 0.05
TIMEOUT = timedelta(days=1)  # of waiting for another process; long, because one decodes all photographs
# Messages of gloo when another process has ended; NCCL raises errors of torch.distributed.
LOST_PROCESS = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo/transport")
Result = TypeVar("Result")


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
        fabric = Fabric(accelerator=device.type, precision=pick_precision(config.precision, device), **settings)
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"{options}: {str(error).splitlines()[0]}") from None
    try:
        fabric.launch()
    except ValueError as error:  # torchrun or SLURM has started another number of processes
        raise UsageError(f"{options}: {str(error).splitlines()[0]}") from None
    return fabric


def _ddp_strategy(leaves_out: bool) -> DDPStrategy:
    """DDP that synchronises gradients but not buffers; the saved network has the buffers of the first process."""
    parameters = signature(DistributedDataParallel).parameters
    option = "forward_sync_buffers" if "forward_sync_buffers" in parameters else "broadcast_buffers"  # in older torch
    settings: dict[str, Any] = {"find_unused_parameters": leaves_out, option: False}
    return DDPStrategy(timeout=TIMEOUT, **settings)


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


def gather(fabric: Fabric, rows: np.ndarray) -> np.ndarray:
    """Concatenate the rows (N, ...) of all processes, in the order of the processes."""
    if fabric.world_size == 1:
        return rows
    gathered = [rows] * fabric.world_size
    torch.distributed.all_gather_object(gathered, rows)
    return np.concatenate(gathered)


def is_lost_process(error: Exception) -> bool:
    """Whether an error means that another process of the training has ended."""
    is_gloo = isinstance(error, RuntimeError) and any(message in str(error) for message in LOST_PROCESS)
    return isinstance(error, torch.distributed.DistError) or is_gloo
