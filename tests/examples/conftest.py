"""Running the example scripts: with the program itself, or with one that only notes what it is asked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTING = """#!/usr/bin/env bash
echo "$*" >> "$NOTES"
[ "$1" = finetune ] || exit 0
while [ $# -gt 0 ]; do
    case $1 in --runs-dir) dir=$2 ;; --name) name=$2 ;; esac
    shift
done
mkdir -p "$dir" && touch "$dir/$name.json"
"""


class Script:
    """One of the examples.

    Args:
        name: Of its file.
        notes: Where a program that does no work notes its command lines; None: the real program works.
    """

    def __init__(self, name: str, notes: Path | None = None) -> None:
        self.path, self.notes = EXAMPLES / name, notes

    def run(self, *arguments: object, **settings: str) -> str:
        """Run it to its end; what it answers."""
        first = self.notes.parent if self.notes else Path(sys.executable).parent
        where = {"PATH": f"{first}{os.pathsep}{os.environ['PATH']}", "NOTES": str(self.notes)}
        command = [self.path, *map(str, arguments)]
        done = subprocess.run(command, env=os.environ | where | settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def noted(self) -> list[str]:
        """The command lines since this was asked last."""
        assert self.notes
        lines = self.notes.read_text().splitlines()
        self.notes.unlink()
        return lines


@pytest.fixture
def noting(tmp_path: Path) -> Path:
    """Where a program called drkit notes its command lines."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "drkit").write_text(NOTING)
    (folder / "drkit").chmod(0o755)
    return folder / "notes"


@pytest.fixture
def script() -> type[Script]:
    return Script
