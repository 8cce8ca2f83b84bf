"""Run commands on disks that are full, read-only, or become read-only, and check that nothing is half written.

Each command runs on a small tmpfs: with less space than it needs, mounted read-only, or made read-only after a random
part of the time that it takes. It has to end with a refusal of one line (or, where the space was enough, as
undisturbed); every file under a final name has to equal the one that an undisturbed command writes; and once the disk
has space and can be written, the same command, with --resume or --force where drkit asks for it, has to complete the
folder. Needs root, to mount. Prints a row per command, and ends with 1 if there are faults.

    python tests/campaigns/disks.py --disks 120
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from commands import (
    COMMANDS,
    Outcome,
    Undisturbed,
    add_inputs,
    find_faults,
    import_slow_packages,
    make_folder,
    run,
    run_undisturbed,
    workshop,
)

KINDS = ("full", "read-only", "becomes read-only")
PAGE = 4096
ENOUGH = 2**28


def mount(folder: Path, *options: str) -> bool:
    """Mount a tmpfs, or mount it anew with other options; return whether that was possible."""
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", folder]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A tmpfs of 256 MiB in a folder."""
    if not mount(folder, f"size={ENOUGH}"):
        raise SystemExit("a tmpfs cannot be mounted: run this as root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def make_read_only(folder: Path, seconds: float) -> Callable[[int], None]:
    """A disturbance that makes the disk read-only after some seconds, as soon as no file is open for writing."""

    def disturb(_: int) -> None:
        time.sleep(seconds)
        for _ in range(100):
            if mount(folder, "remount", "ro"):
                return
            time.sleep(0.01)

    return disturb


def is_refused(outcome: Outcome) -> bool:
    """Whether a command ended with a refusal in a line, which may follow its usual output."""
    return outcome.code == 2 and "Traceback" not in outcome.output and "drkit: error:" in outcome.output


def examine(
    kind: str, arguments: list[str], base: Path, undisturbed: Undisturbed, generator: random.Random
) -> list[str]:
    """Run a command on a disk of one kind, and return its faults."""
    folder, disturb = make_folder(base, "disk"), None
    needed = sum(map(len, undisturbed.contents.values())) + PAGE * len(undisturbed.contents)
    with small_disk(folder):
        add_inputs(base, folder)
        if kind == "full":
            (folder / "filler").write_bytes(bytes(ENOUGH - generator.randrange(PAGE, needed, PAGE)))
        elif kind == "read-only":
            mount(folder, "remount", "ro")
        else:
            disturb = make_read_only(folder, generator.uniform(0, undisturbed.seconds))
        outcome = run(arguments, folder, disturb)
        mount(folder, "remount", "rw")
        (folder / "filler").unlink(missing_ok=True)
        faults = list(find_faults(arguments, folder, undisturbed))
        if outcome.code != 0 and not is_refused(outcome):
            faults.append(f"ended with {outcome.code}: {outcome.output[-300:]}")
    return is_refused(outcome), faults


def main() -> None:
    """Run the campaign, and print a row per command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--disks", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=COMMANDS, help="commands, by default all")
    options = parser.parse_args()
    if os.geteuid():
        raise SystemExit("a tmpfs cannot be mounted: run this as root")
    import_slow_packages()
    generator, names = random.Random(options.seed), list(options.only or COMMANDS)
    undisturbed: dict[str, Undisturbed] = {}
    faults: dict[str, list[str]] = {name: [] for name in names}
    refused = Counter[str]()
    with workshop() as base:
        for number in range(options.disks):
            name, kind = names[number % len(names)], KINDS[number // len(names) % len(KINDS)]
            arguments = COMMANDS[name].split()
            if name not in undisturbed:
                undisturbed[name] = run_undisturbed(arguments, make_folder(base, "undisturbed"))
            was_refused, new = examine(kind, arguments, base, undisturbed[name], generator)
            refused[name] += was_refused
            faults[name] += [f"{kind}: {fault}" for fault in new]
            print(f"{number + 1} {name}, {kind}: {'refused' * was_refused} {new or ''}", file=sys.stderr, flush=True)
    print("| command | refused | faults |\n|---|---|---|")
    for name in names:
        print(f"| {name} | {refused[name]} | {len(faults[name])} |")
    print(f"\n{options.disks} disks, {refused.total()} refusals")
    print("\n".join(f"{name}: {fault}" for name in names for fault in faults[name]))
    raise SystemExit(any(faults.values()))


if __name__ == "__main__":
    main()
