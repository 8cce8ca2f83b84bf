"""The complete audit."""

import json
import os
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import numpy as np
import pandas as pd
import pytest

from drkit.auditing.findings import KINDS
from drkit.cli.check import EXAMPLES, check
from drkit.config.check import CheckConfig
from drkit.errors import InputError, OutputExistsError, UsageError
from drkit.images.files import encode_photograph, read_photograph
from drkit.recipes.check import run_check, sort_inputs
from drkit.records.comparisons import write_comparison
from drkit.records.predictions import read_predictions, write_predictions
from drkit.records.provenance import sha256_file
from drkit.records.runs import Run
from drkit.reporting import as_json


@pytest.fixture
def data(tmp_path, eyes):
    """A small valid data set of 48 photographs in the course's layout, which tests may damage."""
    return copytree(eyes, tmp_path / "DeepDRiD", ignore=ignore_patterns("lesions"))


def break_row(data, row, change):
    lines = (data / "train.csv").read_text().splitlines()
    lines[row] = change(lines[row])
    (data / "train.csv").write_text("\n".join(lines))


def test_a_sound_data_set_ends_with_0(data):
    report = run_check([data], CheckConfig())
    assert {finding.kind for finding in report.findings} <= {"small-photograph"}
    assert (report.exit_code, report.photographs) == (0, 48)


def test_a_broken_data_set_is_audited_and_ends_with_1(data):
    path = next((data / "val").rglob("*.jpg"))
    path.unlink()
    break_row(data, 1, lambda line: line.rsplit(",", 6)[0] + ",9,,9,10,8,0")
    report = run_check([data], CheckConfig())
    kinds = report.kinds
    assert kinds["missing-photograph"] == 1
    assert kinds["grade-off-scale"] >= 1
    assert report.exit_code == 1
    assert [finding.ids for finding in report.findings if finding.kind == "missing-photograph"] == [(path.stem,)]


def test_the_table_lists_five_examples_and_json_all(data):
    for path in sorted((data / "train").rglob("*.jpg"))[:7]:
        path.write_bytes(b"")
    report = run_check([data], CheckConfig())
    lines = [part for part in report.render() if isinstance(part, str)]
    at = next(number for number, line in enumerate(lines) if line.startswith("error: unreadable-photograph (7)"))
    assert lines[at + 6] == "  and 2 more (--json lists all)"
    answer = json.loads(json.dumps(as_json(report), allow_nan=False))
    unreadable = [finding for finding in answer["findings"] if finding["kind"] == "unreadable-photograph"]
    assert len({finding["ids"][0] for finding in unreadable}) == 7
    assert answer["severities"]["error"] == 7


def test_findings_come_worst_first(data):
    next((data / "val").rglob("*.jpg")).write_bytes(b"")
    severities = [finding.severity for finding in run_check([data], CheckConfig()).findings]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)


def test_a_contact_sheet_is_drawn_and_never_overwritten(data, tmp_path):
    first, second = sorted((data / "train").rglob("*.jpg"))[:2]
    second.write_bytes(first.read_bytes())
    config = CheckConfig(contact_sheet=tmp_path / "pairs.png")
    report = run_check([data], config)
    assert {"identical-photographs", "views-saved-twice"} & report.kinds.keys()
    assert read_photograph(tmp_path / "pairs.png").shape[1] == 3 * 492
    with pytest.raises(OutputExistsError, match="--force"):
        run_check([data], config)


def test_a_submission_against_its_sample(tmp_path):
    (tmp_path / "sample.csv").write_text("ID,TARGET\na.jpg,0\nb.jpg,0\n")
    (tmp_path / "mine.csv").write_text("ID,TARGET\na.jpg,7\n")
    report = check(paths=[tmp_path / "mine.csv"], sample=tmp_path / "sample.csv")
    assert report.kinds == {"grade-off-scale": 1, "id-missing": 1}
    assert report.exit_code == 1


def test_a_run_against_the_data_it_was_trained_on(eyes, run_stem, tmp_path):
    assert run_check([run_stem, eyes], CheckConfig()).exit_code == 0
    seen = next((eyes / "val").rglob("*.jpg"))
    record = json.loads(run_stem.with_name(f"{run_stem.name}.json").read_text())
    record["trained_on_photographs"].append(sha256_file(seen))
    (tmp_path / "leaky.json").write_text(json.dumps(record))
    copy(run_stem.with_name(f"{run_stem.name}.parquet"), tmp_path / "leaky.parquet")
    report = run_check([tmp_path / "leaky", eyes], CheckConfig())
    leaks = [finding.ids for finding in report.findings if finding.kind == "trained-on-photograph"]
    assert (leaks, report.exit_code) == ([(seen.stem,)], 1)


def test_a_run_whose_predictions_were_changed(run_stem, tmp_path):
    for path in Run(run_stem).outputs():
        copy(path, tmp_path)
    assert run_check([tmp_path / run_stem.name], CheckConfig()).exit_code == 0
    predictions = read_predictions(tmp_path / run_stem.name)
    write_predictions(predictions.of_split("val"), tmp_path / f"{run_stem.name}.parquet", force=True)
    report = run_check([tmp_path / run_stem.name], CheckConfig())
    assert (report.kinds, report.exit_code) == ({"changed-file": 1}, 1)


@pytest.mark.parametrize("name", ["a", "a.comparison.json", ""])
def test_a_comparison_of_several_seeds_is_audited_by_its_name(name, tmp_path):
    """A comparison has no predictions of its own."""
    compared = tmp_path / "a-s0.parquet"
    compared.write_bytes(b"as it was")
    write_comparison(tmp_path / "a.comparison.json", {}, [compared], force=False)
    compared.write_bytes(b"as it is")
    inputs = sort_inputs([tmp_path / name], None)
    assert inputs.comparisons == (tmp_path / "a.comparison.json",)
    if name:
        assert run_check([tmp_path / name], CheckConfig()).kinds == {"changed-file": 1}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".csv.zip", ".xlsx"])
def test_tables_are_audited_however_they_were_saved(data, suffix):
    rows = pd.read_csv(data / "train.csv")
    tables = [data / f"part{number}{suffix}" for number in (1, 2)]
    for path, part in zip(tables, (rows[:8], rows[8:]), strict=True):
        if suffix == ".xlsx":
            pytest.importorskip("openpyxl")
            part.to_excel(path, index=False)
        else:
            part.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    report = run_check(tables, CheckConfig())
    assert (report.inputs.data_sets, report.photographs) == (tuple(tables), len(rows))
    assert not report.severities["error"]


def test_a_submission_can_be_compared_with_a_sample_with_semicolons(tmp_path):
    (tmp_path / "sample.csv").write_text("sep=;\nID;TARGET\na.jpg;0\nb.jpg;0\n", encoding="utf-8-sig")
    (tmp_path / "s.csv").write_text("ID,TARGET\na.jpg,0\n")
    report = run_check([tmp_path / "s.csv"], CheckConfig(tmp_path / "sample.csv"))
    assert report.kinds == {"id-missing": 1}


@pytest.mark.parametrize(
    ("names", "config", "error", "sentence"),
    [
        (["nowhere"], CheckConfig(), InputError, "does not exist"),
        (["nowhere.csv"], CheckConfig(), InputError, "does not exist"),
        ([], CheckConfig(), UsageError, "give a data set"),
        (["."], CheckConfig(), InputError, "holds neither photographs nor a"),
        (["m.csv"], CheckConfig(contact_sheet="p.jpg"), UsageError, "expected a name that ends in .png"),
        (["s.csv"], CheckConfig(contact_sheet="p.png"), UsageError, "give a data set"),
        (["data"], CheckConfig(sample="s.csv"), UsageError, "give the submission's CSV"),
    ],
)
def test_input_that_cannot_be_audited_is_refused(tmp_path, monkeypatch, names, config, error, sentence):
    monkeypatch.chdir(tmp_path)
    if names != ["."]:
        (tmp_path / "data").mkdir()
        (tmp_path / "m.csv").write_text("image,grade\na,1")
        (tmp_path / "s.csv").write_text("ID,TARGET\na,1")
    sheet, sample = (value and Path(value) for value in (config.contact_sheet, config.sample))
    with pytest.raises(error, match=sentence):
        run_check([Path(name) for name in names], CheckConfig(sample, sheet))


@pytest.mark.parametrize(("fail_on", "expected"), [("error", (1, 0, 0)), ("warning", (1, 1, 0)), ("never", (0, 0, 0))])
def test_the_severity_that_fails_can_be_selected(tmp_path, fail_on, expected):
    photograph = encode_photograph(np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8), ".png")
    tables = {"error": ["a,9"], "warning": ["a,1", "b,1"], "note": ["a,5"]}
    for name, rows in tables.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "labels.csv").write_text("\n".join(["image,grade", *rows]))
        for row in rows:
            (tmp_path / name / f"{row[0]}.png").write_bytes(photograph)
    for name, code in zip(tables, expected, strict=True):
        report = run_check([tmp_path / name], CheckConfig(fail_on=fail_on))
        assert report.severities[name] > 0
        assert report.exit_code == code


def test_every_kind_is_explained_and_the_examples_name_the_command():
    assert all(kind.meaning and kind.severity in ("error", "warning", "note") for kind in KINDS.values())
    assert all(line.startswith("drkit check ") for line in EXAMPLES)


def test_data_sets_may_be_named_as_options_or_in_the_environment(eyes, tmp_path, monkeypatch):
    other = copytree(eyes, tmp_path / "other", ignore=ignore_patterns("lesions"))
    monkeypatch.setenv("DRKIT_DATA", os.pathsep.join([str(eyes), str(other)]))
    for report in (check(paths=[eyes, other]), check(paths=[eyes], data=[other]), check(data=[eyes, other]), check()):
        assert report.inputs.data_sets == (eyes, other)
        assert report.kinds["identical-across-data-sets"] > 0
    assert check(paths=[other]).inputs.data_sets == (other,)
    monkeypatch.delenv("DRKIT_DATA")
    with pytest.raises(UsageError, match="nothing to audit"):
        check()
