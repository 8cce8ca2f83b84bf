"""`drkit explain`: images, maps, manifest, faithfulness, and refused options."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from reporters import Recorder
from typer.testing import CliRunner

from drkit.cli.app import app
from drkit.config.explain import ALL_METHODS, ExplainConfig
from drkit.config.predict import PredictConfig
from drkit.errors import InputError, OutputExistsError, UnreadablePhotographsError, UsageError
from drkit.progress import reporting_to
from drkit.recipes.explain import run_explain
from drkit.recipes.finetune import RunOptions, run_finetune
from drkit.recipes.predict import run_predict
from drkit.records.explanations import read_explanations
from drkit.records.predictions import read_predictions, write_predictions
from drkit.reporting import Table, as_json

if TYPE_CHECKING:
    from drkit.config.training import TrainingConfig

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def patient_run(small_config: "TrainingConfig", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that sees all photographs of a patient at once, in two folds."""
    config = replace(small_config, unit="patient", folds=2, epochs=1, loss="cross-entropy", choose="last")
    return run_finetune(config, RunOptions(tmp_path_factory.mktemp("folds") / "runs", "whole")).run


@pytest.fixture(scope="module")
def explained(run_stem: Path, eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Explanations of val with faithfulness and lesion masks."""
    out = tmp_path_factory.mktemp("explained") / "gradcam"
    config = ExplainConfig(data=[eyes], split="val", out=out, faithfulness=True, lesions=eyes / "lesions", device="cpu")
    report = run_explain(run_stem, config)
    assert report.photographs == 8
    return out


def test_everything_that_the_manifest_lists_is_there_and_nothing_else(explained: Path) -> None:
    explanations = read_explanations(explained)
    assert sorted(explanations.files()) == sorted(p.name for p in explained.iterdir() if p.name != "manifest.json")
    assert (explanations.method, explanations.asked, explanations.unit) == ("gradcam", "score", "image")
    assert len(explanations.sheets) == 2
    for name in explanations.files():
        if name.endswith(".png"):
            picture = cv2.imread(str(explained / name))
            assert len({tuple(colour) for colour in picture.reshape(-1, 3)[::97]}) > 20


def test_the_manifest_agrees_with_the_run(explained: Path, run_stem: Path) -> None:
    rows = read_predictions(run_stem).rows.set_index("image_id")
    for row in read_explanations(explained).photographs:
        own = rows.loc[row.image_id]
        assert row.score == pytest.approx(own["score"], abs=1e-4)
        assert row.predicted_grade == own["predicted_grade"]
        assert row.reference_grade == own["patient_grade"]
        assert sum(row.probabilities) == pytest.approx(1, abs=1e-6)
        assert not Path(row.path).is_absolute()
        assert row.share == 1.0
        assert (row.contrast is None) == (row.predicted_grade == row.reference_grade)
        assert row.alarm == (row.outside_disc > row.outside_area)


def test_raw_maps_are_not_negative_and_load_without_pickle(explained: Path) -> None:
    for row in read_explanations(explained).photographs:
        with np.load(explained / row.maps, allow_pickle=False) as maps:
            assert maps["speaking_for"].shape == maps["against"].shape
            assert maps["speaking_for"].min() >= 0
            assert (maps["speaking_for"] * maps["against"] == 0).all()
            assert maps["disc"].dtype == bool


def test_the_proof_and_the_lesions_have_figures_with_intervals(explained: Path) -> None:
    explanations = read_explanations(explained)
    for figure in ("deletion", "insertion", "drop", "increase", "beyond_noise", "after_randomising", "noise_deletion"):
        mean = explanations.faithfulness[figure]
        assert mean["low"] <= mean["value"] <= mean["high"]
        assert (mean["cases"], mean["patients"]) == (8, 2)
    means = explanations.lesions["lesion"]
    assert 0 <= means["mass"]["value"] <= 1
    assert 0 < means["area"]["value"] < 0.5


@pytest.mark.parametrize("method", ALL_METHODS)
def test_every_method_on_every_kind_of_grader(method: str, patient_run: Path, eyes: Path, tmp_path: Path) -> None:
    """The photographs of a patient are explained together on one scale, by the fold that held them out."""
    chosen = read_predictions(patient_run).of_split("train").rows["image_id"].iloc[0]
    config = ExplainConfig(data=[eyes], method=method, ids=chosen, out=tmp_path / "a", device="cpu")
    assert run_explain(patient_run, config).photographs == 4
    explanations = read_explanations(tmp_path / "a")
    rows = explanations.photographs
    assert (explanations.unit, explanations.asked) == ("patient", "predicted")
    assert [row.picked for row in rows].count(True) == 1
    assert sum(row.share for row in rows) == pytest.approx(1, abs=1e-5)
    assert len({row.unit for row in rows}) == len({row.score for row in rows}) == 1
    own = read_predictions(patient_run).rows.set_index("image_id").loc[chosen]
    assert rows[0].score == pytest.approx(own["score"], abs=1e-4)  # of the fold that held the patient out


def test_a_single_fold_can_explain_and_reports_photographs_that_it_was_trained_on(
    patient_run: Path, eyes: Path, tmp_path: Path
) -> None:
    rows = read_predictions(patient_run).of_split("train").rows
    held_out_by_0 = rows["image_id"][rows["fold"] == 0].iloc[0]
    reported = Recorder()
    with reporting_to(reported):
        for fold in (0, 1):
            run_explain(patient_run, ExplainConfig(data=[eyes], ids=held_out_by_0, fold=fold, out=tmp_path / str(fold)))
    assert [sentence for sentence in reported.warnings if "fold" in sentence] == [
        "fold 1 was trained on 1 of these photographs: leave out --fold to use the others"
    ]
    with pytest.raises(UsageError, match="--fold 7"):
        run_explain(patient_run, ExplainConfig(data=[eyes], fold=7, out=tmp_path / "x"))


def test_an_earlier_layer_gives_a_finer_map_and_an_unknown_one_is_refused(
    run_stem: Path, eyes: Path, tmp_path: Path
) -> None:
    config = ExplainConfig(data=[eyes], worst=1, out=tmp_path / "a", device="cpu")
    run_explain(run_stem, config)
    run_explain(run_stem, replace(config, layer="blocks.0", out=tmp_path / "b"))
    sizes = []
    for name in "ab":
        row = read_explanations(tmp_path / name).photographs[0]
        with np.load(tmp_path / name / row.maps) as maps:
            sizes.append(maps["against"].shape[0])
    assert sizes[1] > sizes[0]
    with pytest.raises(UsageError, match="the network has no such layer: did you mean blocks"):
        run_explain(run_stem, replace(config, layer="blocs", out=tmp_path / "c"))


def test_the_same_again_and_other_photographs_leave_nothing_behind(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    config = ExplainConfig(data=[eyes], worst=2, out=tmp_path / "a", device="cpu")
    run_explain(run_stem, config)
    before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir() if path.name != "manifest.json"}
    with pytest.raises(OutputExistsError, match="--force"):
        run_explain(run_stem, config)
    run_explain(run_stem, replace(config, force=True))
    assert {name: (tmp_path / "a" / name).read_bytes() for name in before} == before
    for refused in (
        {"layer": "blocs"},
        {"split": "test", "target_grade": "reference", "worst": None},
    ):
        with pytest.raises((UsageError, InputError)):
            run_explain(run_stem, replace(config, force=True, **refused))
    assert {name: (tmp_path / "a" / name).read_bytes() for name in before} == before
    run_explain(run_stem, replace(config, force=True, worst=None, best=1))
    assert sorted(read_explanations(tmp_path / "a").files()) == sorted(
        path.name for path in (tmp_path / "a").iterdir() if path.name != "manifest.json"
    )


def test_a_planted_shortcut_raises_the_alarm(
    run_stem: Path, eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that relies on a corner of the photograph is distinguished from one that relies on the retina."""
    from drkit.models.grader import Grader

    def corner(self: Grader, images: torch.Tensor, places: object) -> torch.Tensor:
        maps = torch.zeros(len(images), self.backbone.num_features, 8, 8)
        maps[:, :, :2, :2] = 1.0 + images[:, :1, :2, :2].detach()
        return maps

    config = ExplainConfig(data=[eyes], worst=2, out=tmp_path / "a", device="cpu")
    monkeypatch.setattr(Grader, "maps", corner)
    report = run_explain(run_stem, config)
    assert len(report.alarms["gradcam"]) == 2
    warnings = [
        part for part in report.render() if isinstance(part, str) and part.startswith("possible shortcut: by gradcam")
    ]
    assert len(warnings) == 1


def test_mistakes_are_refused(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    config = ExplainConfig(data=[eyes], out=tmp_path / "a", device="cpu")
    with pytest.raises(UsageError, match="unknown method 'gradcan': did you mean gradcam"):
        replace(config, method="gradcan")
    with pytest.raises(UsageError, match="--target-grade predict: did you mean predicted"):
        replace(config, target_grade="predict")
    with pytest.raises(InputError, match=r"has no photograph 999_l1: did you mean"):
        run_explain(run_stem, replace(config, ids="999_l1"))
    with pytest.raises(InputError, match=r"the reference grade of .* is not known"):
        run_explain(run_stem, replace(config, split="test", target_grade="reference"))
    with pytest.raises(InputError, match="expected a finished run"):
        run_explain(tmp_path / "nothing", config)


@pytest.fixture
def unknown(eyes: Path, tmp_path: Path) -> Path:
    """Seven photographs of val and one of train, with unknown names and without grades."""
    folder = tmp_path / "unknown"
    folder.mkdir()
    chosen = [*sorted((eyes / "val").rglob("*.jpg"))[:7], next((eyes / "train").rglob("*.jpg"))]
    for number, path in enumerate(chosen):
        (folder / f"new{number}.jpg").write_bytes(path.read_bytes())
    return folder


def test_photographs_without_predictions_are_graded_first(run_stem: Path, unknown: Path, tmp_path: Path) -> None:
    """The six least certain photographs are explained with the scores of predict, and the run's folder is unchanged."""
    before = sorted(path.name for path in run_stem.parent.iterdir())
    reporter = Recorder()
    with reporting_to(reporter):
        report = run_explain(run_stem, ExplainConfig(data=[unknown], out=tmp_path / "a", device="cpu"))
    assert report.photographs == 6
    assert report.reason == "the 6 of all photographs with the least certain grades"
    assert reporter.notices[0] == "grading 8 photographs that small has not graded"
    assert sorted(path.name for path in run_stem.parent.iterdir()) == before
    run_predict(run_stem, PredictConfig(data=[unknown], out=tmp_path / "graded.parquet", device="cpu"))
    graded = read_predictions(tmp_path / "graded.parquet")
    certainty = pd.Series(graded.probabilities().max(1), graded.rows["image_id"]).sort_values(kind="stable")
    rows = read_explanations(tmp_path / "a").photographs
    assert [row.image_id for row in rows] == certainty.index[:6].tolist()
    for row in rows:
        own = graded.rows.set_index("image_id").loc[row.image_id]
        assert (row.predicted_grade, row.reference_grade) == (own["predicted_grade"], None)
        assert row.score == pytest.approx(own["score"], abs=1e-4)


@pytest.mark.parametrize(("method", "is_coarse"), [("gradcam", True), ("integrated-gradients", False)])
def test_sheets_of_maps_of_a_few_cells_warn(
    method: str, is_coarse: bool, run_stem: Path, eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A photograph of 64 pixels has 2 x 2 cells in the last layer, but an integrated gradient of each pixel."""
    titles: list[str] = []

    def note_title(_rows: object, title: str, _meanings: object) -> bytes:
        titles.append(title)
        return b""

    monkeypatch.setattr("drkit.explaining.writing.draw_sheet", note_title)
    reporter = Recorder()
    with reporting_to(reporter):
        run_explain(run_stem, ExplainConfig(data=[eyes], method=method, worst=1, out=tmp_path / "a", device="cpu"))
    warned = [
        text for text in reporter.warnings if text.startswith(f"the maps of {method} are 2 x 2 cells: too coarse")
    ]
    assert len(warned) == is_coarse
    assert [title.endswith("(maps of only 2 x 2 cells, too coarse to point at anything)") for title in titles] == [
        is_coarse
    ]


def test_a_training_photograph_is_explained_and_marked(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    chosen = sorted(path.name for path in (eyes / "train").rglob("*.jpg"))[0]
    reporter = Recorder()
    with reporting_to(reporter):
        config = ExplainConfig(data=[eyes], ids=chosen, out=tmp_path / "a", device="cpu")
        assert run_explain(run_stem, config).photographs == 1
    assert "the run was trained on 1 of these photographs" in reporter.warnings[0]


def test_other_photographs_of_the_same_names_are_noticed(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    graded = read_predictions(run_stem)
    rows = graded.rows.assign(score=np.clip(graded.rows["score"] + 1, 0, 4))
    write_predictions(replace(graded, rows=rows), tmp_path / "other.parquet")
    chosen = read_predictions(run_stem).of_split("val").rows["image_id"].iloc[0]
    for predictions, times in ((None, 0), (tmp_path / "other.parquet", 1)):
        reporter = Recorder()
        config = ExplainConfig(data=[eyes], ids=chosen, predictions=predictions, device="cpu")
        with reporting_to(reporter):
            run_explain(run_stem, replace(config, out=tmp_path / str(times)))
        assert sum(f"the scores of {chosen} differ from those" in sentence for sentence in reporter.warnings) == times


def test_complete_units_are_graded_by_the_folds_that_predict_uses(
    patient_run: Path, eyes: Path, unknown: Path, tmp_path: Path
) -> None:
    """Units of two data sets, one that the folds held out and one that is unknown to all."""
    chosen = read_predictions(patient_run).of_split("train").rows["image_id"].iloc[0]
    config = ExplainConfig(data=[eyes, unknown], ids=f"{chosen},new0.jpg", out=tmp_path / "a")
    assert run_explain(patient_run, config).photographs == 5
    rows = {row.image_id: row for row in read_explanations(tmp_path / "a").photographs}
    own = read_predictions(patient_run).rows.set_index("image_id").loc[chosen]
    assert rows[chosen].score == pytest.approx(own["score"], abs=1e-4)
    run_predict(patient_run, PredictConfig(data=[unknown], out=tmp_path / "graded.parquet", device="cpu"))
    fresh = read_predictions(tmp_path / "graded.parquet").rows.set_index("image_id").loc["new0"]
    assert rows["new0"].score == pytest.approx(fresh["score"], abs=1e-4)


def test_options_that_need_reference_grades_are_refused_before_anything_is_graded(
    run_stem: Path, unknown: Path, tmp_path: Path
) -> None:
    reporter = Recorder()
    config = ExplainConfig(data=[unknown], out=tmp_path / "a", device="cpu")
    with reporting_to(reporter):
        with pytest.raises(InputError, match="has no reference grades: select by --ids or --split"):
            run_explain(run_stem, replace(config, worst=2))
        with pytest.raises(InputError, match=r"--target-grade reference: .* has no reference grades"):
            run_explain(run_stem, replace(config, target_grade="reference"))
    assert reporter.notices == []


def test_the_command_prints_text_or_json(run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    common = ["explain", str(run_stem), "--data", str(eyes), "--per-grade", "1", "--device", "cpu"]
    shown = CliRunner().invoke(app, [*common, "--out", str(tmp_path / "a"), "--method", "gradcam,hirescam"])
    assert shown.exit_code == 0, shown.output
    assert (tmp_path / "a" / "hirescam" / "manifest.json").exists()
    answered = CliRunner().invoke(app, [*common, "--out", str(tmp_path / "b"), "--json", "--target-grade", "3"])
    answer = json.loads(answered.stdout)
    assert answer["asked"] == "3"
    assert answer["photographs"] == len(read_explanations(tmp_path / "b").photographs)
    refused = CliRunner().invoke(app, [*common, "--between", "2-3"])
    assert refused.exit_code == 2
    assert "expected two grades, e.g. 2,3" in refused.stderr


def test_the_report_has_a_table_of_faithfulness(explained: Path, run_stem: Path, eyes: Path, tmp_path: Path) -> None:
    config = ExplainConfig(data=[eyes], method="eigencam", worst=2, out=tmp_path / "a", faithfulness=True, device="cpu")
    report = run_explain(run_stem, config)
    table = next(part for part in report.render() if isinstance(part, Table))
    assert [row[0] for row in table.rows] == ["eigencam", "noise at the same resolution"]
    assert as_json(report)["faithfulness"]["eigencam"]["deletion"]["cases"] == 2


@pytest.mark.parametrize("is_graded", [True, False])
def test_unreadable_photographs_are_all_named_and_left_out_only_with_keep_going(
    run_stem: Path, eyes: Path, tmp_path: Path, is_graded: bool
) -> None:
    """The run has either graded the photographs before they were damaged, or not graded them at all."""
    folder, graded = tmp_path / "mixed", tmp_path / "graded.parquet"
    folder.mkdir()
    for number, path in enumerate(sorted((eyes / "val").rglob("*.jpg"))[:4]):
        (folder / f"{number}.jpg").write_bytes(path.read_bytes())
    if is_graded:
        run_predict(run_stem, PredictConfig(data=[folder], out=graded, device="cpu"))
    for number in (0, 2):
        path = folder / f"{number}.jpg"
        path.write_bytes(path.read_bytes()[:900])
    config = ExplainConfig(
        data=[folder],
        ids="0,1,2",
        predictions=graded if is_graded else None,
        out=tmp_path / "out",
        device="cpu",
    )
    with pytest.raises(UnreadablePhotographsError, match=r"2 photographs .*0\.jpg .*2\.jpg .*--keep-going skips"):
        run_explain(run_stem, config)
    report = run_explain(run_stem, replace(config, keep_going=True))
    assert (report.photographs, sorted(report.unreadable)) == (1, ["0", "2"])
    explanations = read_explanations(tmp_path / "out")
    assert [row.image_id for row in explanations.photographs] == ["1"]
    assert explanations.unreadable == report.unreadable
