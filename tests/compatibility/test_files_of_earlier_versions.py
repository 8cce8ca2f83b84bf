"""Files that earlier versions of drkit wrote, which every later one has to read; and those of later ones.

`version_1` was written by the first versions with these files, whose records lack what later ones hold: seeds, rounded
discs, cut points of folds, checksums of some files. When a schema version is raised, what the last version before it
writes is added as a folder of its own, and none is changed or removed.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from drkit.ensembling.serialization import read_ensemble
from drkit.errors import InputError, UsageError
from drkit.plotting.report.photographs import read_explained
from drkit.recipes.predict import PredictConfig, run_predict
from drkit.records.checkpoint import read_checkpoint
from drkit.records.explanations import read_explanations
from drkit.records.history import read_history
from drkit.records.manifest import read_manifest, read_plan
from drkit.records.predictions import read_predictions
from drkit.records.runs import Run, networks_in, read_run_record, verify_checksums
from drkit.training.resume import load_state

VERSIONS = sorted(path for path in Path(__file__).parent.glob("version_*") if path.is_dir())


@pytest.fixture(params=VERSIONS, ids=lambda path: path.name)
def kept(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_a_run_is_read_completely(kept: Path) -> None:
    run = Run(kept / "one")
    record = read_run_record(run)
    assert len(networks_in(record)) == 1
    for path in (run.checkpoint(), run.history, run.predictions):
        verify_checksums(run, record, path)
    tensors, header = read_checkpoint(run.checkpoint())
    assert header.architecture.backbone == "test_efficientnet"
    assert tensors
    assert len(read_predictions(run.predictions)) == 8
    assert read_history(run.history)["epoch"].tolist() == [1, 1]


def test_a_run_grades_photographs(kept: Path, eyes: Path, tmp_path: Path) -> None:
    for path in kept.glob("one.*"):
        shutil.copy(path, tmp_path)
    out = tmp_path / "graded.parquet"
    run_predict(tmp_path / "one", PredictConfig(data=[eyes], split="test", out=out, device="cpu"))
    graded = read_predictions(out)
    assert len(graded)
    assert graded.probabilities().sum(1) == pytest.approx(1, abs=1e-3)


def test_an_ensemble_is_read(kept: Path) -> None:
    ensemble = read_ensemble(kept / "vote.json")
    assert [member.name for member in ensemble.members] == ["one", "two"]
    assert len(read_predictions(ensemble.predictions)) == 8


def test_explanations_are_read(kept: Path) -> None:
    (found,) = read_explained([kept / "explained"]).values()
    assert [row.image_id for row in found.photographs] == ["2_l1"]


def test_a_manifest_of_preprocessing_is_read(kept: Path) -> None:
    manifest = read_manifest(kept / "made")
    assert manifest is not None
    assert len(list(manifest.written())) == 32


def _raise(path: Path) -> None:
    """Turn a JSON file into one of a later version."""
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"schema_version": 99, "unheard_of": [1]}))


def _newer_json(name: str, read: Callable[[Path], object]) -> Callable[[Path], object]:
    def use(folder: Path) -> object:
        _raise(folder / name)
        return read(folder)

    return use


def _newer_checkpoint(folder: Path) -> object:
    with safe_open(folder / "one.safetensors", framework="pt") as file:
        header = json.loads(file.metadata()["drkit"]) | {"schema_version": 99}
    save_file({"x": torch.ones(1)}, folder / "new.safetensors", metadata={"drkit": json.dumps(header)})
    return read_checkpoint(folder / "new.safetensors")


def _newer_predictions(folder: Path) -> object:
    table = pq.read_table(folder / "one.parquet")
    meta = json.loads(table.schema.metadata[b"drkit"]) | {"schema_version": 99}
    pq.write_table(table.replace_schema_metadata({"drkit": json.dumps(meta)}), folder / "new.parquet")
    return read_predictions(folder / "new.parquet")


def _newer_plan(folder: Path) -> object:
    (folder / "made" / "plan.json").write_text(json.dumps({"made_by": "drkit preprocess", "schema_version": 99}))
    return read_plan(folder / "made")


NEWER = {
    "a run": _newer_json("one.json", lambda folder: read_run_record(Run(folder / "one"))),
    "an ensemble": _newer_json("vote.json", lambda folder: read_ensemble(folder / "vote.json")),
    "explanations": _newer_json("explained/manifest.json", lambda folder: read_explanations(folder / "explained")),
    "a manifest": _newer_json("made/manifest.json", lambda folder: read_manifest(folder / "made")),
    "a plan": _newer_plan,
    "weights": _newer_checkpoint,
    "predictions": _newer_predictions,
}


@pytest.mark.parametrize("what", NEWER)
def test_files_of_a_later_version_are_refused_as_such(what: str, kept: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    shutil.copytree(kept, folder)
    with pytest.raises(InputError, match=r"^[^\n]+: schema version 99, but this drkit reads \d+: update drkit$"):
        NEWER[what](folder)


def test_the_state_of_a_training_of_a_later_version_is_refused_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.resume.pt"
    torch.save({"identity": {}, "schema_version": 99, "history": []}, path)
    with pytest.raises((InputError, UsageError), match=r"schema version 99, but this drkit reads 1: start again"):
        load_state(path, {})
