"""`drkit plot attention`: runs with folds, and refused inputs."""

import shutil
from pathlib import Path

import pytest
from reporters import Recorder

from drkit.config.plot import PictureConfig
from drkit.config.synth import SynthConfig
from drkit.config.training import AttendConfig, RunOptions
from drkit.errors import InputError, UsageError
from drkit.progress import reporting_to
from drkit.recipes.attend import run_attend
from drkit.recipes.gates import run_gates
from drkit.recipes.synth import run_synth


def _train(eyes: Path, runs: Path, **options: object) -> Path:
    tiny = {"backbone": "test_efficientnet", "weights": "none", "size": 64, "epochs": 1, "device": "cpu"}
    return run_attend(AttendConfig(data=[eyes], **tiny | options), RunOptions(runs, "run")).training.run


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with several patients of each grade in every fold."""
    out = tmp_path_factory.mktemp("many") / "eyes"
    run_synth(SynthConfig(out=out, patients=40, size=64, workers=1))
    return out


@pytest.fixture(scope="module")
def folds(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two folds with channel attention."""
    return _train(many, tmp_path_factory.mktemp("folds"), attention_blocks="se", folds=2)


def test_with_folds_the_photographs_that_the_first_held_out_are_drawn(folds: Path, many: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    with reporting_to(recorder):
        run_gates(folds, [many], PictureConfig(out=tmp_path / "gates.png"))
    assert (tmp_path / "gates.png").is_file()
    assert "each network has its own gates: drawing those of fold 0" in recorder.notices
    assert "drawing the photographs that fold 0 held out" in recorder.notices


def test_a_data_set_that_lacks_photographs_is_refused(folds: Path, many: Path, tmp_path: Path) -> None:
    data = tmp_path / "eyes"
    shutil.copytree(many, data)
    rows = (data / "train.csv").read_text().splitlines(keepends=True)
    (data / "train.csv").write_text("".join(rows[:5]))
    with pytest.raises(InputError, match=r"lacks \d+ photographs that run graded: "):
        run_gates(folds, [data], PictureConfig(out=tmp_path / "gates.png"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention_blocks": "spatial"}, "has spatial:kernel=7, which has no channel gates: train with drkit attend"),
        ({"attention_blocks": "se", "unit": "eye", "unshared": True}, "gates of several backbones cannot be drawn"),
    ],
    ids=["spatial", "unshared"],
)
def test_runs_without_gates_are_refused(options: dict[str, object], message: str, eyes: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        run_gates(_train(eyes, tmp_path, **options), [eyes], PictureConfig(out=tmp_path / "gates.png"))
    assert not (tmp_path / "gates.png").exists()
