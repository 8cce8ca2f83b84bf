"""Time measurement and options that several benchmarks share."""

import argparse
import time
from collections.abc import Callable


def best_time(work: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest round, because the others were disturbed."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def cpu_time(work: Callable[[], object]) -> float:
    """Seconds of CPU time of all threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


def build_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with `--quick`, with which the tests check that a benchmark still runs."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="Only see that everything runs.")
    return parser
