"""Damage, replace or remove inputs while commands read them, and check that no command crashes or leaves half a result.

Each command runs on copies of its inputs, one of which is cut off, overwritten by another file of its type, or
removed after a random part of the time that the command takes. The command has to end as usual or with a refusal of
one line, and what it leaves has to be complete JSON. With the input restored, the same command, with --resume or
--force where drkit asks for it, has to complete the folder as if nothing had happened. Prints a row per command, and
ends with 1 if there are faults.

    python tests/campaigns/changing_inputs.py --runs 112
"""

import random
import shutil
import time
from pathlib import Path

from commands import (
    COMMANDS,
    Case,
    find_faults_of_completion,
    make_folder,
    parse_options,
    read_contents,
    run,
    run_campaign,
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


def inputs_of(arguments: list[str], folder: Path) -> list[Path]:
    """The files that a command reads: those of the data set and of the runs that it names."""
    words = [word for word in arguments if word.startswith(("eyes", "runs/"))]
    files = [path for path in sorted(folder.glob("*/**/*")) if path.is_file()]
    relevant = [path for path in files if any(str(path.relative_to(folder)).startswith(word) for word in words)]
    return relevant or files


def examine(case: Case, generator: random.Random) -> tuple[bool, list[str]]:
    """Run a command while one of its inputs changes; return whether it was refused, and its faults."""
    folder = make_folder(case.base, "changed", copy=True)
    path, kind = generator.choice(inputs_of(case.arguments, folder)), generator.choice(KINDS)
    seconds = generator.uniform(0, case.undisturbed.seconds)

    def disturb(_: int) -> None:
        time.sleep(seconds)
        change(path, kind, generator)

    outcome = run(case.arguments, folder, disturb)
    faults = []
    if outcome.code not in (0, 2) or "Traceback" in outcome.output:
        faults.append(f"ended with {outcome.code}: {outcome.output[-300:]}")
    try:
        read_contents(folder / "out")
    except ValueError as error:
        faults.append(f"an incomplete record: {error}")
    shutil.copyfile(case.base / path.relative_to(folder), path)
    if outcome.code == 0:  # the output is of the changed input
        shutil.rmtree(folder / "out", ignore_errors=True)
    faults += find_faults_of_completion(case.arguments, folder, case.undisturbed)
    return outcome.code == 2, [f"{path.relative_to(folder)} {kind}: {fault}" for fault in faults]


if __name__ == "__main__":
    options = parse_options(__doc__, 112, READING)
    random_numbers = random.Random(options.seed)
    run_campaign(options.only, options.runs, "refused", lambda case: examine(case, random_numbers), copy=True)
