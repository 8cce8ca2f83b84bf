"""Kill commands that write at random moments, and check that nothing is lost, half written or different afterwards.

For each kill a command runs in a folder of its own and gets SIGKILL, SIGTERM or Ctrl-C after a random part of the time
that it takes. Then every file under a final name has to be byte for byte the one that an undisturbed command writes
(but for the circumstances in JSON, such as times), and the same command, with --resume or --force where drkit asks for
it, has to complete the folder. Prints a row a command, and ends with 1 where anything was found.

    python tests/campaigns/kills.py --kills 200
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ENDED_WELL = {0, 130, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT}
UNFINISHED = (".resume.pt", "plan.json", "ledger.jsonl")  # what is there until a command is done
TRAINING = "--size 64 --epochs 2 --weights none --backbone test_efficientnet --workers 1 --device cpu --runs-dir out"

# What is run, in folders that hold `eyes`, a data set, and `runs`, two trained runs; all write into `out`.
COMMANDS = {
    "synth": "synth out --patients 5 --size 64",
    "preprocess": "preprocess out --data eyes --steps circle-crop,clahe --size 64 --workers 1",
    "finetune": f"finetune --data eyes --name a {TRAINING}",
    "finetune --folds": f"finetune --data eyes --name a --folds 2 {TRAINING}",
    "finetune --seeds": f"finetune --data eyes --name a --seeds 2 {TRAINING}",
    "attend": f"attend --data eyes --name a --attention se --baseline runs/one.parquet {TRAINING}",
    "predict": "predict runs/one --data eyes --out out/a.parquet --device cpu",
    "ensemble vote": "ensemble vote runs/one runs/two --out out/a.parquet",
    "ensemble stack": "ensemble stack runs/one runs/two --out out/a.parquet",
    "ensemble compare": "ensemble compare runs/one runs/two --out out/a.png",
    "explain": "explain runs/one --data eyes --worst 2 --out out --device cpu",
    "export": "export runs/one --format timm --out out",
    "submit": "submit runs/one --sample eyes/sample_submission.csv --out out/a.csv",
    "plot confusion": "plot confusion runs/one --out out/a.png",
    "plot report": "plot report runs/one --out out/a.html",
}


@dataclass
class Tally:
    """What became of the kills of one command."""

    kills: int = 0
    in_time: int = 0
    signals: Counter = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def run(arguments: list[str], folder: Path, kill: tuple[int, float] | None = None) -> tuple[int, str]:
    """Run drkit in a process of its own, forked from this one, which has imported what is slow to import.

    Args:
        arguments: Of the command line.
        folder: Where it is run.
        kill: A signal, and after how many seconds it is sent.

    Returns:
        The exit code, or the signal that ended it, negative; and what it said.
    """
    told = folder / ".told"
    child = os.fork()
    if child == 0:
        _become_drkit(arguments, folder, told)
    if kill is not None:
        time.sleep(kill[1])
        _send(child, kill[0])
    _, status = os.waitpid(child, 0)
    if kill is not None:
        _send(child, signal.SIGKILL)  # to processes that it has left
    return os.waitstatus_to_exitcode(status), told.read_text(errors="replace").strip()


def _become_drkit(arguments: list[str], folder: Path, told: Path) -> NoReturn:
    """Run a command line in this process, which ends with it."""
    os.chdir(folder)
    os.setsid()
    with told.open("wb") as stream:
        for number in (1, 2):
            os.dup2(stream.fileno(), number)
    sys.argv = ["drkit", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from drkit.cli.app import main

    code = 0
    try:
        main()
    except SystemExit as end:
        sys.stdout.flush()
        code = int(end.code or 0)
    except KeyboardInterrupt:
        code = 130
    except BaseException as error:
        os.write(2, repr(error).encode())
        code = 70
    os._exit(code)


def _send(process: int, sent: int) -> None:
    """Send a signal to a process and those that it has started, as a terminal does."""
    with suppress(ProcessLookupError):
        os.killpg(process, sent)


def contents(out: Path) -> dict[str, bytes]:
    """What lies in a folder under final names, JSON without its circumstances; drafts begin with a dot."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(out).as_posix(): _content(path) for path in files if not path.name.endswith(UNFINISHED)}


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".json" or not content:
        return content
    record = json.loads(content)
    for key in ("made", "seconds", "timing"):
        record.pop(key, None)
    if isinstance(options := record.get("options"), dict):
        options.pop("force", None)  # as the second command is told
    return json.dumps(record, sort_keys=True).encode()


def complete(arguments: list[str], folder: Path) -> str:
    """Run the command again, as drkit asks for it; what went wrong, or nothing."""
    tries = [arguments, [*arguments, "--resume"], [*arguments, "--force"]]
    for attempt in tries:
        if attempt[-1] == "--resume" and arguments[0] not in ("finetune", "attend"):
            continue
        code, told = run(attempt, folder)
        if code == 0:
            return ""
        if code != 2:
            return f"again: ended with {code}: {told[-300:]}"
    return f"again: refused: {told[-300:]}"


def examine(arguments: list[str], folder: Path, code: int, told: str, wanted: dict[str, bytes]) -> Iterator[str]:
    """The faults that a kill has left, if any."""
    if code not in ENDED_WELL or "Traceback" in told:
        yield f"ended with {code}: {told[-300:]}"
    try:
        found = contents(folder / "out")
    except ValueError as error:
        yield f"half a record: {error}"
        found = {}
    yield from (f"half written, or other: {name}" for name in found if found[name] != wanted.get(name))
    if wrong := complete(arguments, folder):
        yield wrong
        return
    done = contents(folder / "out")
    yield from (f"other than undisturbed: {name}" for name in {*done, *wanted} if done.get(name) != wanted.get(name))


@contextmanager
def workshop() -> Iterator[Path]:
    """A folder with the data set and the runs that commands need; locks and caches lie in a folder beside it."""
    place = Path(tempfile.mkdtemp(prefix="drkit-kills-"))
    os.environ["XDG_CACHE_HOME"] = str(place / "cache")
    try:
        base = place / "base"
        base.mkdir()
        prepare = [
            "synth eyes --patients 12 --size 64",
            f"finetune --data eyes --name one --seed 0 {TRAINING.replace('out', 'runs')}",
            f"finetune --data eyes --name two --seed 1 {TRAINING.replace('out', 'runs')}",
        ]
        for line in prepare:
            code, told = run(line.split(), base)
            if code:
                raise SystemExit(f"drkit {line}: {told}")
        yield base
    finally:
        shutil.rmtree(place, ignore_errors=True)


def fresh(base: Path, name: str) -> Path:
    """A folder with links to the data set and the runs, and no output."""
    folder = base.with_name(name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for part in ("eyes", "runs"):
        (folder / part).symlink_to(base / part)
    return folder


def campaign(commands: dict[str, str], kills: int, seed: int) -> dict[str, Tally]:
    """Kill each command in turn until `kills` are done."""
    generator = random.Random(seed)
    tallies = {name: Tally() for name in commands}
    with workshop() as base:
        known: dict[str, tuple[float, dict[str, bytes]]] = {}
        for number in range(kills):
            name = list(commands)[number % len(commands)]
            arguments, tally = commands[name].split(), tallies[name]
            if name not in known:
                folder, start = fresh(base, "undisturbed"), time.perf_counter()
                code, told = run(arguments, folder)
                if code:
                    raise SystemExit(f"drkit {commands[name]}: {told}")
                known[name] = time.perf_counter() - start, contents(folder / "out")
            seconds, wanted = known[name]
            sent, folder = generator.choice(SIGNALS), fresh(base, "killed")
            code, told = run(arguments, folder, (sent, generator.uniform(0, seconds)))
            tally.kills += 1
            tally.in_time += code != 0
            tally.signals[signal.Signals(sent).name] += 1
            tally.faults += [f"{signal.Signals(sent).name}: {fault}" for fault in examine(
                arguments, folder, code, told, wanted
            )]  # fmt: skip
            print(f"{number + 1} {name}: {code} {tally.faults[-1:] or ''}", file=sys.stderr, flush=True)
    return tallies


def main() -> None:
    """Run the campaign, and print a row a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=COMMANDS, help="commands, by default all")
    options = parser.parse_args()
    for module in ("torch", "timm", "sklearn", "pandas", "pyarrow", "cv2", "matplotlib.pyplot", "lightning_fabric"):
        __import__(module)
    tallies = campaign({name: COMMANDS[name] for name in options.only or COMMANDS}, options.kills, options.seed)
    print("| command | kills | before its end | faults |\n|---|---|---|---|")
    for name, tally in tallies.items():
        print(f"| {name} | {tally.kills} | {tally.in_time} | {len(tally.faults)} |")
    print(f"\n{sum((tally.signals for tally in tallies.values()), Counter())}")
    faults = [f"{name}: {fault}" for name, tally in tallies.items() for fault in tally.faults]
    print("\n".join(faults))
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
