"""All benchmarks one after another, and the page docs/benchmarks.md, which has what they print.

Each runs in a process of its own, on the CPUs that this one may use.

    taskset -c 0 env OMP_NUM_THREADS=1 python tests/benchmarks/run.py [--only NAME ...]
"""

import argparse
import ast
import os
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import torch

from drkit.machine import allowed_cpus

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "benchmarks.md"
# In the order of the page, with what each takes besides its defaults. Not on it: disc.py, which needs real photographs
# and an earlier commit, and seeds.py, which measures no speed.
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "loops": (),
    "training": (),
    "augmentation": (),
    "inference": (),
    "explain": (),
    "preprocess": (),
    "duplicates": (),
    "kappa": (),
    "ensemble": ("20000", "6"),
    "startup": (),
    "scale": ("--photographs", "200", "800", "3200"),  # 1, 4 and 16 times as many
}
SHARED_LOAD = 1.5  # processes that wait for a CPU, per allowed CPU: with more, other work shares it
HEAD = """# Benchmarks

This page says how fast drkit is, compared with the least that the work can cost or with other programs. It is written
by `python tests/benchmarks/run.py`, which runs the benchmarks one after another; the tests run each with `--quick`.
The compared programs take turns, so ratios are more reliable than times.

Machine: {machine}. {versions}. {date}.
{shared}
"""


def describe_machine() -> str:
    """CPU, and how many of its cores the benchmarks may use."""
    info = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    return (
        f"{(models or [platform.machine()])[0]}, {os.cpu_count()} cores, of which the benchmarks use {allowed_cpus()}"
    )


def describe_load(loads: list[float]) -> str:
    """A sentence that other work shared the machine, or an empty one."""
    if max(loads) <= SHARED_LOAD * allowed_cpus():
        return ""
    return (
        f"\n**The machine was shared**: {min(loads):.1f} to {max(loads):.1f} processes used a CPU or waited for one."
        " That affects CPU times a little, and other times and their ratios a lot.\n"
    )


def run(name: str, arguments: tuple[str, ...]) -> str:
    """A section of the page: what is measured, and what the benchmark prints.

    Raises:
        RuntimeError: the benchmark failed.
    """
    script = FOLDER / f"{name}.py"
    done = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
    words = (ast.get_docstring(ast.parse(script.read_text())) or "").split("\n\n")
    described = "\n\n".join(paragraph for paragraph in words if "tests/benchmarks/" not in paragraph)
    command = " ".join(["python", f"tests/benchmarks/{name}.py", *arguments])
    return f"## {name.capitalize()}\n\n{described}\n\n```text\n$ {command}\n{done.stdout.rstrip()}\n```\n"


def main() -> None:
    """Run, and write the page unless only some were chosen, whose sections are then printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    chosen = parser.parse_args().only
    sections, loads = [], []
    for name in chosen:
        start = time.perf_counter()
        sections.append(run(name, BENCHMARKS[name]))
        loads.append(os.getloadavg()[0])
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    if len(chosen) < len(BENCHMARKS):
        print("\n".join(sections))
        return
    versions = f"Python {platform.python_version()}, PyTorch {torch.__version__.partition('+')[0]}"
    date, shared = datetime.now(UTC).date(), describe_load(loads)
    head = HEAD.format(machine=describe_machine(), versions=versions, date=date, shared=shared)
    PAGE.write_text("\n".join([head, *sections]), encoding="utf-8")


if __name__ == "__main__":
    main()
