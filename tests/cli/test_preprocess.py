"""`drkit preprocess` on the command line."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from drkit.catalogue import FILTERS
from drkit.cli.app import app
from drkit.cli.preprocess import _list_steps
from drkit.config.synth import SynthConfig
from drkit.recipes.synth import run_synth


def test_the_steps_are_listed_with_all_that_help_needs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        _list_steps(True)
    listed = capsys.readouterr().out

    for name, step in FILTERS.items():
        assert name in listed
        assert step.source.split(",")[0][:12] in listed
        for parameter, known in step.parameters.items():
            assert f"{parameter}={known.default:g}" in listed


def test_a_data_set_is_written_and_described(tmp_path: Path) -> None:
    run_synth(SynthConfig(out=tmp_path / "DeepDRiD", patients=5, size=48))
    options = ["--steps", "circle-crop,gamma", "--data", tmp_path / "DeepDRiD", "--size", 32, "--workers", 1]
    done = CliRunner().invoke(app, ["preprocess", str(tmp_path / "out"), *map(str, options)])

    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "20 photographs" in lines[0]
    assert "circle-crop:margin=0,resize:size=32,gamma:gamma=1.5" in lines[1]
    assert len(list((tmp_path / "out" / "images").glob("*.jpg"))) == 20


def test_a_missing_folder_argument_is_reported() -> None:
    refused = CliRunner().invoke(app, ["preprocess"])
    assert refused.exit_code == 2
    assert "give the folder of the new data set" in refused.stderr
