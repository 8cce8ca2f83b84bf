"""A short form of each campaign."""

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

CAMPAIGNS = Path(__file__).parent / "campaigns"
COMMANDS = {
    "kills": ["--runs", "2", "--only", "preprocess", "submit"],
    "mutated_inputs": ["--runs", "170", "--seed", "7"],
    "changing_inputs": ["--runs", "3", "--only", "submit"],
    "disks": ["--runs", "3", "--only", "submit"],
    "fuzz": ["--runs", "30"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_campaign_finds_no_fault(name: str, programs: Path) -> None:
    if name == "disks" and os.geteuid():
        pytest.skip("only root can mount small disks")
    if name == "fuzz" and find_spec("atheris") is None:
        pytest.skip("fuzzing needs atheris")
    command = [programs / "python", str(CAMPAIGNS / f"{name}.py"), *COMMANDS[name]]
    done = subprocess.run(command, cwd=CAMPAIGNS.parents[1], capture_output=True, text=True, check=False)
    if name == "disks" and "cannot be mounted" in done.stderr:
        pytest.skip("this machine mounts no small disks")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("| ")
