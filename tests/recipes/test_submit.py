import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from predictions_meta import EYE_META
from reporters import Recorder

from drkit import progress
from drkit.cli.submit import submit
from drkit.config.check import CheckConfig
from drkit.config.submit import SubmitConfig
from drkit.errors import InputError, OutputExistsError
from drkit.grades import Target
from drkit.recipes.check import run_check
from drkit.recipes.submit import run_submit
from drkit.records.labels import Labels, build_rows
from drkit.records.predictions import build_predictions, read_predictions, write_predictions
from drkit.records.provenance import sha256_file
from drkit.reporting import as_json


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Eight predictions: 0_l1 to 3_l1 of val, 4_l1 to 7_l1 of test, graded 0 1 2 3 4 0 1 2."""
    ids = [f"{number}_l1" for number in range(8)]
    rows = build_rows(image_id=ids, path=ids, patient_id=list("01234567"), split=["val"] * 4 + ["test"] * 4)
    grades = np.arange(8) % 5
    predictions = build_predictions(
        Labels(rows, tmp_path, "test", ("eye",)),
        probabilities=np.eye(5)[grades],
        score=grades,
        meta=EYE_META,
        name="run",
    )
    write_predictions(predictions, tmp_path / "run.parquet")
    return tmp_path / "run"


def _sample(folder: Path, *ids: str) -> Path:
    path = folder / "sample_submission.csv"
    path.write_bytes("".join(f"{line}\r\n" for line in ("ID,TARGET", *(f"{i},0" for i in ids))).encode())
    return path


def test_rows_are_the_samples_in_its_spelling_and_order(run: Path, tmp_path: Path) -> None:
    sample = _sample(tmp_path, "7_l1.jpg", "4_l1.JPG", "6_l1", "5_l1.png")
    report = run_submit(run, SubmitConfig(sample=sample, out=tmp_path / "s.csv"))
    assert (tmp_path / "s.csv").read_bytes() == b"ID,TARGET\n7_l1.jpg,2\n4_l1.JPG,4\n6_l1,1\n5_l1.png,0\n"
    assert report.grade_counts == (1, 1, 1, 0, 1)


def test_without_a_sample_rows_are_those_of_split_test(run: Path, tmp_path: Path) -> None:
    run_submit(run, SubmitConfig(out=tmp_path / "s.csv"))
    assert (tmp_path / "s.csv").read_text() == "ID,TARGET\n4_l1.jpg,4\n5_l1.jpg,0\n6_l1.jpg,1\n7_l1.jpg,2\n"


def _predict_several(folder: Path, splits: dict[str, str]) -> Path:
    """Predictions for data sets that all have photographs 1 and 2, and one photograph of their own."""
    ids = [f"{name}-{number}" for name in splits for number in "12"] + [f"only{name}" for name in splits]
    names = [name for name in splits for _ in "12"] + list(splits)
    rows = build_rows(image_id=ids, path=ids, patient_id=ids, split=[splits[name] for name in names])
    grades = np.arange(len(ids)) % 5
    labels = Labels(rows.assign(dataset=pd.array(names, "string")), folder, "test", ("eye",))
    predictions = build_predictions(
        labels, probabilities=np.eye(5)[grades], score=grades, meta=EYE_META, name="several"
    )
    write_predictions(predictions, folder / "several.parquet")
    return folder / "several"


@pytest.mark.parametrize("splits", [{"A": "val", "B": "test"}, {"A": "test", "B": "test"}])
def test_a_data_sets_name_before_an_id_is_not_in_the_sample(tmp_path: Path, splits: dict[str, str]) -> None:
    run = _predict_several(tmp_path, splits)  # graded 0 1 for A, 2 3 for B, and 4 0 for their own
    run_submit(run, SubmitConfig(sample=_sample(tmp_path, "onlyB.jpg", "2.jpg", "1"), out=tmp_path / "s.csv"))
    assert (tmp_path / "s.csv").read_text() == "ID,TARGET\nonlyB.jpg,0\n2.jpg,3\n1,2\n"


def test_ids_that_several_data_sets_have_are_the_test_splits_or_refused(tmp_path: Path) -> None:
    run = _predict_several(tmp_path, {"A": "val", "B": "val"})
    with pytest.raises(
        InputError, match=r"occur in several data sets of several \(A, B\): predict only the data set that is meant"
    ):
        run_submit(run, SubmitConfig(sample=_sample(tmp_path, "1", "2"), out=tmp_path / "s.csv"))
    run_submit(run, SubmitConfig(sample=_sample(tmp_path, "A-1", "B-2"), out=tmp_path / "s.csv"))
    assert (tmp_path / "s.csv").read_text() == "ID,TARGET\nA-1,0\nB-2,3\n"
    with pytest.raises(InputError, match="1 of 2 ids have no prediction"):
        run_submit(run, SubmitConfig(sample=_sample(tmp_path, "1", "9"), out=tmp_path / "t.csv"))


def test_submitting_changes_no_prediction(run: Path, tmp_path: Path) -> None:
    before = sha256_file(tmp_path / "run.parquet")
    run_submit(run, SubmitConfig(out=tmp_path / "s.csv"))
    graded = read_predictions(run).of_split("test").rows["predicted_grade"].tolist()
    written = [int(line.split(",")[1]) for line in (tmp_path / "s.csv").read_text().splitlines()[1:]]
    assert written == graded
    assert sha256_file(tmp_path / "run.parquet") == before


@pytest.mark.parametrize("columns", ["id_code,diagnosis", "image,level"])
def test_a_submission_has_the_samples_columns(run: Path, tmp_path: Path, columns: str) -> None:
    sample = tmp_path / "sample_submission.csv"
    sample.write_text(f"{columns}\n5_l1,0\n4_l1,0\n7_l1,0\n6_l1,0\n")
    reported = Recorder()
    with progress.reporting_to(reported):
        report = run_submit(run, SubmitConfig(sample=sample, out=tmp_path / "s.csv"))
    assert (tmp_path / "s.csv").read_text() == f"{columns}\n5_l1,0\n4_l1,4\n7_l1,2\n6_l1,1\n"
    assert ",".join(report.columns) == columns
    assert reported.notices == [f"{report.columns[1]} is the eye's grade: make sure that the competition asks for that"]
    for config in (CheckConfig(), CheckConfig(sample=sample)):
        assert run_check([tmp_path / "s.csv"], config).findings == ()


@pytest.mark.parametrize("target", ["patient", "eye"])
def test_different_grades_of_one_patient_or_eye_are_reported(tmp_path: Path, target: Target) -> None:
    ids, grades = ["1_l1", "1_l2", "1_r1", "2_l1", "2_l2", "2_r1", "3_l1"], np.array([0, 0, 1, 2, 3, 2, 4])
    rows = build_rows(
        image_id=ids, path=ids, split=["test"] * 7,
        patient_id=[name[0] for name in ids], eye=["left" if "l" in name else "right" for name in ids],
    )  # fmt: skip
    predictions = build_predictions(
        Labels(rows, tmp_path, "test", (target,)),
        probabilities=np.eye(5)[grades], score=grades, meta=replace(EYE_META, target=target), name="run",
    )  # fmt: skip
    write_predictions(predictions, tmp_path / "run.parquet")
    reported = Recorder()
    with progress.reporting_to(reported):
        report = run_submit(tmp_path / "run", SubmitConfig(out=tmp_path / "s.csv"))
    different = {"patient": ("1", "2"), "eye": ("2 left",)}[target]
    assert report.graded_differently == different
    assert f"the photographs of {len(different)} {target}s get different grades" in reported.warnings[0]
    assert f"drkit ensemble vote {tmp_path / 'run'} --fuse {target}" in reported.warnings[0]


def test_another_splits_rows_count_only_where_the_sample_asks(run: Path, tmp_path: Path) -> None:
    ids = [f"{number}_l1.jpg" for number in (1, 4, 5, 6, 7)]
    report = run_submit(run, SubmitConfig(sample=_sample(tmp_path, *ids), out=tmp_path / "s.csv"))
    assert report.rows == 5


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        (["4_l1", "5_l1", "6_l1"], "1 test photographs are not in .*: 7_l1"),
        (["4_l1", "5_l1", "6_l1", "7_l1", "9_l1"], "1 of 5 ids have no prediction in .*: 9_l1"),
        ([str(n) for n in range(7)], "7 of 7 ids have no prediction in .*: 0, 1, 2, 3, 4 and 2 more"),
        (["4_l1", "5_l1", "6_l1", "7_l1", "7_l1.jpg"], "1 image ids occur twice: 7_l1"),
    ],
)
def test_a_sample_that_does_not_fit_is_refused(run: Path, tmp_path: Path, ids: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        run_submit(run, SubmitConfig(sample=_sample(tmp_path, *ids), out=tmp_path / "s.csv"))
    assert not (tmp_path / "s.csv").exists()
    assert not (tmp_path / "s.json").exists()


def test_predictions_without_test_rows_need_a_sample(run: Path, tmp_path: Path) -> None:
    write_predictions(read_predictions(run).of_split("val"), tmp_path / "val.parquet")
    with pytest.raises(InputError, match="no rows of split test"):
        run_submit(tmp_path / "val", SubmitConfig(out=tmp_path / "s.csv"))


def test_the_json_file_has_the_origin_and_the_report_the_target(run: Path, tmp_path: Path) -> None:
    reported = Recorder()
    sample = _sample(tmp_path, "4_l1.jpg", "5_l1.jpg", "6_l1.jpg", "7_l1.jpg")
    with progress.reporting_to(reported):
        run_submit(run, SubmitConfig(sample=sample, out=tmp_path / "s.csv"))
    sidecar = json.loads((tmp_path / "s.json").read_text())
    assert any("the eye's grade" in sentence for sentence in reported.notices)
    assert (sidecar["target"], sidecar["unit"], sidecar["model"]) == ("eye", "image", "resnet18")
    assert sidecar["grade_counts"] == [1, 1, 1, 0, 1]
    assert sidecar["predictions"]["sha256"] == sha256_file(tmp_path / "run.parquet")
    assert sidecar["sample"]["sha256"] == sha256_file(sample)
    assert sidecar["submission_sha256"] == sha256_file(tmp_path / "s.csv")
    assert {"command", "finished"} <= set(sidecar["made"])


def test_nothing_is_overwritten_without_force(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.csv"
    submit(file=run, out=out)
    first = out.read_bytes()
    with pytest.raises(OutputExistsError, match=r"s\.csv exists already"):
        submit(file=run, out=out)
    assert out.read_bytes() == first
    report = submit(file=run, out=out, force=True)
    assert as_json(report)["rows"] == 4
    assert list(report.render())


def test_a_submission_has_every_row_of_the_courses_sample(shared_data: Path, tmp_path: Path) -> None:
    sample = shared_data / "DeepDRiD" / "sample_submission.csv"
    ids = [line.split(",")[0] for line in sample.read_text().split()[1:]]
    stems = [name.removesuffix(".jpg") for name in ids]
    rows = build_rows(image_id=stems[::-1], path=stems, split=["test"] * len(stems))
    predictions = build_predictions(
        Labels(rows, tmp_path, "test", ()),
        probabilities=np.full((len(ids), 5), 0.2),
        score=np.full(len(ids), 2.0),
        meta=EYE_META,
        name="run",
    )
    write_predictions(predictions, tmp_path / "run.parquet")
    run_submit(tmp_path / "run", SubmitConfig(sample=sample, out=tmp_path / "s.csv"))
    assert [line.split(",")[0] for line in (tmp_path / "s.csv").read_text().splitlines()[1:]] == ids
