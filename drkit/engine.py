"""Functions that are mapped over many items: in threads of this machine, or on a Dask cluster."""

import logging
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

import drkit
from drkit.errors import InputError, UsageError
from drkit.machine import allowed_cpus
from drkit.progress import notify, track

ITEMS_PER_TASK = 16
PATIENCE = 10  # seconds to wait for a scheduler
Item = TypeVar("Item")
Result = TypeVar("Result")


def map_items(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    description: str,
    workers: int | None = None,
    scheduler: str | None = None,
) -> list[Result]:
    """Apply a function to each item, in parallel, and show the progress.

    Args:
        function: Function of an item; for a cluster, a function of a module or a `partial` of one.
        items: N items.
        description: Text of the progress bar.
        workers: Number of threads; None for one per allowed CPU.
        scheduler: Address of a Dask cluster to use instead; None for this machine.

    Returns:
        N results, in the order of the items.

    Raises:
        UsageError: Dask is not installed.
        InputError: the cluster cannot be used, or has lost its workers.
    """
    if scheduler is None:
        with ThreadPoolExecutor(workers or allowed_cpus()) as pool:
            return list(track(pool.map(function, items), description, len(items)))
    with closing(map_on_cluster(function, items, scheduler)) as numbered:
        results = dict(track(numbered, description, len(items)))
    return [results[number] for number in range(len(items))]


def map_on_cluster(
    function: Callable[[Item], Result], items: Sequence[Item], scheduler: str, items_per_task: int = ITEMS_PER_TASK
) -> Generator[tuple[int, Result], None, None]:
    """Apply a function to each item on a Dask cluster; the items of a lost worker are given to another one.

    Args:
        function: A function of a module, or a `partial` of one.
        items: The items, which are pickled.
        scheduler: Address of the cluster's scheduler.
        items_per_task: Number of items that are sent to a worker at once.

    Yields:
        Number and result of each item as soon as it is finished, in any order.

    Raises:
        UsageError: Dask is not installed.
        InputError: the scheduler does not answer or is lost, a worker has another version of drkit, or the same items
            have ended several workers.
    """
    with _connect(scheduler) as client:
        from distributed import KilledWorker, as_completed

        _check_workers(client, scheduler)
        starts = range(0, len(items), items_per_task)
        parts = [items[start : start + items_per_task] for start in starts]
        tasks = client.map(_apply, [function] * len(parts), parts, pure=False)  # pure=True would return earlier results
        start_of = {task.key: start for task, start in zip(tasks, starts, strict=True)}
        try:
            for task, results in as_completed(tasks, with_results=True):
                if task.cancelled():
                    raise InputError(f"the Dask scheduler {scheduler} was lost: restart it, and repeat the command")
                task.release()
                yield from enumerate(results, start_of[task.key])
        except KilledWorker as error:
            raise InputError(
                f"the Dask cluster {scheduler} lost {error.allowed_failures + 1} workers on the same photographs: do"
                " they have enough memory?"
            ) from None


def _apply(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [function(item) for item in items]


def _connect(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--engine dask needs Dask: pip install 'drkit[dask]'") from None
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # lost workers are replaced, and other errors are raised
    try:
        return Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {scheduler} ({error}): start one, or correct the address"
        ) from None


def _check_workers(client: Any, scheduler: str) -> None:
    """Check that the workers of a cluster have this version of drkit; tell the user if there are no workers yet.

    Raises:
        InputError: a worker has another version, or none.
    """
    workers = client.get_versions(packages=["drkit"])["workers"]
    if not workers:
        notify(f"the Dask cluster {scheduler} has no workers yet: waiting for one")
    for address, versions in workers.items():
        version = versions["packages"]["drkit"]
        if version != drkit.__version__:
            raise InputError(
                f"the Dask worker {address} has drkit {version}, expected {drkit.__version__}: install the same"
                " version on all machines"
            )
