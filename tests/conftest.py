"""Fixtures that many tests share."""

import csv
import os
import runpy
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from forked_drkit import forked_drkit
from hypothesis import settings

if TYPE_CHECKING:
    import numpy as np

    from drkit.config.training import TrainingConfig

if "PYTEST_XDIST_WORKER" in os.environ:  # one process per core, so one thread in each and in those that it starts
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline on a busy machine, and the same examples every time; `--hypothesis-profile default` draws others.
settings.register_profile("drkit", deadline=None, derandomize=True)
settings.load_profile("drkit")

OFFLINE = Path(__file__).parent / "support" / "offline"
os.environ["DRKIT_TESTS_REACHED"] = tempfile.mkstemp(prefix="drkit-tests-reached-")[1]
os.environ["PYTHONPATH"] = os.pathsep.join([str(OFFLINE), *filter(None, [os.environ.get("PYTHONPATH")])])
runpy.run_path(str(OFFLINE / "sitecustomize.py"))  # here, and by PYTHONPATH in the processes that tests start
REACHED = Path(os.environ["DRKIT_TESTS_REACHED"])

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def _torch_draws_the_same_numbers_in_any_order_of_tests() -> None:
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_other_machine_is_reached(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that tries to reach another machine, which it cannot; `reaches_out` marks those that mean to."""
    REACHED.write_text("")
    yield
    reached = REACHED.read_text()
    assert bool(reached) == bool(request.node.get_closest_marker("reaches_out")), reached


def pytest_unconfigure() -> None:
    """Remove the record of attempts to reach other machines."""
    REACHED.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photographs, if this machine has it."""
    data = SHARED / "data"
    if not (data / "DeepDRiD").is_dir():
        pytest.skip("real photographs (../shared/data) are not on this machine")
    return data


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a program `drkit` that works."""
    with forked_drkit(tmp_path_factory.mktemp("drkit")) as folder:
        yield folder


@pytest.fixture(scope="session")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic eyes of 12 patients, 48 photographs of 64 px, which all tests share and must not change."""
    from drkit.config.synth import SynthConfig
    from drkit.recipes.synth import run_synth

    out = tmp_path_factory.mktemp("eyes") / "DeepDRiD"
    run_synth(SynthConfig(out=out, patients=12, size=64, seed=3))
    return out


@pytest.fixture(scope="session")
def clinic(eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graded synthetic eyes in the layout of `examples/plugin` and docs/extending.md."""
    from drkit.records.layouts import read_dataset

    folder = tmp_path_factory.mktemp("data") / "clinic"
    (folder / "scans").mkdir(parents=True)
    with (folder / "clinic.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["scan", "case", "side", "icdr"])
        for row in read_dataset(eyes).of_split("train", "val").rows.itertuples():
            name = shutil.copy(row.path, folder / "scans" / f"scan{row.Index}.jpg").name
            writer.writerow([name, row.patient_id, "OD" if row.eye == "right" else "OS", row.eye_grade])
    return folder


@pytest.fixture(scope="session")
def small_config(eyes: Path) -> "TrainingConfig":
    """A training of a tiny, untrained network, which takes seconds."""
    from drkit.config.training import TrainingConfig

    return TrainingConfig(
        data=[eyes], backbone="test_efficientnet", weights="none", size=64, epochs=3, batch_size=8, device="cpu"
    )


@pytest.fixture(scope="session")
def run_stem(small_config: "TrainingConfig", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stem of a finished run, which all tests share and must not change."""
    from drkit.recipes.finetune import RunOptions, run_finetune

    return run_finetune(small_config, RunOptions(tmp_path_factory.mktemp("shared") / "runs", "small")).run


def draw(seed: int, side: int = 320) -> "np.ndarray":
    """uint8 (side, side, 3): an orange disc with a bright spot and random vessels, on black."""
    import cv2
    import numpy as np

    generator = np.random.default_rng(seed)
    eye = np.zeros((side, side, 3), np.uint8)
    cv2.circle(eye, (side // 2, side // 2), int(0.47 * side), (190, 95, 45), -1)
    coarse = generator.normal(0, 14, (9, 9)).astype(np.float32)
    patches = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    start = generator.integers(side // 4, 3 * side // 4, 2)
    for _ in range(14):
        steps = np.cumsum(generator.normal(0, 9, (24, 2)) + generator.normal(0, 9, 2), axis=0)
        cv2.polylines(eye, [np.int32(start + steps)], False, (120, 40, 30), int(generator.integers(2, 5)), cv2.LINE_AA)
    cv2.circle(eye, tuple(map(int, start)), side // 14, (240, 200, 120), -1, cv2.LINE_AA)
    inside = np.zeros((side, side, 1), np.float32)
    cv2.circle(inside, (side // 2, side // 2), int(0.47 * side), 1, -1)
    return np.clip((eye + patches[..., None]) * inside.reshape(side, side, 1), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def fundus() -> "Callable[[int], np.ndarray]":
    """Draws the fundus of a number, which is always the same."""
    known: dict[int, np.ndarray] = {}
    return lambda seed: known.setdefault(seed, draw(seed))


@pytest.fixture(scope="session")
def save() -> Callable[..., Path]:
    """Write a photograph as a JPEG, by default at quality 95."""
    import cv2

    def write(photograph: "np.ndarray", path: Path, quality: int = 95) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), photograph[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        return path

    return write
