"""The campaigns in short: a few kills, and a few hundred mutated files."""

import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGNS = Path(__file__).parent / "campaigns"
COMMANDS = {
    "kills": ["--kills", "2", "--only", "preprocess", "submit"],
    "mutated_inputs": ["--mutations", "170", "--seed", "7"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_it_finds_nothing(name: str) -> None:
    command = [sys.executable, str(CAMPAIGNS / f"{name}.py"), *COMMANDS[name]]
    done = subprocess.run(command, cwd=CAMPAIGNS.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("| ")
