"""What the report says of its runs: their figures, their tasks, and the summary."""

from dataclasses import replace
from pathlib import Path

import pytest

from drkit.config.plot import PictureConfig, ReportConfig, ReportInputs
from drkit.config.score import ScoreConfig
from drkit.evaluation.agreement import with_interval
from drkit.plotting.report.page import TableBlock
from drkit.plotting.report.results import measure_results
from drkit.plotting.report.sources import read_files, read_sources
from drkit.plotting.report.summary import build_summary
from drkit.plotting.report.tasks import infer_tasks, name_parent
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
    assert [row[:2] for row in verdicts.rows] == [
        ("helped", "better"), ("made it worse", "worse"), ("cannot be told", "open"),
    ]  # fmt: skip


def test_each_run_stands_under_its_task_and_parents_have_names(write_run) -> None:
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
        write_run("looks", record={**options(attention_blocks="se"), **here}),
        write_run("graham", record={**options(steps=["ben-graham"]), **here}),
        write_run("joined", record={"kind": "ensemble", "members": []}),
    ]
    sources = read_sources(runs, None, "photograph")
    assert infer_tasks(sources) == {
        "plain": "(a) transfer learning",
        "elsewhere": "(b) stage one",
        "first": "(b) stage one",
        "second": "(b) two stages",
        "packaged": "(b) two stages",
        "looks": "(c) attention",
        "graham": "(d) preprocessing",
        "joined": "(d) ensemble",
    }
    assert [name_parent(source, sources) for source in sources[3:5]] == ["first", "fundus"]
