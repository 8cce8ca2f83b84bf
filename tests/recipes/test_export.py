"""Runs are exported in the formats of other programs, which can open them."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from drkit.config.export import ExportConfig
from drkit.config.predict import PredictConfig
from drkit.errors import InputError, OutputExistsError, UsageError
from drkit.exporting import onnx_model, verification
from drkit.recipes.export import run_export
from drkit.recipes.predict import run_predict
from drkit.records.predictions import read_predictions

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "onnx_predict.py"


@pytest.fixture
def onnxruntime() -> object:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason="the extra export is not installed")
    return pytest.importorskip("onnxruntime", reason="the extra export is not installed")


def test_an_onnx_file_grades_as_the_run_and_so_does_the_example(
    run_stem: Path, eyes: Path, tmp_path: Path, onnxruntime: object
) -> None:
    out = tmp_path / "small.onnx"
    report = run_export(run_stem, ExportConfig(format="onnx", out=out, data=[eyes], check=2, int8=True))
    assert report.check is not None
    assert report.check.photographs == 8
    assert max(report.check.max_probability_difference, report.check.max_score_difference) < 1e-4
    assert report.int8 is not None
    assert report.int8.file == tmp_path / "small.int8.onnx"
    assert report.int8.agreement.cases == report.int8.int8_agreement.cases == 8
    assert any("at most" in str(part) for part in report.render())

    session = onnxruntime.InferenceSession(out)  # type: ignore[attr-defined]
    facts = json.loads(session.get_modelmeta().custom_metadata_map["drkit"])
    assert (facts["target"], facts["unit"], facts["training_data"]) == ("patient", "image", [eyes.name])
    assert session.get_inputs()[0].shape == ["units", 1, 3, facts["size"], facts["size"]]

    run_predict(run_stem, PredictConfig(data=[eyes], split="test", out=tmp_path / "own.parquet", device="cpu"))
    rows = read_predictions(tmp_path / "own.parquet").rows.set_index("image_id")
    graded = _run_script(out, eyes / "test")
    assert [row["image_id"] for row in graded] == rows.index.tolist()
    assert np.allclose([float(row["score"]) for row in graded], rows["score"], atol=1e-3)
    assert [int(row["patient_grade"]) for row in graded] == rows["predicted_grade"].tolist()


def _run_script(model: Path, folder: Path) -> list[dict[str, str]]:
    """The rows that the example writes; it must not import torch and timm."""
    program = (
        f"import sys, runpy; sys.argv = ['onnx_predict.py', {str(model)!r}, {str(folder)!r}]\n"
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "assert not {'torch', 'timm'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(done.stdout.splitlines()))


def test_an_onnx_file_that_answers_differently_is_not_written(
    run_stem: Path, eyes: Path, tmp_path: Path, onnxruntime: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "TOLERANCE", 0.0)
    with pytest.raises(InputError, match="was not written: onnxruntime and torch graded 4 photographs"):
        run_export(run_stem, ExportConfig(format="onnx", out=tmp_path / "small.onnx", data=[eyes], check=1))
    assert not list(tmp_path.iterdir())


def test_a_timm_folder_has_a_card_filled_from_the_run(run_stem: Path, tmp_path: Path) -> None:
    out = tmp_path / "folder"
    run_export(run_stem, ExportConfig(format="timm", out=out, licence="cc-by-4.0"))
    assert {path.name for path in out.iterdir()} == {"README.md", "config.json", "model.safetensors"}
    card = (out / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: timm\nlicense: cc-by-4.0\n")
    assert "This is not a medical device" in card
    assert "on val, 8 photographs of 2 patients" in card
    assert "Its epoch was selected there" in card
    with pytest.raises(OutputExistsError, match="--force"):
        run_export(run_stem, ExportConfig(format="timm", out=out))
    run_export(run_stem, ExportConfig(format="timm", out=out, force=True))
    assert "license:" not in (out / "README.md").read_text()


def test_what_cannot_be_exported_is_refused(
    run_stem: Path, eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="--int8 needs --format onnx"):
        run_export(run_stem, ExportConfig(format="timm", out=tmp_path / "a", int8=True))
    with pytest.raises(UsageError, match="--opset 11: expected 18 to"):
        run_export(run_stem, ExportConfig(format="onnx", out=tmp_path / "a.onnx", opset=11))
    monkeypatch.setattr(onnx_model, "find_spec", lambda package: None)
    with pytest.raises(UsageError, match=r"pip install 'drkit\[export\]'"):
        run_export(run_stem, ExportConfig(format="onnx", out=tmp_path / "a.onnx"))
    assert not list(tmp_path.iterdir())
