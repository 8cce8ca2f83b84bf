"""Run commands on disks that are full, read-only, or become read-only, and check that nothing is half written.

Each command runs on a small tmpfs: with less space than it needs, mounted read-only, or made read-only after a random
part of the time that it takes. It has to end with a refusal of one line (or, where the space was enough, as
undisturbed); every file under a final name has to equal the one that an undisturbed command writes; and once the disk
has space and can be written, the same command, with --resume or --force where drkit asks for it, has to complete the
folder. Needs root, to mount. Prints a row per command, and ends with 1 if there are faults.

    python tests/campaigns/disks.py --runs 90
"""

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from commands import Case, Outcome, add_inputs, find_faults, make_folder, parse_options, run, run_campaign

KINDS = ("full", "read-only", "becomes read-only")
PAGE = 4096
ENOUGH = 2**28


def mount(folder: Path, *options: str) -> bool:
    """Mount a tmpfs, or remount it with other options; return whether that was possible."""
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
    """Return a disturbance that makes the disk read-only after some seconds, as soon as no file is open for writing."""

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


def examine(case: Case, generator: random.Random) -> tuple[bool, list[str]]:
    """Run a command on a disk whose kind depends on the round; return whether it was refused, and its faults."""
    kind, contents = KINDS[case.round % len(KINDS)], case.undisturbed.contents
    folder, disturb = make_folder(case.base, "disk"), None
    needed = sum(map(len, contents.values())) + PAGE * len(contents)
    with small_disk(folder):
        add_inputs(case.base, folder)
        if kind == "full":
            (folder / "filler").write_bytes(bytes(ENOUGH - generator.randrange(PAGE, needed, PAGE)))
        elif kind == "read-only":
            mount(folder, "remount", "ro")
        else:
            disturb = make_read_only(folder, generator.uniform(0, case.undisturbed.seconds))
        outcome = run(case.arguments, folder, disturb)
        mount(folder, "remount", "rw")
        (folder / "filler").unlink(missing_ok=True)
        faults = list(find_faults(case.arguments, folder, case.undisturbed))
        if outcome.code != 0 and not is_refused(outcome):
            faults.append(f"ended with {outcome.code}: {outcome.output[-300:]}")
    return is_refused(outcome), [f"{kind}: {fault}" for fault in faults]


if __name__ == "__main__":
    options = parse_options(__doc__, 90)
    if os.geteuid():
        raise SystemExit("a tmpfs cannot be mounted: run this as root")
    random_numbers = random.Random(options.seed)
    run_campaign(options.only, options.runs, "refused", lambda case: examine(case, random_numbers))
