"""Damage, replace or remove inputs while commands read them, and check that no command crashes or leaves half a result.

Each command runs on copies of its inputs, one of which is cut off, overwritten by another file of its type, or
removed after a random part of the time that the command takes. The command has to end as usual or with a refusal of
one line, and what it leaves has to be complete JSON. With the input restored, the same command, with --resume or
--force where drkit asks for it, has to complete the folder as if nothing had happened. Prints a row per command, and
ends with 1 if there are faults.

    python tests/campaigns/changing_inputs.py --changes 120
"""

import argparse
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from commands import (
    COMMANDS,
    Undisturbed,
    find_faults_of_completion,
    import_slow_packages,
    make_folder,
    read_contents,
    run,
    run_undisturbed,
    workshop,
)

KINDS = ("cut off", "overwritten", "removed")
READING = [name for name in COMMANDS if name != "synth"]


def change(path: Path, kind: str, generator: random.Random) -> None:
    """Change a file in place."""
    if kind == "removed":
        path.unlink()
    elif kind == "cut off":
        content = path.read_bytes()
        path.write_bytes(content[: generator.randrange(len(content) or 1)])
    else:
        alike = sorted(other for other in path.parent.glob(f"*{path.suffix}") if other != path)
        path.write_bytes((generator.choice(alike) if alike else path).read_bytes())


def change_after(seconds: float, path: Path, kind: str, generator: random.Random) -> Callable[[int], None]:
    """A disturbance that changes a file after some seconds."""

    def disturb(_: int) -> None:
        time.sleep(seconds)
        change(path, kind, generator)

    return disturb


def inputs_of(arguments: list[str], folder: Path) -> list[Path]:
    """The files that a command reads: those of the data set and of the runs that it names."""
    words = [word for word in arguments if word.startswith(("eyes", "runs/"))]
    files = [path for path in sorted(folder.glob("*/**/*")) if path.is_file()]
    relevant = [path for path in files if any(str(path.relative_to(folder)).startswith(word) for word in words)]
    return relevant or files


def examine(
    arguments: list[str], base: Path, undisturbed: Undisturbed, generator: random.Random
) -> tuple[bool, list[str]]:
    """Run a command whose input changes, and return whether it was refused, and its faults."""
    folder = make_folder(base, "changed", copy=True)
    path, kind = generator.choice(inputs_of(arguments, folder)), generator.choice(KINDS)
    disturb = change_after(generator.uniform(0, undisturbed.seconds), path, kind, generator)
    outcome = run(arguments, folder, disturb)
    faults = []
    if outcome.code not in (0, 2) or "Traceback" in outcome.output:
        faults.append(f"ended with {outcome.code}: {outcome.output[-300:]}")
    try:
        read_contents(folder / "out")
    except ValueError as error:
        faults.append(f"an incomplete record: {error}")
    shutil.copyfile(base / path.relative_to(folder), path)
    if outcome.code == 0:  # the output is of the changed input
        shutil.rmtree(folder / "out", ignore_errors=True)
    faults += find_faults_of_completion(arguments, folder, undisturbed)
    return outcome.code == 2, [f"{path.relative_to(folder)} {kind}: {fault}" for fault in faults]


def main() -> None:
    """Run the campaign, and print a row per command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=READING, help="commands, by default all that read")
    options = parser.parse_args()
    import_slow_packages()
    generator, names = random.Random(options.seed), list(options.only or READING)
    undisturbed: dict[str, Undisturbed] = {}
    faults: dict[str, list[str]] = {name: [] for name in names}
    refused = Counter[str]()
    with workshop() as base:
        for number in range(options.changes):
            name = names[number % len(names)]
            arguments = COMMANDS[name].split()
            if name not in undisturbed:
                undisturbed[name] = run_undisturbed(arguments, make_folder(base, "undisturbed", copy=True))
            was_refused, new = examine(arguments, base, undisturbed[name], generator)
            refused[name] += was_refused
            faults[name] += new
            print(f"{number + 1} {name}: {'refused' * was_refused} {new or ''}", file=sys.stderr, flush=True)
    print("| command | refused | faults |\n|---|---|---|")
    for name in names:
        print(f"| {name} | {refused[name]} | {len(faults[name])} |")
    print(f"\n{options.changes} changes, {refused.total()} refusals")
    print("\n".join(f"{name}: {fault}" for name in names for fault in faults[name]))
    raise SystemExit(any(faults.values()))


if __name__ == "__main__":
    main()
