"""Locks: a second process is refused or waits, and a killed one leaves nothing behind."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from reporters import Recorder

from drkit import progress
from drkit.errors import BusyError
from drkit.records import locks
from drkit.records.locks import locking

HOLDER = """
import sys, time
from pathlib import Path
from drkit.records.locks import locking
with locking(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Start a process that holds the lock of a path."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(locks, "PATIENCE", 0.2)
    started: list[subprocess.Popen[str]] = []

    def start(path: Path) -> subprocess.Popen[str]:
        started.append(subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout
        assert started[-1].stdout.readline() == "held\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_the_second_is_refused_until_the_first_is_killed(
    tmp_path: Path, hold: Callable[[Path], subprocess.Popen[str]]
) -> None:
    out = tmp_path / "out" / "run"
    first = hold(out)
    with (
        pytest.raises(BusyError, match=r"out/run is being written by another drkit process: wait until it has ended"),
        locking(out),
    ):
        pytest.fail("both hold it")
    with locking(tmp_path / "out" / "other"):
        pass
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    with locking(out):
        assert not (tmp_path / "out").exists()


def test_one_path_has_one_lock_however_it_is_spelled(
    tmp_path: Path, hold: Callable[[Path], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(tmp_path / "run")
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    for spelled in (Path("run"), Path("cache/../run"), tmp_path / "link" / "run"):
        with pytest.raises(BusyError), locking(spelled):
            pytest.fail("both hold it")


def test_a_waiting_process_reports_it_and_continues(
    tmp_path: Path, hold: Callable[[Path], subprocess.Popen[str]]
) -> None:
    first = hold(tmp_path / "cache.npy")
    threading.Timer(1, first.kill).start()
    began, reported = time.monotonic(), Recorder()
    with progress.reporting_to(reported), locking(tmp_path / "cache.npy", wait=True):
        assert time.monotonic() - began > 0.5
    assert reported.notices == [f"waiting for another drkit process that writes {tmp_path / 'cache.npy'}"]


def test_a_home_folder_that_is_not_writable_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with locking(tmp_path / "out"):
        assert list(tmp_path.glob("*.lock"))
