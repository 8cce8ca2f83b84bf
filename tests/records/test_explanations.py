"""The manifest of explanations: round trip, and damaged manifests are refused."""

import json
from pathlib import Path

import pytest
from mutations import check_reader

from drkit.errors import InputError, OutputExistsError
from drkit.records.explanations import (
    ExplainedPhotograph,
    Explanations,
    find_explanations,
    read_explanations,
    write_explanations,
)

ROW = ExplainedPhotograph(
    image_id="1_l1", path="val/1_l1.jpg", sha256="ab", unit=0, patient_id="1", eye=None, split="val", picked=True,
    reference_grade=2, predicted_grade=3, score=2.6, probabilities=(0.0, 0.1, 0.3, 0.5, 0.1), asked_grade=3,
    share=1.0, outside_disc=None, outside_area=0.2, alarm=False, picture="1_l1.png", maps="1_l1.npz",
    contrast="1_l1_contrast.png",
)  # fmt: skip
WHOLE = Explanations(
    run="quick", checkpoints={"quick.safetensors": "cd"}, method="gradcam", layer=None, target="patient",
    asked="predicted", unit="image", reason="because",
    speaks_for="for", speaks_against="against", sheets=("sheet-01.png",), photographs=(ROW,),
    faithfulness={"deletion": {"value": 0.3}},
)  # fmt: skip


def test_written_files_are_read_back(tmp_path: Path) -> None:
    path = write_explanations(WHOLE, tmp_path, force=False)
    assert read_explanations(tmp_path) == WHOLE
    assert read_explanations(path) == WHOLE
    assert WHOLE.files() == ["sheet-01.png", "1_l1.png", "1_l1.npz", "1_l1_contrast.png"]
    with pytest.raises(OutputExistsError):
        write_explanations(WHOLE, tmp_path, force=False)


def test_several_methods_in_one_folder_are_found(tmp_path: Path) -> None:
    assert find_explanations(tmp_path / "nothing") == [tmp_path / "nothing"]
    for method in ("hirescam", "gradcam"):
        write_explanations(WHOLE, tmp_path / method, force=False)
    assert find_explanations(tmp_path) == [tmp_path / "gradcam", tmp_path / "hirescam"]
    assert find_explanations(tmp_path / "gradcam" / "manifest.json") == [tmp_path / "gradcam"]
    write_explanations(WHOLE, tmp_path, force=False)
    assert find_explanations(tmp_path) == [tmp_path]


def test_other_files_are_refused_as_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder that drkit explain wrote"):
        read_explanations(tmp_path)
    path = tmp_path / "manifest.json"
    for text, message in (
        ("{", "is not a manifest"),
        ("[]", "is not a manifest"),
        ('{"schema_version": 9}', "version 9"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_explanations(tmp_path)
    path.unlink()
    record = json.loads(write_explanations(WHOLE, tmp_path, force=False).read_text())
    del record["photographs"][0]["score"]
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"missing required field `score` - at `\$.photographs\[0\]`"):
        read_explanations(tmp_path)


def test_an_edited_manifest_is_taken_or_refused_in_one_line(tmp_path: Path) -> None:
    path = write_explanations(WHOLE, tmp_path, force=False)
    check_reader(path, json.loads(path.read_text()), lambda: read_explanations(path), path.write_text)
