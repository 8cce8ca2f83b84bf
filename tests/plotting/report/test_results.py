"""The report's results: figures of the runs, their tasks, and the summary."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from reporters import Recorder

from drkit.config.plot import PictureConfig, ReportConfig, ReportInputs
from drkit.config.score import ScoreConfig
from drkit.evaluation.agreement import with_interval
from drkit.plotting.report.page import Pictures, TableBlock
from drkit.plotting.report.results import measure_results
from drkit.plotting.report.runs import build_runs
from drkit.plotting.report.sources import read_files, read_sources
from drkit.plotting.report.summary import build_summary
from drkit.plotting.report.tasks import infer_tasks, name_parent
from drkit.plotting.selection import find_data, limit_runs
from drkit.progress import reporting_to
from drkit.recipes.report import run_report
from drkit.recipes.score import run_score


@pytest.mark.usefixtures("undrawn")
def test_kappas_and_intervals_are_those_of_score(write_run, tmp_path: Path) -> None:
    runs = write_run("a"), write_run("b", seed=1)
    run_report(ReportInputs(runs), ReportConfig(tmp_path / "report.html"))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for score in run_score(runs, ScoreConfig()).scores:
        agreement = score.agreement
        assert with_interval(agreement.quadratic_weighted_kappa, agreement.quadratic_weighted_kappa_interval) in text
        assert with_interval(agreement.plain_kappa, agreement.plain_kappa_interval) in text


@pytest.mark.usefixtures("undrawn")
def test_the_summary_comes_first_with_the_best_run_of_each_task(write_run, tmp_path: Path) -> None:
    sharp, blunt = write_run("sharp", noise=0.2), write_run("blunt", noise=4.0)
    report = run_report(ReportInputs((blunt, sharp)), PictureConfig(out=tmp_path / "report.html", resamples=100))
    assert report.sections[0] == "Summary"
    files = read_files([blunt, sharp], None, "photograph")
    (group,) = measure_results(files.sources, PictureConfig(out=tmp_path, resamples=100))
    (found,) = group.comparisons
    assert (found.run, found.against, found.difference > 0.1) == ("sharp", "blunt", True)
    compared = [
        replace(found, run="open", difference=0.0, interval=(-0.1, 0.1)),
        replace(found, run="worse", difference=-0.2, interval=(-0.3, -0.1)),
        replace(found, run="better", difference=0.2, interval=(0.1, 0.3)),
    ]
    summary = build_summary([replace(group, comparisons=compared)], files)
    best, verdicts = (block.table for block in summary.blocks if isinstance(block, TableBlock))
    assert [(*row[:2], row[4]) for row in best.rows] == [("(a) transfer learning", "sharp", "2")]
    assert [(row[4], row[0]) for row in verdicts.rows] == [
        ("helped", "better"), ("made it worse", "worse"), ("unclear", "open"),
    ]  # fmt: skip


@pytest.mark.usefixtures("undrawn")
def test_at_most_seven_runs_share_axes_and_a_legend(write_run) -> None:
    names = [f"run-{number}" for number in range(9)]
    sources = read_sources([write_run(name, seed=seed) for seed, name in enumerate(names)], None, "photograph")
    _, curves = build_runs(sources)
    legends = [block.legend for block in curves.blocks if isinstance(block, Pictures)]
    drawn = [[entry for entry in legend if entry.label in names] for legend in legends]
    assert [[entry.label for entry in entries] for entries in drawn] == [names[:7], names[7:]]
    assert all(len({entry.colour for entry in entries}) == len(entries) for entries in drawn)


def test_options_shared_by_most_runs_are_listed_once(write_run) -> None:
    def write(name: str, **changes: object) -> Path:
        options = {"backbone": "resnet18", "weights": "imagenet", "size": 64, "loss": "regression", **changes}
        return write_run(name, record={"options": options})

    runs = [write("a"), write("b", size=96), write("c", loss="corn", round_discs=True)]
    section, _ = build_runs(read_sources(runs, None, "photograph"))
    paragraph, table = section.blocks[:2]
    assert paragraph.text == "Unless stated otherwise: resnet18, size 64, loss regression, grades by rounding."
    assert [row[6] for row in table.table.rows] == ["-", "size 96", "round discs, loss corn"]
    alone, _ = build_runs(read_sources(runs[:1], None, "photograph"))
    assert alone.blocks[0].table.rows[0][6] == "resnet18, size 64, loss regression, grades by rounding"


def test_only_the_first_seven_runs_are_drawn_with_a_note() -> None:
    reporter = Recorder()
    with reporting_to(reporter):
        assert limit_runs("abcdefg") == list("abcdefg")
        assert reporter.warnings == []
        assert limit_runs("abcdefghi") == list("abcdefg")
    assert reporter.warnings == ["only the first 7 of 9 runs are drawn: more would be indistinguishable"]


def test_an_ensemble_is_of_the_data_sets_of_its_members(write_run) -> None:
    member = write_run("member", record={"data": ["d/DeepDRiD"]})
    members = [{"name": "member", "path": os.path.relpath(f"{member}.parquet", member.parent)}, {"name": "lost"}, 7]
    ensemble = write_run("both", record={"kind": "ensemble", "members": members})
    beside = ensemble.with_suffix(".json")
    assert find_data(ensemble.with_suffix(".parquet")) == ""
    record = json.loads(beside.read_text())
    record["members"] = [{"path": os.path.relpath(f"{member}.parquet", ensemble.parent)}] * 2
    beside.write_text(json.dumps(record))
    (source,) = read_sources([ensemble], None, "photograph")
    assert source.drawn.title.startswith("DeepDRiD: eye's grade")


def test_each_run_is_listed_under_its_task_with_the_name_of_its_parent(write_run) -> None:
    def options(**changes: object) -> dict[str, object]:
        return {"options": {"backbone": "resnet18", "weights": "imagenet", "steps": [], **changes}}

    first = write_run("first", record={**options(), "data": ["d/APTOS2019"], "files": {"first.safetensors": "f" * 64}})
    here = {"data": ["d/DeepDRiD"]}
    runs = [
        write_run("plain", record={**options(), **here}),
        write_run("elsewhere", record={**options(), "data": ["d/IDRiD"]}),
        first,
        write_run("second", record={**options(weights="f" * 64), **here, "weights": "runs/first.safetensors"}),
        write_run("packaged", record={**options(weights="fundus"), **here, "weights": "fundus"}),
        write_run("torchvision", record={**options(weights="e" * 64), **here, "weights": "w/resnet18.pth"}),
        write_run("looks", record={**options(attention_blocks="se"), "data": ["d/elsewhere"]}),
        write_run("graham", record={**options(steps=["ben-graham"]), "data": ["d/ben-graham"]}),
        write_run("joined", record={"kind": "ensemble", "members": []}),
    ]
    sources = read_sources(runs, None, "photograph")
    assert infer_tasks(sources) == {
        "plain": "(a) transfer learning",
        "elsewhere": "(b) stage one",
        "first": "(b) stage one",
        "second": "(b) two stages",
        "packaged": "(b) two stages",
        "torchvision": "(a) transfer learning",
        "looks": "(c) attention",
        "graham": "(d) preprocessing",
        "joined": "(d) ensemble",
    }
    assert [name_parent(source, sources) for source in sources[3:6]] == ["first", "fundus", "resnet18"]
