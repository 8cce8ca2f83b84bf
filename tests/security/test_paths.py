"""Paths in records cannot be used to read, show, overwrite or remove files outside their folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drkit.auditing.integrity import find_changed_files
from drkit.config.ensemble import EnsembleConfig
from drkit.ensembling.blend import Vote
from drkit.ensembling.serialization import read_ensemble
from drkit.errors import InputError, OutputExistsError
from drkit.explaining.writing import clear_folder
from drkit.models.weights.files import read_index
from drkit.plotting.report.photographs import read_explained
from drkit.recipes.ensemble import run_ensemble
from drkit.recipes.preprocess import PreprocessConfig, run_preprocess
from drkit.records.explanations import ExplainedPhotograph, Explanations, write_explanations
from drkit.records.layouts import read_dataset
from drkit.records.manifest import read_ledger, read_manifest

OUTSIDE = ["../private.png", "/etc/hostname", "..", "a/../../private.png", "..\\private.png", "C:private.png", "a\0b"]


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A file outside the folder of the records."""
    path = tmp_path / "private.png"
    path.write_bytes(b"private")
    return path


def change(path: Path, edit: Callable[[Any], object]) -> None:
    record = json.loads(path.read_text())
    edit(record)
    path.write_text(json.dumps(record))


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_runs_record_names_files_beside_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"files": {name: "0" * 64}}))
    with pytest.raises(InputError, match="which is not a file beside it"):
        list(find_changed_files(path))


@pytest.mark.parametrize("name", ["/etc/hostname", "../private.png", "/tmp/a.parquet"])
def test_a_comparison_names_predictions(name: str, tmp_path: Path) -> None:
    path = tmp_path / "r.comparison.json"
    path.write_text(json.dumps({"files": {name: "0" * 64}}))
    with pytest.raises(InputError, match="which is not a file beside it"):
        list(find_changed_files(path))


def test_an_ensemble_names_files_beside_it(run_stem: Path, tmp_path: Path) -> None:
    run_ensemble([run_stem], Vote(), EnsembleConfig(out=tmp_path / "vote.parquet"))
    read_ensemble(tmp_path / "vote.json")
    change(tmp_path / "vote.json", lambda record: record["files"].update({"../private.png": "0" * 64}))
    with pytest.raises(InputError, match=r"vote\.json lists '\.\./private\.png', which is not a file beside it"):
        read_ensemble(tmp_path / "vote.json")


def explanations(picture: str) -> Explanations:
    row = ExplainedPhotograph(
        image_id="1", path="1.png", sha256="0", unit=0, patient_id=None, eye=None, split="val", picked=True,
        reference_grade=0, predicted_grade=0, score=0.0, probabilities=(1.0, 0.0, 0.0, 0.0, 0.0), asked_grade=0,
        share=1.0, outside_disc=None, outside_area=0.2, alarm=False, picture=picture, maps="1.npz", contrast=None,
    )  # fmt: skip
    return Explanations(
        run="r",
        checkpoints={},
        method="gradcam",
        layer=None,
        target="eye",
        asked="predicted",
        unit="image",
        reason="all",
        speaks_for="for",
        speaks_against="against",
        sheets=(),
        photographs=(row,),
    )


@pytest.mark.parametrize("name", OUTSIDE)
def test_explanations_show_and_remove_nothing_else(name: str, tmp_path: Path, private: Path) -> None:
    folder = tmp_path / "explanations"
    write_explanations(explanations(name), folder, force=False)
    for use in (clear_folder, lambda given: read_explained([given])):
        with pytest.raises(InputError, match="which is not a file beside it"):
            use(folder)
    assert private.read_bytes() == b"private"
    assert (folder / "manifest.json").is_file()


@pytest.fixture
def preprocessed(eyes: Path, tmp_path: Path) -> Path:
    run_preprocess(PreprocessConfig(out=tmp_path / "made", steps="crop", data=[eyes], size=32, workers=1))
    return tmp_path / "made"


@pytest.mark.parametrize("name", ["../private.png", "/etc/hostname", "images/../../private.png", "labels.csv"])
def test_a_manifest_names_its_own_photographs(name: str, preprocessed: Path) -> None:
    change(preprocessed / "manifest.json", lambda record: record["photographs"][0].update(path=name))
    with pytest.raises(InputError, match="which is not in images"):
        read_manifest(preprocessed)
    record = json.loads((preprocessed / "manifest.json").read_text())["photographs"][0]
    (preprocessed / "ledger.jsonl").write_text(json.dumps(record) + "\n")
    assert read_ledger(preprocessed) == {}


def test_nothing_is_written_or_removed_behind_a_link(preprocessed: Path, eyes: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (preprocessed / "images").rename(elsewhere)
    (preprocessed / "images").symlink_to(elsewhere)
    kept = sorted(elsewhere.iterdir())
    with pytest.raises(InputError, match="images is a link"):
        run_preprocess(PreprocessConfig(out=preprocessed, steps="crop", data=[eyes], size=32, workers=1, force=True))
    assert sorted(elsewhere.iterdir()) == kept


@pytest.mark.parametrize("path", ["../private.jpg", "/etc/private.jpg", "..\\private.jpg", "images/../../private.jpg"])
def test_a_table_lists_photographs_of_its_folder(path: str, tmp_path: Path, private: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    private.rename(tmp_path / "private.jpg")
    (folder / "labels.csv").write_text(f"image_id,path,split,eye_grade,patient_grade\n1,{path},train,0,0\n")
    with pytest.raises(InputError, match="lies outside the data set's folder"):
        read_dataset(folder)


@pytest.mark.parametrize("image_id", ["../../private", "/etc/private", "..", "..\\..\\private"])
def test_an_image_id_is_not_used_as_a_path(image_id: str, eyes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    photograph = next((eyes / "train").rglob("*.jpg"))
    (folder / "a.jpg").write_bytes(photograph.read_bytes())
    (folder / "labels.csv").write_text(f"image_id,path,split,eye_grade,patient_grade\n{image_id},a.jpg,train,0,0\n")
    before = set(tmp_path.rglob("*"))
    out = tmp_path / "out" / "made"
    run_preprocess(PreprocessConfig(out=out, steps="crop", data=[folder], size=32, workers=1))
    new = {path for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert new
    assert all(path.resolve().is_relative_to(out) for path in new)


def test_a_plan_from_elsewhere_is_not_carried_out(preprocessed: Path, eyes: Path) -> None:
    steps = json.loads((preprocessed / "manifest.json").read_text())["steps"]
    (preprocessed / "manifest.json").unlink()
    plan = {
        "made_by": "drkit preprocess", "schema_version": 1, "steps": steps, "new_steps": steps,
        "suffix": "/../../../private.png", "labels_sha256": "ab", "inputs": {"1": "cd"},
    }  # fmt: skip
    (preprocessed / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(OutputExistsError, match="contains the same steps of other photographs"):
        run_preprocess(PreprocessConfig(out=preprocessed, steps="crop", data=[eyes], size=32, workers=1))


@pytest.mark.parametrize("shard", ["../a.safetensors", "/a.safetensors", "x/a.safetensors"])
def test_an_index_names_shards_beside_it(shard: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {"conv.weight": shard}}))
    with pytest.raises(InputError, match=r"expected a \.safetensors file in the same folder"):
        read_index(path)
