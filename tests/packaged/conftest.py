"""A stand-in for the network that comes with drkit, packed from a small run on synthetic eyes."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from drkit.config.synth import SynthConfig
from drkit.config.training import TrainingConfig
from drkit.images.files import read_photograph
from drkit.recipes.finetune import RunOptions, run_finetune
from drkit.recipes.synth import run_synth
from drkit.records import runs
from drkit.records.layouts import read_dataset
from drkit.records.runs import Run

TOOL = Path(__file__).resolve().parents[1] / "tools" / "pack_run.py"


@pytest.fixture(scope="session")
def pack_run() -> ModuleType:
    """The packing script."""
    spec = importlib.util.spec_from_file_location("pack_run", TOOL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def known_eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photographs of the stand-in, large enough to be recognised after being saved again."""
    out = tmp_path_factory.mktemp("known") / "known-eyes"
    run_synth(SynthConfig(out=out, patients=8, size=160, seed=11))
    return out


@pytest.fixture(scope="session")
def trained(known_eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run that is packed."""
    config = TrainingConfig(
        data=[known_eyes], backbone="test_efficientnet", weights="none", size=64, epochs=1, choose="last",
        target="eye", round_discs=True, device="cpu",
    )  # fmt: skip
    return Run(run_finetune(config, RunOptions(tmp_path_factory.mktemp("trained") / "runs", "stand-in")).run)


@pytest.fixture(scope="session")
def packed(pack_run: ModuleType, trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The stand-in in the form of the packaged run."""
    run = Run(tmp_path_factory.mktemp("package") / "fundus" / "fundus")
    pack_run.pack(trained, [], run, force=False)
    return run


@pytest.fixture
def at_home(packed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run in an empty folder with the stand-in in the package; check that nothing is written to the package."""
    monkeypatch.setitem(runs.PACKAGED_RUNS, "fundus", packed.stem)
    monkeypatch.chdir(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in packed.stem.parent.iterdir()}
    yield packed
    assert {path: path.stat().st_mtime_ns for path in packed.stem.parent.iterdir()} == before


@pytest.fixture(scope="session")
def copies(known_eyes: Path, save: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of the stand-in at 128 pixels and quality 80 with other names, all graded and in val."""
    import cv2

    out = tmp_path_factory.mktemp("copies") / "copies"
    known = read_dataset(known_eyes).of_split("train", "val").rows
    lines = ["image_id,path,eye_grade,split"]
    for number, (path, grade) in enumerate(zip(known["path"], known["eye_grade"], strict=True)):
        smaller = cv2.resize(read_photograph(Path(path)), (128, 128), interpolation=cv2.INTER_AREA)
        save(smaller, out / f"photographs/n{number}.jpg", 80)
        lines.append(f"n{number},photographs/n{number}.jpg,{grade},val")
    (out / "labels.csv").write_text("\n".join(lines) + "\n")
    return out


@pytest.fixture(scope="session")
def other_eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eyes of patients that the stand-in was not trained on."""
    out = tmp_path_factory.mktemp("others") / "other-eyes"
    run_synth(SynthConfig(out=out, patients=10, size=128, seed=12))
    return out
