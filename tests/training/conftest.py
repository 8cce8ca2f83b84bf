"""Fixtures for trainings in several processes."""

from functools import partial
from pathlib import Path

import pytest
from two_processes import Finetune, run_finetune_command


@pytest.fixture(scope="session")
def finetune(programs: Path) -> Finetune:
    """Run `drkit finetune`, or a script that does, in two processes."""
    return partial(run_finetune_command, programs)
