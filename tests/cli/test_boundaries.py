"""Unusual names, terminals, pipes and disks lead to a message of one line and to no traceback."""

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drkit.cli.app import app
from drkit.cli.command import BUG
from drkit.cli.faults import as_refusal

OLD_NAME = os.fsdecode(b"r\xe9tine")  # in Latin-1
SMALL = ["--backbone", "test_efficientnet", "--weights", "none", "--size", 64, "--epochs", 2, "--workers", 1]


def _invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _drkit(
    programs: Path, *arguments: object, shell: str = "{drkit}", **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a line in bash with `{drkit}` replaced by the program."""
    words = " ".join(f"'{word}'" for word in (programs / "drkit", *arguments))
    command = ["bash", "-c", shell.format(drkit=words)]
    return subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)


def _check_refused(result: object, message: str) -> None:
    assert result.exit_code == 2, result.output  # type: ignore[attr-defined]
    assert message in result.stderr  # type: ignore[attr-defined]
    assert result.stderr.count("\n") == 1  # type: ignore[attr-defined]


# Names that are not UTF-8.


@pytest.fixture(scope="module")
def old_names(eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of photographs, two of which have such a name."""
    folder = tmp_path_factory.mktemp("old")
    for number, photograph in enumerate(sorted(eyes.glob("train/*/*.jpg"))[:3]):
        shutil.copy(photograph, folder / (f"{OLD_NAME}{number}.jpg" if number else "fine.jpg"))
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["predict", "{run}", "--data", "{data}", "--out", "{tmp}/p.parquet"],
        ["check", "{data}"],
        ["preprocess", "{tmp}/out", "--data", "{data}", "--steps", "clahe"],
        ["explain", "{run}", "--data", "{data}", "--out", "{tmp}/explained"],
    ],
    ids=lambda command: command[0],
)
def test_photographs_of_another_encoding_are_named(
    command: list[str], old_names: Path, run_stem: Path, tmp_path: Path
) -> None:
    result = _invoke(*(word.format(run=run_stem, data=old_names, tmp=tmp_path) for word in command))
    _check_refused(result, r"2 file or folder names are not UTF-8: r\xe9tine1.jpg, r\xe9tine2.jpg: rename them")
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_in_a_folder_of_another_encoding_is_refused(eyes: Path, tmp_path: Path) -> None:
    shutil.copytree(eyes, tmp_path / OLD_NAME)
    for command in (["check", tmp_path / OLD_NAME], ["finetune", "--data", tmp_path / OLD_NAME, "--dry-run"]):
        _check_refused(_invoke(*command), r"r\xe9tine: rename it, for example with convmv")


@pytest.mark.parametrize(
    "command",
    [
        ["finetune", "--data", "{eyes}", *map(str, SMALL), "--runs-dir", "{old}", "--name", "a"],
        ["predict", "{run}", "--data", "{eyes}", "--out", "{old}.parquet"],
        ["submit", "{run}", "--out", "{old}.csv"],
        ["preprocess", "{old}", "--data", "{eyes}", "--steps", "clahe"],
        ["explain", "{run}", "--data", "{eyes}", "--out", "{old}"],
        ["plot", "curves", "{run}", "--out", "{old}.png"],
        ["synth", "{old}", "--patients", "8", "--size", "64"],
    ],
    ids=lambda command: " ".join(command[:2]).partition(" -")[0].partition(" {")[0],
)
def test_outputs_in_another_encoding_are_refused(
    command: list[str], eyes: Path, run_stem: Path, tmp_path: Path
) -> None:
    words = [word.format(eyes=eyes, run=run_stem, old=tmp_path / OLD_NAME) for word in command]
    _check_refused(_invoke(*words), r"cannot be written: its name is not UTF-8: choose another name")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["score {run} --split val", "predict {run}", "finetune --weights {run}"])
def test_a_run_in_a_folder_of_another_encoding_is_refused(
    command: str, eyes: Path, run_stem: Path, tmp_path: Path
) -> None:
    old = tmp_path / OLD_NAME
    shutil.copytree(run_stem.parent, old)
    words = [str(old / run_stem.name) if word == "{run}" else word for word in command.split()]
    more = [] if words[0] == "score" else ["--data", eyes]
    _check_refused(_invoke(*words, *more), r"is not UTF-8: ")


# Terminals, pipes and streams.


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_a_terminal_that_lacks_a_letter_shows_its_number(
    encoding: str, eyes: Path, run_stem: Path, programs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "東京.parquet"
    done = _drkit(programs, "predict", run_stem, "--data", eyes, "--out", out, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert r"\u6771\u4eac.parquet" in done.stdout
    assert out.is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_output_that_cannot_be_written_is_refused(more: list[str], run_stem: Path, programs: Path) -> None:
    done = _drkit(programs, "score", run_stem, "--split", "val", *more, shell="{drkit} > /dev/full")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "drkit: error: the result cannot be written: No space left on device"
    assert "Traceback" not in done.stderr


def test_closing_stdout_stops_the_command(eyes: Path, programs: Path, tmp_path: Path) -> None:
    arguments = ["finetune", "--data", eyes, *SMALL[:-4], "--epochs", 40, "--runs-dir", tmp_path, "--name", "a"]
    done = _drkit(programs, *arguments, shell="{drkit} 2>&1 | head -1 >&2; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == 130
    assert done.stderr.count("\n") == 1
    assert "epoch 1/40" in done.stderr


# Errors of the operating system, and bugs.


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "a file: No space left on device: free some space"),
        (OSError(errno.EACCES, "Permission denied", "/a/b"), "/a/b: Permission denied: check its permissions"),
        (OSError(errno.EIO, "Input/output error", "/a/b"), "/a/b: Input/output error: check what prevents access"),
        (OSError(errno.EMFILE, "Too many open files"), "a file: Too many open files: allow more open files"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.jpg"), "a.jpg: .*it has been removed"),
        (MemoryError(), r"not enough memory \(MemoryError\): choose a smaller size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 GB\nmore"), "not enough memory .*9 GB"),
        (
            UnicodeEncodeError("utf-8", OLD_NAME, 1, 2, "surrogates not allowed"),
            r"file name is not UTF-8: r\\xe9tine",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_of_the_operating_system_are_one_line(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drkit.recipes.plot.run_curves", _raising(error))
    result = _invoke("plot", "curves", "x")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert re.search(message, result.stderr)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a bug"), ValueError("a bug"), OSError("a bug"), OSError(errno.EINVAL, "a bug"), KeyError("a bug")],
)
def test_any_other_error_is_a_bug_with_a_traceback_and_the_address_for_reports(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert as_refusal(error) is None
    monkeypatch.setattr("drkit.recipes.plot.run_curves", _raising(error))
    result = _invoke("plot", "curves", "x")
    assert result.exit_code == BUG
    *traceback, last = result.stderr.splitlines()
    assert traceback[0].startswith("Traceback")
    assert "a bug" in traceback[-1]
    assert last == (
        "drkit: this is a bug in drkit: please report it to the project's issue tracker, with the command and the lines"
        " above"
    )


def test_a_report_that_cannot_be_rendered_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drkit.recipes.plot.run_curves", lambda *_: object())
    assert _invoke("plot", "curves", "x").exit_code == BUG


def _raising(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


# Disks.


def _may_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=1m t /mnt"], capture_output=True, check=False
    )
    return done.returncode == 0


def _on_a_disk_of(size: str, folder: Path, *commands: str) -> subprocess.CompletedProcess[str]:
    """Run commands in sh with `folder` as a disk of the given size."""
    script = f"mount -t tmpfs -o size={size} t '{folder}' && cd '{folder}' && " + "; ".join(commands)
    return subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)


@pytest.fixture
def drkit(programs: Path) -> str:
    """The command with which a shell calls drkit."""
    return f"'{programs / 'drkit'}'"


needs_disks = pytest.mark.skipif(not _may_mount(), reason="only a privileged user may mount small disks")


@needs_disks
def test_a_training_on_a_full_disk_keeps_its_files_and_can_be_resumed(eyes: Path, tmp_path: Path, drkit: str) -> None:
    small = " ".join(map(str, SMALL))
    train = f"{drkit} finetune -q --data '{eyes}' {small} --runs-dir runs --name full"
    again = f"mount -o remount,size=20m t '{tmp_path}'; {train} --resume; echo $?; ls runs"
    done = _on_a_disk_of("2500k", tmp_path, f"{train}; echo $?; ls runs", again)
    finished = [f"full.{kind}" for kind in ("history.csv", "json", "parquet", "safetensors")]
    assert done.stdout.split() == ["2", "full.resume.pt", "0", *finished]
    assert done.stderr.count("\n") == 1
    assert "runs/full.resume.pt cannot be written, the disk is full: " in done.stderr
    assert " are needed and " in done.stderr
    assert "the finished epochs are in runs/full.resume.pt, continue with --resume" in done.stderr


@needs_disks
@pytest.mark.parametrize(
    "command",
    [
        "synth syn --patients 8 --size 96 --workers 1",
        "preprocess out --data '{eyes}' --steps clahe --size 64 --format png --workers 1",
        "preprocess out --data '{eyes}' --steps clahe --size 64 --format png --workers 2",
        "predict '{run}' --data '{eyes}' --out p.parquet",
        "explain '{run}' --data '{eyes}' --out explained",
    ],
    ids=lambda command: command.split()[0],
)
def test_a_full_disk_is_one_line(command: str, eyes: Path, run_stem: Path, tmp_path: Path, drkit: str) -> None:
    size = "8k" if command.startswith("predict") else "300k"
    typed = f"{drkit} {command.format(eyes=eyes, run=run_stem)} -q"
    done = _on_a_disk_of(size, tmp_path, f"{typed}; echo $?; find . -name '*part*'")
    assert done.stdout.split() == ["2"], done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith(("drkit: warning", "drkit: error"))] == []
    assert "cannot be written, the disk is full: " in done.stderr or "are free" in done.stderr
