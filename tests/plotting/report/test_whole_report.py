"""The complete report: self-contained, explicit about omissions, and safe."""

import base64
import hashlib
import json
import re
import shutil
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from drkit.config.plot import PictureConfig, ReportInputs
from drkit.data.augmentation import load_policy
from drkit.errors import InputError, OutputExistsError, UsageError
from drkit.evaluation import compare_cases
from drkit.explaining.pictures import strip
from drkit.plotting.report import page as page_module
from drkit.plotting.report.page import EvidencePictures, Paragraph, TableBlock
from drkit.plotting.report.photographs import build_explanations, split_strip
from drkit.plotting.report.results import measure_results
from drkit.plotting.report.runs import build_runs
from drkit.plotting.report.sources import read_sources
from drkit.recipes.report import HtmlReport, run_report
from drkit.records.explanations import read_explanations
from drkit.records.predictions import read_predictions, write_predictions
from drkit.reporting import as_json


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.num_scripts = 0
        self.feed(page)
        assert self.num_scripts == 1  # the template's own

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        assert tag not in {"link", "iframe", "object", "embed", "form"}
        assert not [name for name in named if name.startswith("on")]
        self.num_scripts += tag == "script"
        assert tag != "img" or named["alt"]
        if "src" in named:
            self.sources.append(named["src"] or "")
        if "href" in named:
            self.links.append(named["href"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def _write(inputs: ReportInputs, out: Path, **changes: object) -> tuple[HtmlReport, _Reader]:
    report = run_report(inputs, PictureConfig(out=out, resamples=100, **changes))
    return report, _Reader(out.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def without_data(write_run, tmp_path_factory: pytest.TempPathFactory) -> tuple[HtmlReport, _Reader]:
    runs = (write_run("quick"), write_run("other", seed=1))
    return _write(ReportInputs(runs), tmp_path_factory.mktemp("report") / "report.html")


def test_everything_is_in_the_one_file(without_data) -> None:
    report, reader = without_data
    page = report.page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|url\(|@import", page)
    assert reader.sources
    assert all(
        source.startswith(("data:image/svg+xml;base64,", "data:image/jpeg;base64,")) for source in reader.sources
    )
    assert all(link.startswith("#") and f'id="{link[1:]}"' in page for link in reader.links)
    assert report.size == len(page.encode()) < 5_000_000


def test_without_data_photographs_are_left_out_with_a_note(without_data) -> None:
    report, reader = without_data
    assert "No data set was given (--data)" in reader.text
    assert not any("jpeg" in source for source in reader.sources)
    assert not report.with_photographs
    assert "without photographs" in next(report.render())


def test_runs_are_reported_with_options_intervals_and_hashes(without_data) -> None:
    _, reader = without_data
    for text in (
        "(a) transfer learning",
        "resnet18",
        "drkit finetune --name quick",
        "ab" * 32,
        "all options of other, quick",
    ):
        assert text in reader.text
    assert "all options of other, quick" in reader.text
    assert re.search(r"0\.\d{3} \(0\.\d{3} to 0\.\d{3}\)", reader.text)
    assert "Difference in quadratic kappa on the same resampled patients" in reader.text


def test_the_same_inputs_make_the_same_bytes(write_run, tmp_path: Path) -> None:
    run = write_run()
    pages = [_write(ReportInputs((run,)), tmp_path / name)[0].page.read_bytes() for name in ("a.html", "b.html")]
    assert pages[0] == pages[1]


@pytest.mark.usefixtures("undrawn")
def test_with_data_the_report_has_photographs_and_the_audit(write_run, eyes: Path, tmp_path: Path) -> None:
    report, reader = _write(ReportInputs((write_run(),), (eyes,)), tmp_path / "report.html")
    photographs = [source for source in reader.sources if "jpeg" in source]
    assert len(photographs) > 8
    for source in photographs[:3]:
        content = np.frombuffer(base64.b64decode(source.split(",")[1]), np.uint8)
        assert cv2.imdecode(content, cv2.IMREAD_COLOR).shape == (200, 200, 3)
    assert "Photographs by the eye's grade" in reader.text
    assert ("What the audit found" in reader.text) or ("The audit found nothing" in reader.text)
    assert report.with_photographs
    assert {"Errors", "Data and audit", "Provenance"} < set(report.sections)


@pytest.mark.usefixtures("undrawn")
def test_several_data_sets_are_reported_separately(write_run, eyes: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(eyes, other)
    for path in other.rglob("*.jpg"):
        path.write_bytes(path.read_bytes() + b"another file")
    stem = write_run()
    predictions = read_predictions(stem)
    names = np.where(np.arange(len(predictions)) % 2, "DeepDRiD", "other")
    rows = predictions.rows.assign(dataset=pd.array(names, "string"))
    write_predictions(replace(predictions, rows=rows), stem.with_suffix(".parquet"), force=True)
    _, reader = _write(ReportInputs((stem,), (eyes, other)), tmp_path / "report.html")
    assert "Photographs of DeepDRiD by the eye's grade" in reader.text
    assert "Photographs of other by the eye's grade" in reader.text
    assert "Agreement by data set" in reader.text
    assert "on DeepDRiD + other" in reader.text


@pytest.mark.usefixtures("undrawn")
def test_photographs_a_run_was_trained_on_are_named(write_run, eyes: Path, tmp_path: Path) -> None:
    from drkit.records.layouts import read_dataset
    from drkit.records.provenance import sha256_file

    row = read_dataset(eyes).of_split("val").rows.iloc[0]
    run = write_run(record={"trained_on_photographs": [sha256_file(Path(row["path"]))]})
    _, reader = _write(ReportInputs((run,), (eyes,)), tmp_path / "report.html")
    assert "trained-on-photograph" in reader.text
    assert f"{sha256_file(Path(row['path']))}  1  {row['image_id']}" in reader.text


@pytest.mark.usefixtures("undrawn")
def test_an_ensemble_is_reported_with_its_members_and_weights(write_run, tmp_path: Path) -> None:
    members = [{"name": name, "path": f"{name}.parquet", "sha256": "ef" * 32, "model": "resnet18"} for name in "ab"]
    record = {
        "kind": "ensemble",
        "settings": {"method": "weight", "goal": "kappa"},
        "members": members,
        "fitted": {"kind": "blend", "weights": [0.25, 0.75]},
        "agreement": {"nested": {"quadratic_weighted_kappa": 0.8}, "naive": {"quadratic_weighted_kappa": 0.85}},
    }
    _, reader = _write(ReportInputs((write_run("both", record=record),)), tmp_path / "report.html")
    assert "both: weight (goal kappa)" in reader.text
    assert "0.750" in reader.text
    assert "Ensembles: task (d)" in reader.text
    assert "nested fold that held their patient out" in reader.text
    assert "0.850, optimistic by +0.050" in reader.text


@pytest.mark.usefixtures("undrawn")
def test_a_runs_record_cannot_become_markup(write_run, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    options = {"backbone": evil, "weights": evil, "note": {evil: evil}}
    made = {"command": evil, "finished": evil, "drkit_version": evil}
    record = {"options": options, "made": made, "files": {evil: evil}, "trained_on_photographs": [evil]}
    run = write_run(record=record, model=evil)
    _, reader = _write(ReportInputs((run,), title=evil), tmp_path / "report.html")  # the reader counts scripts
    assert reader.text.count(evil) > 5


@pytest.mark.usefixtures("undrawn")
def test_a_run_whose_epoch_was_selected_on_the_scored_photographs_is_marked(write_run, tmp_path: Path) -> None:
    _, reader = _write(ReportInputs((write_run(chosen_on="val"),)), tmp_path / "report.html")
    assert "quick was selected on val, so its scores there are optimistic." in reader.text


@pytest.mark.usefixtures("undrawn")
def test_joined_photographs_are_labelled_and_compared_joined_alike(write_run, tmp_path: Path) -> None:
    runs = write_run("single"), write_run("joined", unit="eye")
    _, reader = _write(ReportInputs(runs), tmp_path / "report.html")
    assert "by eye" in reader.text
    assert re.search(
        r"It is unclear which of joined and single agrees better: .*, photographs joined by eye\.", reader.text
    )


@pytest.mark.usefixtures("undrawn")
def test_a_file_without_reference_grades_is_named_not_scored(write_run, grade_eyes, tmp_path: Path) -> None:
    from drkit.records.predictions import write_predictions

    predictions = grade_eyes("test-only")
    predictions.rows[["eye_grade", "patient_grade"]] = None
    write_predictions(predictions, tmp_path / "test-only.parquet")
    run = write_run()
    report, reader = _write(ReportInputs((run, tmp_path / "test-only.parquet")), tmp_path / "report.html")
    assert "test-only is not scored: test-only, split " in reader.text
    assert report.runs == ("quick", "test-only")
    with pytest.raises(InputError, match="nothing to report on"):
        _write(ReportInputs((tmp_path / "test-only.parquet",)), tmp_path / "none.html")


@pytest.mark.usefixtures("undrawn")
def test_mistakes_are_refused_before_any_work(write_run, tmp_path: Path) -> None:
    run = write_run()
    with pytest.raises(UsageError, match=r"ends in \.html"):
        _write(ReportInputs((run,)), tmp_path / "report.pdf")
    with pytest.raises(UsageError, match="at least 100"):
        run_report(ReportInputs((run,)), PictureConfig(out=tmp_path / "report.html", resamples=10))
    with pytest.raises(InputError, match="expected a predictions file"):
        _write(ReportInputs((tmp_path / "nothing",)), tmp_path / "report.html")
    with pytest.raises(InputError, match="expected a folder that drkit explain wrote"):
        _write(ReportInputs((run,), explanations=(tmp_path,)), tmp_path / "report.html")
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(OutputExistsError):
        _write(ReportInputs((run,)), tmp_path / "report.html")
    run.with_suffix(".json").write_text("{broken")
    with pytest.raises(InputError, match=r"quick\.json is not a record of drkit"):
        _write(ReportInputs((run,)), tmp_path / "other.html")


BESIDES = ("beyond_noise", "after_randomising")


@pytest.mark.usefixtures("undrawn")
def test_explanations_are_shown_with_their_proof(write_run, eyes: Path, tmp_path: Path) -> None:
    folder = _explain(tmp_path / "explanations")
    inputs = ReportInputs((write_run(),), (eyes,), (folder,))
    _, reader = _write(inputs, tmp_path / "report.html")
    for text in (
        "Explanations: task (e)",
        "the photograph, what speaks for it, what speaks against it",
        "quick, asked: predicted, the worst. Faithfulness, means over 3 cases of 2 patients",
        "0.400\n0.300 to 0.500",
        "noise at the same resolution",
        "beyond noise above 0: more than on pixels marked at random",
        "haemorrhages",
        "denser outside the fundus disc",
    ):
        assert text in reader.text
    _, bare = _write(ReportInputs(inputs.files, (), (folder,)), tmp_path / "bare.html")
    assert not any("jpeg" in source for source in bare.sources)


@pytest.mark.parametrize(("num_folders", "each"), [(1, 12), (5, 4)])
def test_of_several_folders_fewer_photographs_each_are_shown(tmp_path: Path, num_folders: int, each: int) -> None:
    explained = {}
    for number in range(num_folders):
        folder = _explain(tmp_path / str(number))
        found = read_explanations(folder)
        rows = tuple(replace(found.photographs[0], image_id=f"{row}_l1") for row in range(20))
        explained[folder] = replace(found, photographs=rows)
    (section,) = build_explanations(explained, with_photographs=True)
    shown = [
        [item.photograph.caption[0] for item in block.items]
        for block in section.blocks
        if isinstance(block, EvidencePictures)
    ]
    assert [len(names) for names in shown] == [each] * num_folders
    assert all((names[0], names[-1]) == ("0_l1", "19_l1") for names in shown)
    (bare,) = build_explanations(explained, with_photographs=False)
    assert not any(isinstance(block, EvidencePictures) for block in bare.blocks)


@pytest.mark.parametrize(("changes", "text"), [({}, "augment strong"), ({"turn": 7.0}, "augment of its own")])
def test_augmentation_is_reported_by_its_name(write_run, changes: dict, text: str) -> None:
    options = {"backbone": "resnet18", "augment": {**asdict(load_policy("strong")), **changes}}
    runs, _ = build_runs(read_sources([write_run(record={"options": options})], None, "photograph"))
    (table,) = [block.table for block in runs.blocks if isinstance(block, TableBlock)]
    assert text in table.rows[0][6]


@pytest.mark.usefixtures("undrawn")
def test_a_folder_of_several_methods_is_reported_completely(write_run, tmp_path: Path) -> None:
    (tmp_path / "both").mkdir()
    for method in ("gradcam", "hirescam"):
        manifest = _explain(tmp_path / "both" / method) / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"method": "gradcam"', f'"method": "{method}"'))
    _, reader = _write(ReportInputs((write_run(),), explanations=(tmp_path / "both",)), tmp_path / "report.html")
    assert "quick by gradcam; asked" in reader.text
    assert "quick by hirescam; asked" in reader.text


def test_the_policy_allows_only_the_templates_script_and_no_address(without_data) -> None:
    page = without_data[0].page.read_text(encoding="utf-8")
    script = (Path(page_module.__file__).with_name("page.js")).read_text(encoding="utf-8")
    assert f"<script>{script}</script>" in page
    sha256 = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1)
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{sha256}'"
    assert page.startswith("<!DOCTYPE html>")


@pytest.mark.usefixtures("undrawn")
def test_comparisons_of_attention_and_of_ensembles_have_sections(write_run, tmp_path: Path) -> None:
    run = write_run("gated")
    cost = {"parameters": 1000, "added_parameters": 64, "multiply_adds": 10, "added_multiply_adds": 1}
    (source,) = read_sources([run], None, "photograph")
    comparison = compare_cases(("plain", "gated"), [source.drawn.cases], [source.drawn.cases], num_photographs=8)
    record = {"comparison": as_json(comparison), "cost": cost, "remarks": ["they differ in more than attention"]}
    beside = run.with_name("gated.comparison.json")
    beside.write_text(json.dumps(record))
    found = measure_results([source], PictureConfig(out=tmp_path, resamples=100))
    gain = {
        "difference": 0.01,
        "interval": [-0.01, 0.03],
        "probability_of_no_gain": 0.2,
        "joint_interval": [-0.02, 0.04],
    }
    contender = {"nested": as_json(found[0].results[0].score.agreement), "naive_kappa": 0.9, "gain_in_hindsight": None}
    contenders = [
        {"name": "stack", "kind": "method", **contender, "gain": gain},
        {"name": "member-a", "kind": "member", **contender, "gain": None},
    ]
    content = {
        "kind": "comparison of ensembles", "target": "eye", "fuse": "none", "folds": 5, "photographs": 8, "patients": 2,
        "contenders": contenders, "remarks": ["a caveat"], "sentence": "It is unclear whether combining helps.",
    }  # fmt: skip
    methods = tmp_path / "compare.json"
    methods.write_text(json.dumps(content))
    for number, files in enumerate([(run, beside, methods), (run, methods)]):  # explanations beside a run are found
        report, reader = _write(ReportInputs(files), tmp_path / f"{number}.html")
        assert {"Attention: task (c)", "Ensemble methods compared: task (d)"} < set(report.sections)
        assert report.runs == ("gated",)
        for text in ("64 of 1000", "they differ in more", "member-a", "+0.010 (-0.010 to +0.030)", "a caveat"):
            assert text in reader.text
        assert reader.text.count("64 of 1000") == 1
    methods.write_text(json.dumps({**content, "contenders": [{"name": "stack"}]}))
    with pytest.raises(InputError, match=r"compare\.json is damaged.*run drkit ensemble compare again"):
        _write(ReportInputs((run, methods)), tmp_path / "broken.html")
    with pytest.raises(InputError, match="name at least one run"):
        _write(ReportInputs((beside,)), tmp_path / "none.html")


@pytest.mark.parametrize(("num_cells", "text"), [(3, "only 3 x 3 cells, too coarse"), (7, "denser outside the fundus")])
def test_coarse_maps_are_reported_as_coarse_and_not_as_a_shortcut(tmp_path: Path, num_cells: int, text: str) -> None:
    folder = _explain(tmp_path / "explained")
    np.savez(folder / "1_l1.npz", speaking_for=np.zeros((num_cells, num_cells), np.float32))
    (section,) = build_explanations({folder: read_explanations(folder)}, with_photographs=False)
    (warning,) = [block.text for block in section.blocks if isinstance(block, Paragraph) and block.tone == "warning"]
    assert text in warning
    (folder / "1_l1.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"1_l1\.npz does not hold the maps"):
        build_explanations({folder: read_explanations(folder)}, with_photographs=False)


def test_a_strip_is_cut_into_the_photograph_and_its_maps() -> None:
    panels = [np.full((40, 40, 3), value, np.uint8) for value in (50, 100, 150)]
    for count in (1, 2, 3):
        cut = split_strip(strip(panels[:count]))
        assert [panel.shape for panel in cut] == [(40, 40, 3)] * count
        assert all((panel == value).all() for panel, value in zip(cut, (50, 100, 150), strict=False))


def _explain(folder: Path) -> Path:
    """Write the files of `drkit explain` for one photograph."""
    from drkit.images.files import encode_photograph
    from drkit.records.explanations import MANIFEST, SCHEMA_VERSION

    folder.mkdir()
    (folder / "1_l1.png").write_bytes(encode_photograph(np.zeros((64, 192, 3), np.uint8), ".png"))
    row = {
        "image_id": "1_l1", "path": "1_l1.jpg", "sha256": "ab" * 32, "unit": 0, "patient_id": "1", "eye": "left",
        "split": "val", "picked": True, "reference_grade": 4, "predicted_grade": 1, "score": 1.2,
        "probabilities": [0.2] * 5, "asked_grade": 1, "share": 1.0, "outside_disc": 0.5, "outside_area": 0.2,
        "alarm": True, "picture": "1_l1.png", "maps": "1_l1.npz", "contrast": None,
    }  # fmt: skip
    mean = {"value": 0.4, "low": 0.3, "high": 0.5, "cases": 3, "patients": 2}
    proved = ("deletion", "insertion", "drop", "increase")
    record = {
        "run": "quick", "checkpoints": {}, "method": "gradcam", "layer": None, "target": "eye", "asked": "predicted",
        "unit": "image", "reason": "the worst", "speaks_for": "speaks for it", "speaks_against": "speaks against it",
        "sheets": [], "photographs": [row], "schema_version": SCHEMA_VERSION,
        "faithfulness": dict.fromkeys([*proved, *(f"noise_{name}" for name in proved), *BESIDES], mean),
        "lesions": {"haemorrhages": dict.fromkeys(("pointing", "mass", "area"), mean)},
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(record))
    return folder
