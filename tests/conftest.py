"""What many tests share."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from drkit.training.config import TrainingConfig

if "PYTEST_XDIST_WORKER" in os.environ:  # one process a core: each keeps to one thread, and so do those it starts
    os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photographs, where this machine has it."""
    data = SHARED / "data"
    if not (data / "DeepDRiD").is_dir():
        pytest.skip("real photographs (../shared/data) are not on this machine")
    return data


@pytest.fixture(scope="session")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic eyes that all tests share and none may change: 12 patients, 48 photographs of 64 px."""
    from drkit.recipes.synth import SynthConfig, run_synth

    out = tmp_path_factory.mktemp("eyes") / "DeepDRiD"
    run_synth(SynthConfig(out, patients=12, size=64, seed=3))
    return out


@pytest.fixture(scope="session")
def small_config(eyes: Path) -> "TrainingConfig":
    """A training of seconds: a tiny network from no weights."""
    from drkit.training.config import TrainingConfig

    return TrainingConfig(
        data=[eyes], backbone="test_efficientnet", weights="none", size=64, epochs=3, batch_size=8, device="cpu"
    )


@pytest.fixture(scope="session")
def run_stem(small_config: "TrainingConfig", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stem of a finished run that all tests share and none may change."""
    from drkit.recipes.finetune import RunPlace, run_finetune

    return run_finetune(small_config, RunPlace(tmp_path_factory.mktemp("shared") / "runs", "small")).run
