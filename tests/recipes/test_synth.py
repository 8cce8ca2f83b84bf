"""A synthetic data set has the course's layout, is reproducible, and never replaces a user's folder."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from drkit.config.synth import SynthConfig
from drkit.errors import InputError, OutputExistsError, UsageError
from drkit.recipes import synth
from drkit.recipes.synth import COURSE_COLUMNS, run_synth
from drkit.records.layouts import read_dataset
from drkit.records.truth import read_truth


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synth") / "DeepDRiD"
    run_synth(SynthConfig(out=out, patients=13, size=48))
    return out


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_workers_and_reruns_make_the_same_bytes(made: Path, tmp_path: Path) -> None:
    run_synth(SynthConfig(out=tmp_path / "two", patients=13, size=48, workers=2))

    assert files_of(tmp_path / "two") == files_of(made)


def test_fewer_patients_are_the_first_of_more(made: Path, tmp_path: Path) -> None:
    run_synth(SynthConfig(out=tmp_path / "few", patients=6, size=48))

    fewer, more = files_of(tmp_path / "few"), files_of(made)
    photographs = [name for name in fewer if name.endswith((".jpg", ".png"))]
    assert len(photographs) == 6 * 4 * 2
    assert all(fewer[name] == more[name] for name in photographs)


def test_the_layout_is_the_courses(made: Path) -> None:
    for split in ("train", "val"):
        text = (made / f"{split}.csv").read_bytes()
        assert text.startswith(",".join(COURSE_COLUMNS).encode() + b"\r\n")
        assert text.count(b"\n") == text.count(b"\r\n")
    assert (made / "test.csv").read_bytes().startswith(b"image_id,img_path\r\n")
    assert (made / "sample_submission.csv").read_bytes().startswith(b"ID,TARGET\r\n")
    for split in ("train", "val", "test"):
        for row in rows_of(made / f"{split}.csv"):
            patient = row["image_id"].split("_")[0]
            assert row["img_path"] == f"{patient}/{row['image_id']}.jpg"
            assert (made / split / row["img_path"]).is_file()


def test_columns_are_those_of_the_real_table(shared_data: Path, made: Path) -> None:
    for name in ("train.csv", "val.csv", "test.csv", "sample_submission.csv"):
        real = (shared_data / "DeepDRiD" / name).read_bytes().splitlines(keepends=True)[0]
        assert (made / name).read_bytes().splitlines(keepends=True)[0] == real


def test_a_patient_has_the_worse_eyes_grade(made: Path) -> None:
    rows = rows_of(made / "train.csv") + rows_of(made / "val.csv")
    by_patient: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_patient.setdefault(row["patient_id"], []).append(row)
        assert (row["left_eye_DR_Level"] == "") == ("_r" in row["image_id"])
        assert (row["right_eye_DR_Level"] == "") == ("_l" in row["image_id"])
    for photographs in by_patient.values():
        eyes = [int(row["left_eye_DR_Level"] or row["right_eye_DR_Level"]) for row in photographs]
        assert {int(row["patient_DR_Level"]) for row in photographs} == {max(eyes)}


def test_the_course_layout_is_recognised(made: Path) -> None:
    labels = read_dataset(made)
    assert len(labels) == 13 * 4
    assert labels.num_patients == 13
    assert set(labels.targets) == {"eye", "patient"}

    truth = read_truth(made / "test_grades.csv")
    assert set(truth.grades_for("eye").index) == set(labels.of_split("test").rows["image_id"])


def test_test_grades_stand_apart(made: Path) -> None:
    truth = rows_of(made / "test_grades.csv")

    assert list(truth[0]) == ["image_id", "patient_id", "eye_grade", "patient_grade"]
    assert [row["image_id"] for row in truth] == [row["image_id"] for row in rows_of(made / "test.csv")]
    assert {row["TARGET"] for row in rows_of(made / "sample_submission.csv")} == {"0"}


def test_every_photograph_has_a_mask_and_a_row_of_counts(made: Path) -> None:
    counts = {row.pop("image_id"): {k: int(v) for k, v in row.items()} for row in rows_of(made / "lesions.csv")}
    values = json.loads((made / "synth.json").read_text())["mask_values"]

    assert {path.stem for path in made.rglob("*.jpg")} == set(counts) == {p.stem for p in made.rglob("*.png")}
    for image_id, found in counts.items():
        mask = cv2.imread(str(made / "lesions" / f"{image_id}.png"), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (48, 48)
        assert (np.unique(mask).max() > 0) == (sum(found.values()) > 0)
        assert set(np.unique(mask)) <= set(values.values())


def test_a_failure_leaves_nothing_that_carries_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(synth, "_write_manifest", fail)
    with pytest.raises(OSError, match="disk full"):
        run_synth(SynthConfig(out=tmp_path / "out", patients=5, size=32))
    assert list(tmp_path.iterdir()) == []


def test_force_replaces_only_what_synth_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SynthConfig(out=tmp_path / "out", patients=5, size=32)
    run_synth(config)
    with pytest.raises(OutputExistsError, match="--force"):
        run_synth(config)
    run_synth(replace(config, seed=1, force=True))
    assert json.loads((tmp_path / "out" / "synth.json").read_text())["seed"] == 1

    monkeypatch.setattr(synth, "_write_manifest", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_synth(replace(config, seed=2, force=True))
    assert json.loads((tmp_path / "out" / "synth.json").read_text())["seed"] == 1

    (tmp_path / "out" / "thesis.docx").write_text("years of work")
    with pytest.raises(OutputExistsError, match=r"thesis\.docx"):
        run_synth(replace(config, force=True))


def test_a_users_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_bytes(b"1")
    for force in (False, True):
        with pytest.raises(OutputExistsError, match="not made by drkit synth"):
            run_synth(SynthConfig(out=tmp_path / "photos", patients=5, size=32, force=force))
    assert (tmp_path / "photos" / "mine.jpg").read_bytes() == b"1"


def test_an_empty_folder_is_used_and_the_current_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    report = run_synth(SynthConfig(out=tmp_path / "empty", patients=5, size=32))
    assert report.photographs == 20
    assert (tmp_path / "empty" / "train.csv").is_file()

    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="is the current folder"):
        run_synth(SynthConfig(out=Path(), patients=5, size=32))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"patients": 4}, "--patients 4: train, val and test need at least"),
        ({"size": 8}, "--size 8"),
        ({"seed": -1}, "--seed -1"),
        ({"workers": 0}, "--workers 0"),
    ],
)
def test_numbers_out_of_range_are_refused(change: dict[str, int], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        run_synth(replace(SynthConfig(out=tmp_path / "out"), **change))


def test_a_file_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="is a file"):
        run_synth(SynthConfig(out=tmp_path / "out"))
    with pytest.raises(InputError, match="cannot be written to"):
        run_synth(SynthConfig(out=tmp_path / "out" / "deeper"))
