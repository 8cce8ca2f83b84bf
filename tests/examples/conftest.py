"""Example scripts, run with drkit itself or with a program that only records its command lines."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RECORDER = """#!/usr/bin/env bash
echo "$*" >> "$NOTES"
[ "$1" = finetune ] || exit 0
while [ $# -gt 0 ]; do
    case $1 in --runs-dir) dir=$2 ;; --name) name=$2 ;; esac
    shift
done
mkdir -p "$dir" && touch "$dir/$name.json"
"""


class Script:
    """An example script.

    Args:
        programs: Folder of drkit's program.
        name: File name of the script.
        notes: File in which a stand-in for drkit records its command lines; None: drkit itself is run.
    """

    def __init__(self, programs: Path, name: str, notes: Path | None = None) -> None:
        self.programs, self.path, self.notes = programs, EXAMPLES / name, notes

    def run(self, *arguments: object, **settings: str) -> str:
        """Run the script and return what it prints."""
        folders = [str(self.notes.parent if self.notes else self.programs), str(Path(sys.executable).parent)]
        where = {"PATH": os.pathsep.join([*folders, os.environ["PATH"]]), "NOTES": str(self.notes)}
        command = [self.path, *map(str, arguments)]
        done = subprocess.run(command, env=os.environ | where | settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def recorded(self) -> list[str]:
        """Return the command lines that were recorded since the last call."""
        assert self.notes
        lines = self.notes.read_text().splitlines()
        self.notes.unlink()
        return lines


@pytest.fixture(scope="session")
def script(programs: Path) -> Callable[..., Script]:
    return partial(Script, programs)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """The file in which a stand-in for drkit records its command lines."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "drkit").write_text(RECORDER)
    (folder / "drkit").chmod(0o755)
    return folder / "notes"
