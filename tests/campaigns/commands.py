"""The commands of the campaigns: run in forked processes, in folders of their own, and compared byte for byte."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

SLOW_IMPORTS = ("torch", "timm", "sklearn", "pandas", "pyarrow", "cv2", "matplotlib.pyplot", "lightning_fabric")
ENDING = (signal.SIGINT, signal.SIGTERM)
UNFINISHED = (".resume.pt", "plan.json", "ledger.jsonl")  # files that exist until a command has ended
ADDRESS = f"tcp://127.0.0.1:{20_000 + os.getpid() % 10_000}"  # of the Dask scheduler; campaigns may run side by side
DASK = f"--engine dask --scheduler {ADDRESS}"
TRAINING = "--size 64 --epochs 2 --weights none --backbone test_efficientnet --workers 1 --device cpu --runs-dir out"

# What is run, in folders that contain `eyes`, a data set, and `runs`, two trained runs; all commands write into `out`.
COMMANDS = {
    "synth": "synth out --patients 5 --size 64",
    "preprocess": "preprocess out --data eyes --steps circle-crop,clahe --size 64 --workers 1",
    "preprocess --engine dask": f"preprocess out --data eyes --steps circle-crop,clahe --size 64 --workers 1 {DASK}",
    "finetune": f"finetune --data eyes --name a {TRAINING}",
    "finetune --folds": f"finetune --data eyes --name a --folds 2 {TRAINING}",
    "finetune --seeds": f"finetune --data eyes --name a --seeds 2 {TRAINING}",
    "finetune --devices": f"finetune --data eyes --name a --devices 2 --strategy ddp {TRAINING}",
    "attend": f"attend --data eyes --name a --attention se --baseline runs/one.parquet {TRAINING}",
    "predict": "predict runs/one --data eyes --out out/a.parquet --device cpu",
    "predict --engine dask": f"predict runs/one --data eyes --out out/a.parquet --device cpu {DASK}",
    "ensemble vote": "ensemble vote runs/one runs/two --out out/a.parquet",
    "ensemble stack": "ensemble stack runs/one runs/two --out out/a.parquet",
    "ensemble compare": "ensemble compare runs/one runs/two --out out/a.png",
    "explain": "explain runs/one --data eyes --worst 2 --out out --device cpu",
    "export": "export runs/one --format timm --out out",
    "submit": "submit runs/one --sample eyes/sample_submission.csv --out out/a.csv",
    "plot confusion": "plot confusion runs/one --out out/a.png",
    "plot report": "plot report runs/one --out out/a.html",
}


@dataclass(frozen=True)
class Outcome:
    """The end of a command.

    Args:
        code: Exit code; if a signal ended the command, its negative number.
        output: What the command printed, with both streams joined.
    """

    code: int
    output: str


@dataclass(frozen=True)
class Undisturbed:
    """A command that was not disturbed.

    Args:
        seconds: How long it took.
        contents: The files that it wrote, as of `read_contents`.
    """

    seconds: float
    contents: Mapping[str, bytes]


@dataclass(frozen=True)
class Case:
    """A command that a campaign disturbs.

    Args:
        name: Name of the command, a key of `COMMANDS`.
        round: Number of rounds through all commands that are complete.
        base: Folder with the data set and the runs.
        undisturbed: The same command, undisturbed.
    """

    name: str
    round: int
    base: Path
    undisturbed: Undisturbed

    @property
    def arguments(self) -> list[str]:
        """Arguments of the command line."""
        return COMMANDS[self.name].split()


def parse_options(doc: str | None, runs: int, names: Sequence[str] = tuple(COMMANDS)) -> argparse.Namespace:
    """Parse the options of a campaign: how many runs are disturbed, a seed, and the commands."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=runs, help="number of runs that are disturbed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=names, default=names, help="commands, by default all")
    return parser.parse_args()


def run_campaign(
    names: Sequence[str],
    runs: int,
    outcome: str,
    examine: Callable[[Case], tuple[bool, list[str]]],
    *,
    copy: bool = False,
) -> None:
    """Examine the commands in turn, print a row per command, and exit with 1 if there are faults.

    Args:
        names: Keys of `COMMANDS`.
        runs: Number of runs that are disturbed.
        outcome: Heading of the runs for which `examine` returns true.
        examine: Disturbs one run; returns whether it had this outcome, and its faults.
        copy: Whether the undisturbed command also works on copies of its inputs, whose paths its files may name.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # removes folders and workers, as Ctrl-C
    for module in SLOW_IMPORTS:  # processes that are forked from this one have imported them
        import_module(module)
    undisturbed: dict[str, Undisturbed] = {}
    outcomes, faults = Counter[str](), {name: list[str]() for name in names}
    with workshop() as base, dask_cluster(needed=any(DASK in COMMANDS[name] for name in names)):
        for number in range(runs):
            name = names[number % len(names)]
            if name not in undisturbed:
                folders = (make_folder(base, "undisturbed", copy=copy) for _ in range(2))  # the first starts workers
                twice = [run_undisturbed(COMMANDS[name].split(), folder) for folder in folders]
                undisturbed[name] = min(twice, key=lambda each: each.seconds)
            has_outcome, new = examine(Case(name, number // len(names), base, undisturbed[name]))
            outcomes[name] += has_outcome
            faults[name] += new
            print(f"{number + 1} {name}: {outcome * has_outcome} {new or ''}", file=sys.stderr, flush=True)
    print(f"| command | {outcome} | faults |\n|---|---|---|")
    for name in names:
        print(f"| {name} | {outcomes[name]} | {len(faults[name])} |")
    print(f"\n{runs} runs, {outcomes.total()} {outcome}")
    print("\n".join(f"{name}: {fault}" for name in names for fault in faults[name]))
    raise SystemExit(any(faults.values()))


def run(arguments: list[str], folder: Path, disturb: Callable[[int], None] | None = None) -> Outcome:
    """Run drkit in a forked process of its own.

    Args:
        arguments: Arguments of the command line.
        folder: Working directory.
        disturb: Called with the process's id while it runs.
    """
    log = folder.with_suffix(".log")
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # until the child has handlers of its own
    child = os.fork()
    if child == 0:
        _become_drkit(arguments, folder, log)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    if disturb:
        disturb(child)
    _, status = os.waitpid(child, 0)
    if disturb:
        send_signal(child, signal.SIGKILL)  # to processes that it has left
    return Outcome(os.waitstatus_to_exitcode(status), log.read_text(errors="replace").strip())


def _become_drkit(arguments: list[str], folder: Path, log: Path) -> NoReturn:
    """Run a command line in this process, which ends with it."""
    os.chdir(folder)
    os.setsid()
    with log.open("wb") as stream:
        for number in (1, 2):
            os.dup2(stream.fileno(), number)
    sys.argv = ["drkit", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    code = 0
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        if "--devices" in arguments:  # starts a second process, by the program of the first
            os.execv(sys.executable, [sys.executable, "-m", "drkit", *arguments])
        from drkit.cli.app import main

        main()
    except SystemExit as end:
        sys.stdout.flush()
        code = int(end.code or 0)
    except KeyboardInterrupt:
        code = 130
    except BaseException as error:
        os.write(2, f"Traceback: {error!r}".encode())
        code = 70
    os._exit(code)


def send_signal(process: int, number: int) -> None:
    """Send a signal to a process and to those that it has started, as a terminal does."""
    with suppress(ProcessLookupError):
        os.killpg(process, number)


def read_contents(out: Path) -> dict[str, bytes]:
    """The files under final names in a folder, JSON without its circumstances; names of drafts begin with a dot.

    Raises:
        ValueError: a JSON file is not complete.
    """
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
        options.pop("force", None)  # the second command may need it
    return json.dumps(record, sort_keys=True).encode()


def find_faults(arguments: list[str], folder: Path, undisturbed: Undisturbed) -> Iterator[str]:
    """Compare a disturbed command's files with those of an undisturbed one, complete them, and compare again."""
    expected = undisturbed.contents
    try:
        contents = read_contents(folder / "out")
    except ValueError as error:
        yield f"an incomplete record: {error}"
        contents = {}
    yield from (f"incomplete or different: {name}" for name in contents if contents[name] != expected.get(name))
    yield from find_faults_of_completion(arguments, folder, undisturbed)


def find_faults_of_completion(arguments: list[str], folder: Path, undisturbed: Undisturbed) -> Iterator[str]:
    """Complete a command's files as drkit's message says, and compare them with those of an undisturbed command."""
    if fault := _complete(arguments, folder):
        yield fault
        return
    contents, expected = read_contents(folder / "out"), undisturbed.contents
    names = sorted({*contents, *expected})
    yield from (f"different after completion: {name}" for name in names if contents.get(name) != expected.get(name))


def _complete(arguments: list[str], folder: Path) -> str:
    """Run the command again, with --resume or --force where it is refused; return what went wrong, or nothing."""
    attempts = [arguments, [*arguments, "--resume"], [*arguments, "--force"]]
    if arguments[0] not in ("finetune", "attend"):
        del attempts[1]
    for attempt in attempts:
        outcome = run(attempt, folder)
        if outcome.code == 0:
            return ""
        if outcome.code != 2:
            return f"again: ended with {outcome.code}: {outcome.output[-300:]}"
    return f"again: refused: {outcome.output[-300:]}"


@contextmanager
def workshop() -> Iterator[Path]:
    """A folder with the data set and the runs that commands need; locks and caches are in a folder beside it."""
    parent = Path(tempfile.mkdtemp(prefix="drkit-campaign-"))
    os.environ["XDG_CACHE_HOME"] = str(parent / "cache")
    try:
        base = parent / "base"
        base.mkdir()
        prepare = [
            "synth eyes --patients 12 --size 64",
            f"finetune --data eyes --name one --seed 0 {TRAINING.replace('out', 'runs')}",
            f"finetune --data eyes --name two --seed 1 {TRAINING.replace('out', 'runs')}",
        ]
        for line in prepare:
            run_undisturbed(line.split(), base)
        yield base
    finally:
        shutil.rmtree(parent, ignore_errors=True)


@contextmanager
def dask_cluster(*, needed: bool) -> Iterator[None]:
    """A Dask scheduler at `ADDRESS` with two workers, unless it is not needed."""
    if not needed:
        yield
        return
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", ADDRESS.rpartition(":")[2], "--no-dashboard"]
    workers = ["worker", ADDRESS, "--nthreads", "1", "--nworkers", "2", "--no-dashboard"]
    processes = [
        subprocess.Popen([sys.executable, "-m", "dask", *arguments], stderr=subprocess.DEVNULL)
        for arguments in (scheduler, workers)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def run_undisturbed(arguments: list[str], folder: Path) -> Undisturbed:
    """Run a command that has to succeed."""
    start = time.perf_counter()
    outcome = run(arguments, folder)
    if outcome.code:
        raise SystemExit(f"drkit {' '.join(arguments)}: {outcome.output}")
    return Undisturbed(time.perf_counter() - start, read_contents(folder / "out"))


def make_folder(base: Path, name: str, *, copy: bool = False) -> Path:
    """Make a folder beside `base` with links to its data set and runs, or with copies of both, and without output."""
    folder = base.with_name(name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    add_inputs(base, folder, copy=copy)
    return folder


def add_inputs(base: Path, folder: Path, *, copy: bool = False) -> None:
    """Add the data set and the runs of `base` to a folder, as links or as copies."""
    for part in ("eyes", "runs"):
        if copy:
            shutil.copytree(base / part, folder / part)
        else:
            (folder / part).symlink_to(base / part)
