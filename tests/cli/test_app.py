"""The program as a whole: answers, refusals, streams and exit codes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from drkit.cli.app import COMMANDS, app
from drkit.cli.command import BUG

ROOT = Path(__file__).resolve().parents[2]


def _invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_from_photographs_to_a_checked_submission(eyes: Path, tmp_path: Path) -> None:
    common = ["--backbone", "test_efficientnet", "--weights", "none", "--size", 64, "--epochs", 1]
    trained = _invoke("finetune", "--data", eyes, *common, "--runs-dir", tmp_path, "--name", "a", "--json")
    assert trained.exit_code == 0, trained.output
    assert json.loads(trained.stdout)["agreements"]["val"]["patients"] == 2
    run = tmp_path / "a"
    truth = eyes / "test_grades.csv"
    scored = _invoke("score", run, "--truth", truth, "--split", "test", "--by", "patient", "--json")
    assert json.loads(scored.stdout)["scores"][0]["agreement"]["cases"] == 2
    sample, out = eyes / "sample_submission.csv", tmp_path / "submission.csv"
    submitted = _invoke("submit", run, "--sample", sample, "--out", out)
    assert submitted.exit_code == 0, submitted.output
    ids = [line.split(",")[0] for line in sample.read_text().splitlines()]
    assert [line.split(",")[0] for line in out.read_text().splitlines()] == ids
    assert _invoke("plot", "curves", run, "--out", tmp_path / "c.png").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["finetune", "--data", "{tmp}/nothing"], "nothing does not exist"),
        (["finetune", "--data", "{eyes}", "--backbone", "resnet81"], "did you mean resnet18"),
        (["finetune", "--data", "{eyes}", "--augment", "mediun"], "did you mean medium"),
        (["finetune", "--data", "{eyes}", "--name", "../a"], "letters, digits"),
        (["predict", "{tmp}/nothing", "--data", "{eyes}"], "expected a finished run"),
        (["score", "{tmp}/*.parquet"], "no file matches the pattern"),
        (["score", "{eyes}/train.csv"], "is not a parquet file"),
        (["submit", "{eyes}/train.csv"], "is not a parquet file"),
        (["plot", "curves", "{tmp}/x"], "expected a finished run"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_on_stderr(arguments: list[str], message: str, eyes: Path, tmp_path: Path) -> None:
    result = _invoke(*(argument.format(eyes=eyes, tmp=tmp_path) for argument in arguments))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ensemble", "vote", "a", "--how", "sof"], "'sof': did you mean soft?"),
        (["ensemble", "stack", "a", "--decision", "rouding"], "'rouding': did you mean rounding?"),
        (["finetune", "--unit", "foto"], "'foto': expected one of image, eye, patient"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_word_that_is_none_of_an_options_words_is_refused_with_the_nearest(
    arguments: list[str], message: str
) -> None:
    result = _invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["finetune", "--attention", "se"], "No such option: --attention: it is an option of drkit attend"),
        (["predict", "a", "--faithfulness"], "No such option: --faithfulness: it is an option of drkit explain"),
        (["finetune", "--atention", "se"], "No such option: --atention (Possible options"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_option_of_another_command_names_it(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_bug_keeps_its_traceback(eyes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("drkit.recipes.plot.run_curves", broken)
    result = _invoke("plot", "curves", "x")
    assert result.exit_code == BUG
    assert "RuntimeError: a bug" in result.stderr


def test_a_dry_run_answers_on_stdout_and_writes_nothing(eyes: Path, tmp_path: Path) -> None:
    result = _invoke("finetune", "--data", eyes, "--dry-run", "--runs-dir", tmp_path / "runs")
    assert result.exit_code == 0
    assert "32" in result.stdout
    assert "discs of DeepDRiD are 1.00 times as high as wide" in " ".join(result.stdout.split())
    assert list(tmp_path.iterdir()) == []


def test_quiet_prints_neither_progress_nor_tables(eyes: Path, run_stem: Path, tmp_path: Path) -> None:
    small = ["--backbone", "test_efficientnet", "--weights", "none", "--size", 64, "--epochs", 1]
    out = tmp_path / "out"
    for command in (
        ["finetune", "--data", eyes, *small, "--runs-dir", tmp_path],
        ["finetune", "--data", eyes, *small, "--dry-run"],
        ["predict", run_stem, "--data", eyes, "--out", out / "p.parquet"],
        ["synth", out / "eyes", "--patients", 10, "--size", 64],
        ["plot", "confusion", run_stem, "--out", out / "c.png"],
        ["ensemble", "vote", run_stem, "--fuse", "patient", "--out", out / "v.parquet"],
        ["submit", run_stem, "--out", out / "s.csv"],
        ["check", eyes],
    ):
        result = _invoke(*command, "-q")
        assert result.exit_code in (0, 1), result.output
        assert result.stdout == ""
        assert "warning" in result.stderr or result.stderr == "", command


def test_quiet_leaves_the_json_object(run_stem: Path) -> None:
    assert json.loads(_invoke("score", run_stem, "--split", "val", "-q", "--json").stdout)["scores"]


def test_a_closed_pipe_ends_quietly(run_stem: Path) -> None:
    command = f"{sys.executable} -m drkit score {run_stem} --split val | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


def test_every_command_has_two_examples_and_says_what_it_reads_and_writes() -> None:
    program: Any = get_command(app)
    for name, command in program.load_all():
        assert command.epilog.count(f"drkit {name}") == 2
        assert "Reads:" in command.help
        assert "Writes:" in command.help


def test_the_list_of_commands_has_the_first_line_of_each_help() -> None:
    program: Any = get_command(app)
    summaries = {name: command.help.partition("\n\n")[0] for name, command in program.load_all()}
    assert {name: summary for name, summary in COMMANDS.items() if summary != summaries.get(name, summary)} == {}
    assert {name.split()[0] for name in summaries} == set(COMMANDS)
