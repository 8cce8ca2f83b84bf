"""Plots of tiny real runs: contents, reproducible bytes, reports, and no overwriting."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from reporters import Recorder
from typer.testing import CliRunner

from drkit import progress
from drkit.cli import plot as face
from drkit.cli.app import app
from drkit.config.plot import PictureConfig
from drkit.errors import InputError, OutputExistsError, UsageError
from drkit.recipes.gallery import run_errors, run_examples
from drkit.recipes.plot import run_confusion, run_curves, run_kappa, run_reliability, run_roc, run_scatter
from drkit.records.predictions import read_predictions, write_predictions
from drkit.records.runs import Run
from drkit.reporting import as_json

OF_PREDICTIONS = [run_confusion, run_kappa, run_reliability, run_roc, run_scatter]


@pytest.fixture
def mixed(run_stem: Path, tmp_path: Path) -> Path:
    """The run's predictions with both referable and other reference grades."""
    predictions = read_predictions(run_stem)
    for column in ("eye_grade", "patient_grade"):
        grades = predictions.rows["patient_id"].rank(method="dense").astype(int) % 5
        predictions.rows[column] = grades.astype("Int8")
    path = tmp_path / "mixed" / "small.parquet"
    write_predictions(predictions, path)
    return path


def _colours(picture: Path) -> int:
    pixels = cv2.imread(str(picture))
    return len({tuple(colour) for colour in pixels.reshape(-1, 3)[::7]})


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_curves_are_the_same_bytes_each_time(run_stem: Path, tmp_path: Path, suffix: str) -> None:
    first, second = (run_curves([run_stem], PictureConfig(out=tmp_path / f"{n}{suffix}")).picture for n in "ab")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("draw", [run_curves, *OF_PREDICTIONS])
def test_a_picture_is_not_blank_and_runs_stand_once(run_stem: Path, mixed: Path, tmp_path: Path, draw) -> None:
    files = [mixed, mixed] if draw is run_roc else [run_stem, run_stem.with_suffix(".parquet")]
    report = draw(files, PictureConfig(out=tmp_path / "a.png", resamples=100))
    assert _colours(report.picture) > 20
    assert report.runs == ("small",)
    json.dumps(as_json(report), allow_nan=False)


@pytest.mark.parametrize("what", ["scores", "models"])
def test_points_of_predictions(run_stem: Path, tmp_path: Path, what: str) -> None:
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(run_stem.with_suffix(".parquet").read_bytes())
    report = run_scatter([run_stem, copy], PictureConfig(out=tmp_path / "a.png"), what)
    assert _colours(report.picture) > 20
    assert report.runs == ("small", "copy")


def test_kappa_equals_that_of_score(run_stem: Path, tmp_path: Path) -> None:
    from drkit.config.score import ScoreConfig
    from drkit.recipes.score import run_score

    drawn = run_kappa([run_stem], PictureConfig(out=tmp_path / "a.png", split="val", by="patient", resamples=200))
    scored = run_score([run_stem], ScoreConfig(split="val", by="patient", resamples=200)).scores[0].agreement
    assert drawn.figures[0]["value"] == scored.quadratic_weighted_kappa
    assert drawn.figures[0]["interval"] == scored.quadratic_weighted_kappa_interval
    plain = run_kappa([run_stem], PictureConfig(out=tmp_path / "b.png", split="val", resamples=200), "plain")
    assert "plain kappa" in plain.sentences[0]


def test_an_undefined_kappa_is_drawn_as_zero_with_a_warning(run_stem: Path, tmp_path: Path) -> None:
    reported = Recorder()
    predictions = read_predictions(run_stem)
    rows = predictions.rows.assign(patient_grade=0, prob_0=1.0, score=0.0, predicted_grade=0)
    rows[["prob_1", "prob_2", "prob_3", "prob_4"]] = 0
    same = tmp_path / "same.parquet"
    write_predictions(replace(predictions, rows=rows), same)
    with progress.reporting_to(reported):
        run_kappa([same], PictureConfig(out=tmp_path / "a.png", resamples=100))
    message = "same: all reference and predicted grades are the same: kappa is undefined and reported as 0"
    assert message in reported.warnings


def test_runs_of_the_same_name_are_distinguished(run_stem: Path, tmp_path: Path) -> None:
    for path in Run(run_stem).outputs():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    report = run_curves([run_stem, tmp_path / "small"], PictureConfig(out=tmp_path / "a.png"))
    assert report.runs == (run_stem.as_posix(), (tmp_path / "small").as_posix())


def test_errors_are_the_scores_farthest_from_the_reference(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    report = run_errors([run_stem], [eyes], PictureConfig(out=tmp_path / "a.png", split="val"), num=5)
    rows = read_predictions(run_stem).of_split("val").rows
    target = read_predictions(run_stem).meta.target
    distance = (rows["score"] - rows[f"{target}_grade"].astype(float)).abs()
    shown = [item["image_id"] for item in report.figures]
    expected = distance.nlargest(5).tolist()
    assert distance[rows["image_id"].isin(shown)].sort_values(ascending=False).tolist() == expected
    assert _colours(report.picture) > 200


def test_errors_take_their_explanations_from_a_folder(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    plain = run_errors([run_stem], [eyes], PictureConfig(out=tmp_path / "a.png"), num=3)
    folder = tmp_path / "maps"
    folder.mkdir()
    photograph = next(eyes.rglob("*.jpg"))
    for item in plain.figures:
        (folder / f"{item['image_id']}.jpg").write_bytes(photograph.read_bytes())
    explained = run_errors([run_stem], [eyes], PictureConfig(out=tmp_path / "b.png"), num=3, explanations=folder)
    pixels = [cv2.imread(str(report.picture)).size for report in (plain, explained)]
    assert pixels[1] > 1.8 * pixels[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no picture of any of"):
        run_errors([run_stem], [eyes], PictureConfig(out=tmp_path / "c.png"), explanations=tmp_path / "empty")


def test_errors_of_several_methods_are_refused_by_name(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    methods = [tmp_path / "both" / method for method in ("gradcam", "hirescam")]
    for folder in methods:
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match=f"name one: {', '.join(map(str, methods))}"):
        run_errors([run_stem], [eyes], PictureConfig(out=tmp_path / "a.png"), explanations=tmp_path / "both")


def test_examples_are_of_their_grades_and_of_different_patients(eyes: Path, tmp_path: Path) -> None:
    from drkit.records.layouts import read_dataset

    report = run_examples([eyes], PictureConfig(out=tmp_path / "a.png", seed=3), num=2)
    rows = read_dataset(eyes).rows.set_index("image_id")
    assert [item["grade"] for item in report.figures] == [0, 1, 2, 3, 4]
    for item in report.figures:
        chosen = rows.loc[item["image_ids"]]
        assert (chosen["eye_grade"] == item["grade"]).all()
        graded = rows[rows["eye_grade"] == item["grade"]]
        assert chosen["patient_id"].nunique() == min(2, graded["patient_id"].nunique())
    again = run_examples([eyes], PictureConfig(out=tmp_path / "b.png", seed=3), num=2)
    assert again.picture.read_bytes() == report.picture.read_bytes()


def test_mistakes_are_refused(run_stem: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        run_curves([run_stem], PictureConfig(out=tmp_path / "a.bmp"))
    with pytest.raises(InputError, match="expected a finished run"):
        run_curves([tmp_path / "nothing"], PictureConfig(out=tmp_path / "a.png"))
    with pytest.raises(InputError, match="no file matches the pattern"):
        run_curves([tmp_path / "*.parquet"], PictureConfig(out=tmp_path / "a.png"))
    with pytest.raises(UsageError, match="name at least two"):
        run_scatter([run_stem], PictureConfig(out=tmp_path / "a.png"), "models")
    for what in ("epochs", "embeddings"):
        with pytest.raises(UsageError, match=f"--by eye: {what} are drawn by photograph"):
            run_scatter([run_stem], PictureConfig(out=tmp_path / "a.png", by="eye"), what)
    with pytest.raises(UsageError, match="did you mean scores"):
        run_scatter([run_stem], PictureConfig(out=tmp_path / "a.png"), "score")  # type: ignore[arg-type]
    for draw in (run_kappa, run_reliability, run_roc):
        with pytest.raises(UsageError, match="--resamples 5: an interval needs at least 100"):
            draw([run_stem], PictureConfig(out=tmp_path / "a.png", resamples=5))
    (tmp_path / "a.png").write_text("mine")
    for draw in (run_curves, *OF_PREDICTIONS):
        with pytest.raises(OutputExistsError):
            draw([run_stem], PictureConfig(out=tmp_path / "a.png"))
    assert (tmp_path / "a.png").read_text() == "mine"


@pytest.mark.parametrize("draw", OF_PREDICTIONS[:4])
def test_a_file_that_is_no_predictions_is_refused_in_a_sentence(tmp_path: Path, draw) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_text("not a parquet")
    with pytest.raises(InputError, match=r"broken\.parquet is not a parquet file"):
        draw([broken], PictureConfig(out=tmp_path / "a.png"))
    assert not (tmp_path / "a.png").exists()


def test_errors_of_other_photographs_or_several_runs_are_refused(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    other = tmp_path / "photographs"
    other.mkdir()
    (other / "elsewhere.jpg").write_bytes(next(eyes.rglob("*.jpg")).read_bytes())
    with pytest.raises(InputError, match="lacks 8 of the photographs that small has graded"):
        run_errors([run_stem], [other], PictureConfig(out=tmp_path / "a.png", split="val"))
    with pytest.raises(InputError, match="states no grades"):
        run_examples([other], PictureConfig(out=tmp_path / "a.png"))
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(run_stem.with_suffix(".parquet").read_bytes())
    with pytest.raises(UsageError, match="draws one run: 2 were given"):
        run_errors([run_stem, copy], [eyes], PictureConfig(out=tmp_path / "a.png"))


def test_the_commands_print_a_table_or_json(mixed: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    out = tmp_path / "roc.png"
    words = ["plot", "roc", str(mixed), "--split", "val", "--resamples", "100", "--out", str(out), "--json"]
    done = runner.invoke(app, words)
    assert done.exit_code == 0, done.output
    assert {"sensitivity", "specificity"} < set(json.loads(done.stdout)["figures"][0]["points"][0])
    again = runner.invoke(app, words)
    assert again.exit_code == 2
    assert "--force" in again.stderr


@pytest.mark.parametrize("name", face.EXAMPLES)
def test_every_picture_has_two_examples_and_says_what_it_reads_and_writes(name: str) -> None:
    command = getattr(face, name)
    assert len(face.EXAMPLES[name]) == 2
    assert all(line.startswith(f"drkit plot {name} ") for line in face.EXAMPLES[name])
    assert "Reads:" in command.__doc__
    assert "Writes:" in command.__doc__


@pytest.mark.parametrize("option", ["--per-grade", "--num"])
def test_examples_and_explanations_have_one_word_for_as_many_of_a_grade(
    eyes: Path, tmp_path: Path, option: str
) -> None:
    arguments = ["plot", "examples", "--data", eyes, option, 1, "--out", tmp_path / "e.png", "--json"]
    answered = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert answered.exit_code == 0, answered.output
    assert {len(item["image_ids"]) for item in json.loads(answered.stdout)["figures"]} <= {0, 1}
