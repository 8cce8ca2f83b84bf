"""A finished run gives the same predictions as at the end of its training."""

import csv
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from reporters import Recorder
from safetensors.torch import save_file

from drkit import inference
from drkit.config.ensemble import EnsembleConfig
from drkit.config.predict import PredictConfig
from drkit.config.preprocess import PreprocessConfig
from drkit.config.score import ScoreConfig
from drkit.config.synth import SynthConfig
from drkit.config.training import TrainingConfig
from drkit.ensembling.blend import Vote
from drkit.errors import InputError, OutputExistsError, UnreadablePhotographsError
from drkit.evaluation.referral import RECORD_KEY, ReferralThreshold, fit_referral_threshold
from drkit.grading import ELSEWHERE
from drkit.images.files import encode_photograph, read_photograph
from drkit.progress import reporting_to
from drkit.recipes.ensemble import run_ensemble
from drkit.recipes.finetune import RunOptions, run_finetune
from drkit.recipes.predict import SEEN, run_predict
from drkit.recipes.preprocess import run_preprocess
from drkit.recipes.score import run_score
from drkit.recipes.synth import run_synth
from drkit.records.predictions import read_predictions
from drkit.records.runs import Run


def test_predicting_again_gives_the_runs_own_predictions(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.parquet"
    report = run_predict(run_stem, PredictConfig(data=[eyes], split="val", out=out, device="cpu"))
    own, again = read_predictions(run_stem).of_split("val"), read_predictions(out)
    assert again.rows["image_id"].tolist() == own.rows["image_id"].tolist()
    assert np.allclose(again.probabilities(), own.probabilities(), atol=1e-5)
    assert again.rows["predicted_grade"].tolist() == own.rows["predicted_grade"].tolist()
    assert (report.photographs, report.trained_on) == ({"val": 8}, 0)


def test_photographs_that_were_trained_on_are_recognised_by_content(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    """The photographs have other names and another layout."""
    folder = tmp_path / "renamed"
    folder.mkdir()
    seen = sorted((eyes / "train").rglob("*.jpg"))[:3]
    for number, path in enumerate(seen):
        (folder / f"photo{number}.jpg").write_bytes(path.read_bytes())
    report = run_predict(run_stem, PredictConfig(data=[folder], out=tmp_path / "a.parquet", device="cpu"))
    assert report.trained_on == 3
    assert read_predictions(tmp_path / "a.parquet").leaked_rows().all()
    (folder / "new.jpg").write_bytes(next((eyes / "val").rglob("*.jpg")).read_bytes())
    run_predict(run_stem, PredictConfig(data=[folder], out=tmp_path / "b.parquet", device="cpu"))
    again = read_predictions(tmp_path / "b.parquet")
    assert again.rows["image_id"][~again.leaked_rows()].tolist() == ["new"]


def test_unreadable_photographs_are_all_named_and_left_out_only_with_keep_going(
    run_stem: Path, eyes: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "mixed", tmp_path / "graded.parquet"
    folder.mkdir()
    for number, path in enumerate(sorted((eyes / "val").rglob("*.jpg"))[:4]):
        content = path.read_bytes()
        (folder / f"{number}.jpg").write_bytes(content if number % 2 else content[: len(content) // 2])
    whole = tmp_path / "whole.parquet"
    with pytest.raises(UnreadablePhotographsError, match=r"2 photographs .*0\.jpg .*2\.jpg .*--keep-going skips"):
        run_predict(run_stem, PredictConfig(data=[folder], out=out, device="cpu"))
    assert not out.exists()
    recorder = Recorder()
    with reporting_to(recorder):
        report = run_predict(run_stem, PredictConfig(data=[folder], out=out, device="cpu", keep_going=True))
    assert list(report.unreadable) == ["0", "2"]
    assert "2 of 4 photographs cannot be read and are not graded" in " ".join(recorder.warnings)
    graded = read_predictions(out)
    assert graded.rows["image_id"].tolist() == ["1", "3"]
    assert graded.meta.provenance["unreadable"] == report.unreadable
    for name in report.unreadable:
        (folder / f"{name}.jpg").unlink()
    run_predict(run_stem, PredictConfig(data=[folder], out=whole, device="cpu"))
    assert np.array_equal(read_predictions(whole).probabilities(), graded.probabilities())


def test_a_unit_that_lacks_a_photograph_is_graded_by_the_others(
    small_config: TrainingConfig, eyes: Path, tmp_path: Path
) -> None:
    """The unit is graded as if the data set did not list the photograph."""
    config = replace(small_config, epochs=1, unit="patient", fusion="concat", batch_size=4, folds=2, choose="last")
    run = run_finetune(config, RunOptions(tmp_path / "runs")).run
    broken, shorter = (Path(shutil.copytree(eyes, tmp_path / name)) for name in ("broken", "shorter"))
    lost = sorted((broken / "val").rglob("*.jpg"))[::5]
    for path in lost:
        path.write_bytes(b"")
    lines = (shorter / "val.csv").read_text().splitlines(keepends=True)
    names = [path.stem for path in lost]
    (shorter / "val.csv").write_text("".join(line for line in lines if not any(name in line for name in names)))
    tables = []
    for data in (broken, shorter):
        out = tmp_path / f"{data.name}.parquet"
        report = run_predict(run, PredictConfig(data=[data], split="val", out=out, device="cpu", keep_going=True))
        assert sorted(report.unreadable) == (sorted(names) if data == broken else [])
        tables.append(read_predictions(out))
    assert len(tables[0]) == 6
    assert tables[0].rows["image_id"].tolist() == tables[1].rows["image_id"].tolist()
    assert np.allclose(tables[0].probabilities(), tables[1].probabilities(), atol=1e-6)


def test_no_network_runs_once_a_photograph_is_refused(
    run_stem: Path, eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(shutil.copytree(eyes, tmp_path / "eyes"))
    for path in (data / "train").rglob("*.jpg"):
        path.write_bytes(b"")

    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(inference, "run_units", fail)
    with pytest.raises(UnreadablePhotographsError, match="32 photographs cannot be used"):
        run_predict(run_stem, PredictConfig(data=[data], split="train", out=tmp_path / "a.parquet", device="cpu"))


def test_an_ensemble_leaves_out_what_its_members_cannot_read(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "mixed", tmp_path / "graded.parquet"
    folder.mkdir()
    (folder / "good.jpg").write_bytes(next((eyes / "val").rglob("*.jpg")).read_bytes())
    (folder / "bad.jpg").write_bytes(b"")
    ensemble = tmp_path / "vote.parquet"
    run_ensemble([run_stem], Vote(), EnsembleConfig(fuse="patient", out=ensemble))
    config = PredictConfig(data=[folder], out=out, device="cpu", keep_going=True)
    assert list(run_predict(ensemble.with_suffix(".json"), config).unreadable) == ["bad"]
    assert read_predictions(out).rows["image_id"].tolist() == ["good"]


def test_another_data_sets_val_did_not_choose_the_epoch(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    run_synth(SynthConfig(out=other, patients=10, size=64, seed=77))
    ensemble = tmp_path / "vote.parquet"
    run_ensemble([run_stem], Vote(), EnsembleConfig(fuse="patient", out=ensemble))
    assert read_predictions(ensemble).meta.chosen_on == "val"
    for number, run in enumerate((run_stem, ensemble.with_suffix(".json"))):
        own, foreign = tmp_path / f"own{number}.parquet", tmp_path / f"foreign{number}.parquet"
        run_predict(run, PredictConfig(data=[eyes], split="val", out=own, device="cpu"))
        run_predict(run, PredictConfig(data=[other], split="val", out=foreign, device="cpu"))
        assert [read_predictions(path).meta.chosen_on for path in (own, foreign)] == ["val", ELSEWHERE]
        text = [" ".join(map(str, run_score([path], ScoreConfig(split="val")).render())) for path in (own, foreign)]
        assert ["was selected on val" in story for story in text] == [True, False]


def test_a_checkpoint_that_the_record_does_not_match_is_refused(
    run_stem: Path, small_config: TrainingConfig, eyes: Path, tmp_path: Path
) -> None:
    other = run_finetune(replace(small_config, seed=5, epochs=1), RunOptions(tmp_path, "small")).run
    Run(other).record.write_bytes(Run(run_stem).record.read_bytes())
    with pytest.raises(InputError, match="does not match its SHA-256"):
        run_predict(other, PredictConfig(data=[eyes], out=tmp_path / "a.parquet"))


def test_a_plain_folder_needs_no_grades(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    photograph = read_photograph(next((eyes / "val").rglob("*.jpg")))
    (folder / "linkes Auge ü.png").write_bytes(encode_photograph(photograph, ".png"))
    report = run_predict(run_stem, PredictConfig(data=[folder], out=tmp_path / "a.parquet", device="cpu"))
    rows = read_predictions(tmp_path / "a.parquet").rows
    assert rows["image_id"].tolist() == ["linkes Auge ü"]
    assert rows["patient_grade"].isna().all()
    assert sum(report.grade_counts) == 1


def test_a_missing_run_and_an_existing_output_are_refused(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a finished run"):
        run_predict(tmp_path / "nothing", PredictConfig(data=[eyes]))
    (tmp_path / "a.parquet").write_text("mine")
    with pytest.raises(OutputExistsError, match="--force"):
        run_predict(run_stem, PredictConfig(data=[eyes], out=tmp_path / "a.parquet"))
    assert (tmp_path / "a.parquet").read_text() == "mine"


def test_a_checkpoint_of_something_else_is_refused(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "small")
    for path in Run(run_stem).outputs():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    save_file({}, run.checkpoint())
    with pytest.raises(InputError, match="not drkit's checkpoint"):
        run_predict(run.stem, PredictConfig(data=[eyes], out=tmp_path / "a.parquet"))
    assert not (tmp_path / "a.parquet").exists()


def test_a_run_applies_its_preprocessing_to_raw_photographs_and_to_no_other(
    small_config: TrainingConfig, eyes: Path, tmp_path: Path
) -> None:
    cropped, greened = tmp_path / "cropped", tmp_path / "greened"
    for out, steps in ((cropped, "circle-crop,gamma"), (greened, "green")):
        run_preprocess(PreprocessConfig(out=out, steps=steps, data=[eyes], size=64, format="png", workers=1))
    run = run_finetune(replace(small_config, data=[cropped], epochs=1), RunOptions(tmp_path / "runs")).run
    answers = []
    for data in (eyes, cropped):
        out = tmp_path / f"{data.name}.parquet"
        report = run_predict(run, PredictConfig(data=[data], split="val", out=out, device="cpu"))
        assert report.trained_on == 0
        answers.append(read_predictions(out).rows.set_index("image_id")["score"].sort_index())
    assert np.allclose(answers[0], answers[1], atol=1e-5)
    whole = run_predict(run, PredictConfig(data=[eyes], out=tmp_path / "all.parquet", device="cpu"))
    assert whole.trained_on == 32  # recognised by the originals, although their processed copies were trained on
    with pytest.raises(
        InputError, match=r"was preprocessed with .*green, but the run was trained on .* after circle-crop"
    ):
        run_predict(run, PredictConfig(data=[greened], out=tmp_path / "no.parquet"))
    assert not (tmp_path / "no.parquet").exists()


def test_a_csv_table_and_an_html_page_are_written_on_request(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_stem.parent, tmp_path / "runs")) / run_stem.name
    threshold = ReferralThreshold(0.6, sensitivity=0.9, specificity=0.8, patients=50, fitted_on="val")
    record = json.loads(run.with_suffix(".json").read_text()) | {RECORD_KEY: asdict(threshold)}
    run.with_suffix(".json").write_text(json.dumps(record))
    table, page = tmp_path / "graded.csv", tmp_path / "graded.html"
    config = PredictConfig(data=[eyes], split="val", out=tmp_path / "a.parquet", device="cpu", csv=table, report=page)
    report = run_predict(run, config)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    graded = read_predictions(tmp_path / "a.parquet")
    assert [row["image_id"] for row in rows] == graded.rows["image_id"].tolist()
    is_referable = graded.probabilities()[:, 2:].sum(1, dtype=float) >= 0.6
    assert [row["referable"] for row in rows] == [str(bool(refers)) for refers in is_referable]
    assert report.warned == sum(bool(row["warnings"]) for row in rows)
    text = page.read_text(encoding="utf-8")
    assert "This is not a medical device" in text
    assert "at least 0.600" in text
    assert text.count("data:image/jpeg") == 2 * len(rows)  # each photograph and its map
    assert "http:" not in text
    assert "https:" not in text
    with pytest.raises(OutputExistsError):
        run_predict(run, replace(config, out=tmp_path / "b.parquet"))
    assert not (tmp_path / "b.parquet").exists()


def test_a_run_keeps_the_threshold_of_its_held_out_patients(small_config: TrainingConfig, tmp_path: Path) -> None:
    run = run_finetune(replace(small_config, epochs=1, folds=2), RunOptions(tmp_path, "a")).run
    found = fit_referral_threshold(read_predictions(run))
    assert found is not None
    assert found.fitted_on == "out of fold"
    assert json.loads(run.with_suffix(".json").read_text())[RECORD_KEY] == asdict(found)


def test_an_ensembles_page_has_no_maps(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    ensemble, page = tmp_path / "vote.parquet", tmp_path / "vote.html"
    run_ensemble([run_stem], Vote(), EnsembleConfig(fuse="patient", out=ensemble))
    config = PredictConfig(data=[eyes], split="val", out=tmp_path / "a.parquet", device="cpu", report=page)
    run_predict(ensemble.with_suffix(".json"), config)
    text = page.read_text(encoding="utf-8")
    assert "predicted grade 2 or worse" in text
    assert "data:image" not in text


def test_photographs_that_were_trained_on_are_marked_for_people(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    table = tmp_path / "graded.csv"
    run_predict(
        run_stem, PredictConfig(data=[eyes], split="train", out=tmp_path / "a.parquet", device="cpu", csv=table)
    )
    assert table.read_text().count(SEEN) == len(read_predictions(tmp_path / "a.parquet"))
